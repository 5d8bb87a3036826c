// SPDX-License-Identifier: GPL-2.0-or-later
#include "profile/pprof_writer.h"

#include <errno.h>
#include <stdlib.h>

#include "util/cleanup.h"

/* The module of the program comes first: tools take it for the profiled binary. */
static uint32_t main_module(const struct profile *p)
{
	const char *exe = p->processes.count ? p->processes.items[0].exe : NULL;
	uint32_t i;

	for (i = 0; exe && i < p->modules.count; i++)
		if (p->modules.items[i].path == exe)
			return i;
	return 0;
}

static void emit_mapping(struct writer *w, uint32_t index, uint64_t last_pc)
{
	const struct profile_module *m = &w->p->modules.items[index];
	Perftools__Profiles__Mapping mapping = PERFTOOLS__PROFILES__MAPPING__INIT, *list = &mapping;
	part part = PART;

	mapping.id = (uint64_t)index + 1;
	mapping.memory_limit = (last_pc | 0xfff) + 1 ? (last_pc | 0xfff) + 1 : UINT64_MAX;
	mapping.filename = writer__string(w, m->path);
	mapping.build_id = writer__string(w, m->build_id);
	/* Nobody need look for names: they are here. */
	mapping.has_functions = mapping.has_filenames = true;
	mapping.has_line_numbers = mapping.has_inline_frames = true;
	part.n_mapping = 1;
	part.mapping = &list;
	writer__emit(w, &part);
}

static void emit_mappings(struct writer *w)
{
	const struct profile *p = w->p;
	CLEANUP_FREE uint64_t *last_pc = calloc(p->modules.count + 1, sizeof(*last_pc));
	uint32_t first = main_module(p), i;

	if (!last_pc) {
		writer__check(w, -ENOMEM);
		return;
	}
	for (i = 0; i < p->locations.count; i++) {
		const struct profile_location *l = &p->locations.items[i];

		if (l->module < p->modules.count && l->pc > last_pc[l->module])
			last_pc[l->module] = l->pc;
	}
	if (p->modules.count)
		emit_mapping(w, first, last_pc[first]);
	for (i = 0; i < p->modules.count; i++)
		if (i != first)
			emit_mapping(w, i, last_pc[i]);
}

static uint64_t function_id(struct writer *w, const char *name, const char *file)
{
	Perftools__Profiles__Function f = PERFTOOLS__PROFILES__FUNCTION__INIT, *list = &f;
	part part = PART;
	uint32_t id;

	f.name = f.system_name = writer__string(w, name);
	f.filename = writer__string(w, file);
	id = hash__get(&w->function_index, f.name, f.filename);
	if (id != HASH_NONE)
		return id;
	f.id = ++w->nr_functions;
	writer__check(w, hash__set(&w->function_index, f.name, f.filename, f.id));
	part.n_function = 1;
	part.function = &list;
	writer__emit(w, &part);
	return f.id;
}

static void emit_location(struct writer *w, uint32_t index)
{
	static const struct profile_line nameless;
	const struct profile_location *l = &w->p->locations.items[index];
	bool has_module = l->module < w->p->modules.count;
	uint32_t nr = l->nr_lines ? l->nr_lines : 1, i;
	CLEANUP_FREE Perftools__Profiles__Line *lines = calloc(nr, sizeof(*lines));
	CLEANUP_FREE Perftools__Profiles__Line **list = calloc(nr, sizeof(*list));
	Perftools__Profiles__Location location = PERFTOOLS__PROFILES__LOCATION__INIT,
				      *locations = &location;
	char unknown[PPROF_UNKNOWN_SIZE];
	part part = PART;

	if (!lines || !list) {
		writer__check(w, -ENOMEM);
		return;
	}
	pprof_unknown_name(unknown, sizeof(unknown),
			   has_module ? w->p->modules.items[l->module].path : "", l->pc);
	for (i = 0; i < nr; i++) {
		const struct profile_line *line = l->nr_lines ? &l->lines[i] : &nameless;

		perftools__profiles__line__init(&lines[i]);
		lines[i].function_id =
			function_id(w, writer__has_name(line) ? line->symbol : unknown, line->file);
		lines[i].line = line->line;
		list[i] = &lines[i];
	}
	location.id = (uint64_t)index + 1;
	location.mapping_id = has_module ? (uint64_t)l->module + 1 : 0;
	location.address = l->pc;
	location.n_line = nr;
	location.line = list;
	part.n_location = 1;
	part.location = &locations;
	writer__emit(w, &part);
}

void writer__emit_code(struct writer *w)
{
	uint32_t i;

	emit_mappings(w);
	for (i = 0; i < w->p->locations.count && !w->err; i++)
		emit_location(w, i);
}
