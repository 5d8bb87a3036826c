// SPDX-License-Identifier: GPL-2.0-or-later
#include "symbol/symbol.h"

#include <errno.h>
#include <string.h>

#include <libelf.h>

#include "symbol/debuginfod.h"
#include "symbol/module.h"
#include "util/cleanup.h"
#include "util/hash.h"
#include "util/log.h"

/* What is kept; then all is forgotten: a program may generate code for ever. */
#define MAX_RESULTS (1U << 20)
#define MAX_LINES   (1U << 22)

/* The lines of one address. */
struct result {
	uint32_t first, nr; /* in lines */
};

struct symbolizer {
	struct symbolizer_options options;
	symbol_source_fn *source;
	void *context;
	struct debuginfod *debuginfod;	 /* NULL: ask nobody */
	VECTOR(struct module *) modules; /* NULL where nothing is known */
	struct hash module_index;	 /* by id */
	/* What was found out: by (address, module, interrupted) to results. */
	struct hash result_index;
	VECTOR(struct result) results;
	struct module_lines lines;
	struct profile *strings; /* only for its interned strings, which the lines refer to */
};

static void cleanup_symbolizer(struct symbolizer **s)
{
	symbolizer__destroy(*s);
}

int symbolizer__create(const struct symbolizer_options *options, symbol_source_fn *source,
		       void *context, struct symbolizer **ret)
{
	CLEANUP(cleanup_symbolizer) struct symbolizer *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	elf_version(EV_CURRENT);
	s->options = *options;
	s->source = source;
	s->context = context;
	s->strings = profile__create();
	if (!s->strings)
		return -ENOMEM;
	if (options->debuginfod) {
		err = debuginfod__create(&s->debuginfod);
		if (err == -ENOMEM)
			return err;
	}
	*ret = TAKE_PTR(s);
	return 0;
}

void symbolizer__destroy(struct symbolizer *s)
{
	size_t i;

	if (!s)
		return;
	for (i = 0; i < s->modules.count; i++)
		module__destroy(s->modules.items[i]);
	vector_release(&s->modules);
	hash__release(&s->module_index);
	hash__release(&s->result_index);
	vector_release(&s->results);
	vector_release(&s->lines.v);
	profile__destroy(s->strings);
	debuginfod__destroy(s->debuginfod);
	free(s);
}

static int forget_results(struct symbolizer *s)
{
	struct profile *strings = profile__create();

	if (!strings)
		return -ENOMEM;
	profile__destroy(s->strings);
	s->strings = strings;
	hash__release(&s->result_index);
	vector_release(&s->results);
	vector_release(&s->lines.v);
	return 0;
}

/* *@ret is NULL where nothing is known of the module. */
static int get_module(struct symbolizer *s, uint32_t id, struct module **ret)
{
	uint32_t i = id == PROFILE_NONE ? HASH_NONE : hash__get(&s->module_index, id, 0);
	struct symbol_source source = {.fd = -1};
	struct module *m = NULL;
	int err;

	*ret = NULL;
	if (id == PROFILE_NONE)
		return 0;
	if (i != HASH_NONE) {
		*ret = s->modules.items[i];
		return 0;
	}
	if (s->source(s->context, id, &source) == 0) {
		err = module__create(&source, s->debuginfod, s->options.progress, &m);
		if (err)
			return err;
	}
	err = vector_push(&s->modules, m);
	if (err) {
		module__destroy(m);
		return err;
	}
	*ret = m;
	return hash__set(&s->module_index, id, 0, s->modules.count - 1);
}

/* Append what stands at @l to the symbolizer's lines. */
static int look_up(struct symbolizer *s, uint32_t id, const struct profile_location *l, bool *keep)
{
	struct module *m;
	int err = get_module(s, id, &m);

	*keep = id != PROFILE_NONE;
	if (err)
		return err;
	if (!m)
		return vector_push(&s->lines.v, (struct profile_line){0});
	return module__find(m, l->pc, l->interrupted, s->strings, &s->lines, keep);
}

/* The lines of @l, from before or found out now. With *@keep false they must be dropped after use.
 */
static int get_result(struct symbolizer *s, uint32_t id, const struct profile_location *l,
		      struct result *ret, bool *keep)
{
	uint64_t key = (uint64_t)id << 1 | l->interrupted;
	uint32_t i = hash__get(&s->result_index, l->pc, key);
	struct result r;
	int err;

	*keep = true;
	if (i != HASH_NONE) {
		*ret = s->results.items[i];
		return 0;
	}
	if (s->results.count >= MAX_RESULTS || s->lines.v.count >= MAX_LINES) {
		err = forget_results(s);
		if (err)
			return err;
	}
	r.first = s->lines.v.count;
	err = look_up(s, id, l, keep);
	r.nr = s->lines.v.count - r.first;
	if (!err && *keep)
		err = vector_push(&s->results, r);
	if (!err && *keep)
		err = hash__set(&s->result_index, l->pc, key, s->results.count - 1);
	if (err)
		s->lines.v.count = r.first;
	*ret = r;
	return err;
}

/* Give location @index of @p the @nr lines @from, with strings of its own. */
static int set_lines(struct profile *p, uint32_t index, const struct profile_line *from,
		     uint32_t nr)
{
	CLEANUP_FREE struct profile_line *lines = reallocarray(NULL, nr, sizeof(*lines));
	uint32_t i;

	if (!lines)
		return -ENOMEM;
	for (i = 0; i < nr; i++) {
		lines[i] = from[i];
		lines[i].symbol = profile__intern(p, from[i].symbol);
		lines[i].file = profile__intern(p, from[i].file);
		if ((from[i].symbol && !lines[i].symbol) || (from[i].file && !lines[i].file))
			return -ENOMEM;
	}
	return profile__set_lines(p, index, lines, nr);
}

