// SPDX-License-Identifier: GPL-2.0-or-later
#include "profile/pprof_reader.h"

#include <errno.h>
#include <stdlib.h>

#include "util/cleanup.h"

typedef Perftools__Profiles__Mapping mapping;
typedef Perftools__Profiles__Location location;

/* A name, NULL for the empty one. */
static int optional_name(struct reader *r, int64_t i, const char **ret)
{
	int err = reader__name(r, i, ret);

	if (!err && !**ret)
		*ret = NULL;
	return err;
}

/* Remember that @id is number @i of its kind. */
static int index_id(struct hash *index, uint64_t id, uint32_t i)
{
	if (!id || hash__get(index, id, 0) != HASH_NONE)
		return -EBADMSG;
	return hash__set(index, id, 0, i);
}

static int read_mappings(struct reader *r)
{
	size_t i;
	int err = 0;

	for (i = 0; i < r->m->n_mapping && !err; i++) {
		const mapping *m = r->m->mapping[i];
		const char *path, *build_id, *slash;
		struct module module;

		err = reader__name(r, m->filename, &path);
		if (!err)
			err = optional_name(r, m->build_id, &build_id);
		if (!err)
			err = profile__add_module(r->p, PROFILE_NONE, path, build_id,
						  &module.index);
		if (err)
			return err;
		slash = strrchr(path, '/');
		module.base = slash && slash[1] ? slash + 1 : path;
		err = vector_push(&r->modules, module);
		if (!err)
			err = index_id(&r->mappings, m->id, i);
	}
	return err;
}

static int index_code(struct reader *r)
{
	size_t i;
	int err = 0;

	for (i = 0; i < r->m->n_function && !err; i++)
		err = index_id(&r->functions, r->m->function[i]->id, i);
	for (i = 0; i < r->m->n_location && !err; i++)
		err = index_id(&r->locations, r->m->location[i]->id, i);
	return err;
}

int reader__read_code(struct reader *r)
{
	int err = read_mappings(r);

	return err ? err : index_code(r);
}

/* Whether @symbol is what the writer calls a function without a name. */
static bool is_unknown(const struct module *m, uint64_t pc, const char *symbol)
{
	char offset[24];
	size_t n;

	snprintf(offset, sizeof(offset), "+0x%" PRIx64, pc);
	n = strlen(symbol) - strlen(offset);
	return strlen(symbol) >= strlen(offset) && strcmp(symbol + n, offset) == 0 &&
	       strncmp(symbol, m ? m->base : "", n) == 0 && (!m || !m->base[n]);
}

static int read_line(struct reader *r, const location *l, const struct module *m, size_t i,
		     struct profile_line *ret)
{
	uint32_t f = hash__get(&r->functions, l->line[i]->function_id, 0);
	int64_t number = l->line[i]->line;
	int err;

	*ret = (struct profile_line){.inlined = i + 1 < l->n_line};
	if (!l->line[i]->function_id)
		return 0;
	if (f == HASH_NONE)
		return -EBADMSG;
	err = optional_name(r, r->m->function[f]->name, &ret->symbol);
	if (!err)
		err = optional_name(r, r->m->function[f]->filename, &ret->file);
	if (err)
		return err;
	if (ret->symbol && is_unknown(m, l->address, ret->symbol))
		ret->symbol = NULL;
	ret->line = number > 0 && number <= UINT32_MAX ? number : 0;
	return 0;
}

static int read_lines(struct reader *r, const location *l, const struct module *m,
		      const struct frame *frame, uint32_t index)
{
	size_t nr = l->n_line ? l->n_line : 1, i;
	CLEANUP_FREE struct profile_line *lines = calloc(nr, sizeof(*lines));
	int err = lines ? 0 : -ENOMEM;

	for (i = 0; i < l->n_line && !err; i++)
		err = read_line(r, l, m, i, &lines[i]);
	if (err)
		return err;
	/* Of the function itself, not of what is inlined into it. */
	if (lines[nr - 1].symbol)
		lines[nr - 1].offset = frame->offset;
	return profile__set_lines(r->p, index, lines, nr);
}

int reader__find_location(struct reader *r, uint64_t id, const struct frame *frame, uint32_t *ret)
{
	uint32_t i = hash__get(&r->locations, id, 0), m = HASH_NONE, index;
	const struct module *module = NULL;
	struct profile_location new = {
		.module = PROFILE_NONE,
		.by_frame_pointer = frame->flags & FRAME_BY_FRAME_POINTER,
		.interrupted = frame->flags & FRAME_INTERRUPTED,
	};
	const location *l;
	int err;

	if (i == HASH_NONE)
		return -EBADMSG;
	index = hash__get(&r->made, i, frame->flags);
	if (index != HASH_NONE) {
		*ret = index;
		return 0;
	}
	l = r->m->location[i];
	if (l->mapping_id) {
		m = hash__get(&r->mappings, l->mapping_id, 0);
		if (m == HASH_NONE)
			return -EBADMSG;
		module = &r->modules.items[m];
		new.module = module->index;
	}
	new.pc = l->address;
	/* Not profile__add_location(): others tell by lines what we tell by addresses. */
	err = vector_push(&r->p->locations, new);
	if (err)
		return err;
	*ret = r->p->locations.count - 1;
	err = read_lines(r, l, module, frame, *ret);
	return err ? err : hash__set(&r->made, i, frame->flags, *ret);
}