static int resolve_location(struct symbolizer *s, struct profile *p, uint32_t index)
{
	const struct profile_location *l = &p->locations.items[index];
	struct result r;
	bool keep;
	int err;

	err = get_result(s, p->modules.items[l->module].id, l, &r, &keep);
	if (err)
		return err;
	err = set_lines(p, index, &s->lines.v.items[r.first], r.nr);
	if (!keep)
		s->lines.v.count = r.first;
	return err;
}

struct wanted {
	VECTOR(uint32_t) v; /* indexes of locations, each once */
};

/* By module, so that each file is worked on in one go, and address, since neighbours share a unit.
 */
static int compare(const void *x, const void *y, void *context)
{
	const struct profile *p = context;
	const struct profile_location *a = &p->locations.items[*(const uint32_t *)x];
	const struct profile_location *b = &p->locations.items[*(const uint32_t *)y];

	if (a->module != b->module)
		return a->module < b->module ? -1 : 1;
	return (a->pc > b->pc) - (a->pc < b->pc);
}

/* The callers that the path of @e names. */
static int collect_path(const struct profile *p, const struct profile_entry *e, bool *seen,
			struct wanted *wanted)
{
	const struct profile_path *path = e->path ? &p->paths.items[e->path - 1] : NULL;
	uint32_t i;
	int err = 0;

	for (i = 0; path && i < path->nr_steps && !err; i++) {
		uint32_t l = p->steps.items[path->first_step + i].location;

		if (l >= p->locations.count || seen[l] || p->locations.items[l].nr_lines)
			continue;
		seen[l] = true;
		err = vector_push(&wanted->v, l);
	}
	return err;
}

/* Those of the stack @index (PROFILE_NONE: of none) that have no lines yet. */
static int want_stack(const struct profile *p, uint32_t index, bool *seen, struct wanted *wanted)
{
	const struct profile_stack *s = index < p->stacks.count ? &p->stacks.items[index] : NULL;
	uint32_t i;

	for (i = 0; s && i < s->count; i++) {
		uint32_t l = p->frames.items[s->first + i];
		int err;

		if (seen[l] || p->locations.items[l].nr_lines)
			continue;
		seen[l] = true;
		err = vector_push(&wanted->v, l);
		if (err)
			return err;
	}
	return 0;
}

static int collect(const struct profile *p, uint64_t top, uint32_t kinds, struct wanted *wanted)
{
	CLEANUP_FREE bool *seen = calloc(p->locations.count + 1, sizeof(*seen));
	size_t i, j;

	if (!seen)
		return -ENOMEM;
	for (i = 0; i < p->locations.count && top == UINT64_MAX; i++) {
		int err = p->locations.items[i].nr_lines ? 0 : vector_push(&wanted->v, i);

		if (err)
			return err;
	}
	for (i = 0; i < p->wrong_frees.count && top != UINT64_MAX; i++) {
		const struct profile_wrong_free *f = &p->wrong_frees.items[i];
		int err = want_stack(p, f->alloc_stack, seen, wanted);

		if (!err)
			err = want_stack(p, f->free_stack, seen, wanted);
		if (!err)
			err = want_stack(p, f->first_free, seen, wanted);
		if (err)
			return err;
	}
	for (i = 0; i < p->processes.count && top != UINT64_MAX; i++) {
		const struct profile_process *process = &p->processes.items[i];
		uint64_t left = top;

		for (j = 0; j < process->nr_entries && left; j++) {
			const struct profile_entry *e = &p->entries.items[process->first_entry + j];
			int err;

			if (!profile__is_shown(p, e, kinds))
				continue;
			left--;
			if (collect_path(p, e, seen, wanted))
				return -ENOMEM;
			err = want_stack(p, e->stack, seen, wanted);
			if (err)
				return err;
		}
	}
	return 0;
}

static void cleanup_wanted(struct wanted *wanted)
{
	vector_release(&wanted->v);
}

static int name_variables(struct symbolizer *s, struct profile *p)
{
	struct module *m;
	size_t i;
	int err = 0;

	for (i = 0; i < p->paths.count && !err; i++) {
		struct profile_path *path = &p->paths.items[i];

		if (path->root != PROFILE_ROOT_GLOBAL || path->name ||
		    path->module_id == PROFILE_NONE)
			continue;
		err = get_module(s, path->module_id, &m);
		if (!err && m)
			err = module__find_variable(m, path->pc, p, &path->name, &path->offset);
	}
	return err;
}

int symbolizer__resolve(struct symbolizer *s, struct profile *p, uint64_t top, uint32_t kinds)
{
	CLEANUP(cleanup_wanted) struct wanted wanted = {0};
	size_t i;
	int err = collect(p, top, kinds, &wanted);

	if (!err)
		err = name_variables(s, p);
	if (err || !wanted.v.count)
		return err;
	qsort_r(wanted.v.items, wanted.v.count, sizeof(*wanted.v.items), compare, p);
	for (i = 0; !err && i < wanted.v.count; i++)
		err = resolve_location(s, p, wanted.v.items[i]);
	return err;
}

int symbolizer__resolve_stack(struct symbolizer *s, struct profile *p, uint32_t stack)
{
	const struct profile_stack *frames = &p->stacks.items[stack];
	uint32_t i, l;
	int err = 0;

	for (i = 0; i < frames->count && !err; i++) {
		l = p->frames.items[frames->first + i];
		if (!p->locations.items[l].nr_lines)
			err = resolve_location(s, p, l);
	}
	return err;
}
