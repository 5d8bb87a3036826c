// SPDX-License-Identifier: GPL-2.0-or-later
#include "symbol/symbol.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "symbol/debuginfod.h"
#include "symbol/debugpath.h"
#include "symbol/modules.h"
#include "symbol/remote.h"
#include "util/cleanup.h"
#include "util/hash.h"
#include "util/text.h"

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
	struct debuginfod *debuginfod; /* NULL: ask nobody */
	struct modules *modules;       /* those of this process; NULL: the helper's */
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
	s->options = *options;
	s->source = source;
	s->context = context;
	s->strings = profile__create();
	if (!s->strings)
		return -ENOMEM;
	err = options->sandbox ? 0 : modules__create(&s->modules);
	if (err)
		return err;
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
	if (!s)
		return;
	modules__destroy(s->modules);
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

static void cleanup_path(struct debugpath *p)
{
	debugpath__release(p);
}

/* The same in this process. */
static int find_here(struct symbolizer *s, uint32_t id, struct debugpath *where,
		     const struct symbol_question *questions, size_t nr,
		     struct symbol_answer *answers)
{
	struct debugfile_search search = {debugpath__open, where, s->debuginfod};
	struct module *m = modules__get(s->modules, id);
	size_t i;
	int err = 0;

	if (!m)
		err = modules__add(s->modules, id, &where->source, where->tell, &m);
	for (i = 0; i < nr && !err; i++) {
		answers[i].first = s->lines.v.count;
		err = module__find(m, &search, &questions[i], s->strings, &s->lines,
				   &answers[i].keep);
		answers[i].nr = s->lines.v.count - answers[i].first;
	}
	return err;
}

/* A path that can be printed, the caller's. */
static char *printable(const char *path)
{
	char *ret = strdup(path ? path : "?");

	if (ret)
		text__clean(ret, PATH_MAX);
	return ret;
}

static int find(struct symbolizer *s, uint32_t id, const struct symbol_question *questions,
		size_t nr, struct symbol_answer *answers)
{
	CLEANUP(cleanup_path)
	struct debugpath where = {
		.source.fd = -1,
		.debuginfod = s->debuginfod,
		.tell = s->options.progress,
		.last = -1,
	};
	CLEANUP_FREE char *shown = NULL;
	int err;

	if (id == PROFILE_NONE || s->source(s->context, id, &where.source))
		return 0;
	where.shown = shown = printable(where.source.path);
	if (!shown)
		return -ENOMEM;
	if (!s->options.sandbox)
		return find_here(s, id, &where, questions, nr, answers);
	err = remote__find(s->options.sandbox, id, &where, questions, nr, s->strings, &s->lines,
			   answers);
	return err == -EOWNERDEAD ? 0 : err; /* said and counted there */
}

/* What was not answered is one nameless line. */
static int fill_in(struct symbolizer *s, size_t nr, struct symbol_answer *answers)
{
	size_t i;

	for (i = 0; i < nr; i++) {
		int err = answers[i].nr ? 0 : vector_push(&s->lines.v, (struct profile_line){0});

		if (err)
			return err;
		if (!answers[i].nr)
			answers[i] = (struct symbol_answer){s->lines.v.count - 1, 1, true};
	}
	return 0;
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

#define BATCH 512 /* addresses that are asked about at once */

/* Addresses of one module. */
struct batch {
	uint32_t id;
	uint32_t locations[BATCH]; /* indexes in the profile */
	struct symbol_question questions[BATCH];
	struct symbol_answer answers[BATCH];
	size_t nr;
};

static uint64_t key_of(const struct batch *b, const struct symbol_question *q)
{
	return (uint64_t)b->id << 1 | q->interrupted;
}

/* Find out what is in the batch, and keep it for the next profile. */
static int resolve_batch(struct symbolizer *s, struct profile *p, struct batch *b)
{
	size_t i;
	int err;

	memset(b->answers, 0, sizeof(b->answers));
	err = find(s, b->id, b->questions, b->nr, b->answers);
	if (!err)
		err = fill_in(s, b->nr, b->answers);
	for (i = 0; i < b->nr && !err; i++) {
		const struct symbol_answer *a = &b->answers[i];

		if (a->keep && b->id != PROFILE_NONE) {
			err = vector_push(&s->results, ((struct result){a->first, a->nr}));
			if (!err)
				err = hash__set(&s->result_index, b->questions[i].pc,
						key_of(b, &b->questions[i]), s->results.count - 1);
		}
		if (!err)
			err = set_lines(p, b->locations[i], &s->lines.v.items[a->first], a->nr);
	}
	b->nr = 0;
	if (!err && (s->results.count >= MAX_RESULTS || s->lines.v.count >= MAX_LINES))
		err = forget_results(s);
	return err;
}

/* Give a location what is known already, or put it into the batch, which may be done first. */
static int resolve_location(struct symbolizer *s, struct profile *p, struct batch *b,
			    uint32_t index)
{
	const struct profile_location *l = &p->locations.items[index];
	uint32_t id = p->modules.items[l->module].id, i;
	struct symbol_question q = {.pc = l->pc, .interrupted = l->interrupted};
	int err = 0;

	if (b->nr == BATCH || (b->nr && b->id != id))
		err = resolve_batch(s, p, b);
	if (err)
		return err;
	b->id = id;
	i = hash__get(&s->result_index, q.pc, key_of(b, &q));
	if (i != HASH_NONE) {
		const struct result *r = &s->results.items[i];

		return set_lines(p, index, &s->lines.v.items[r->first], r->nr);
	}
	b->locations[b->nr] = index;
	b->questions[b->nr++] = q;
	return 0;
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

static int name_variable(struct symbolizer *s, struct profile *p, struct profile_path *path)
{
	struct symbol_question q = {.pc = path->pc, .variable = true};
	struct symbol_answer a = {0};
	const struct profile_line *line;
	int err = find(s, path->module_id, &q, 1, &a);

	if (err || !a.nr)
		return err;
	line = &s->lines.v.items[a.first];
	path->offset = line->offset;
	path->name = profile__intern(p, line->symbol);
	return line->symbol && !path->name ? -ENOMEM : 0;
}

/* The function of the frame, not what was inlined into it. */
static int name_frame(struct symbolizer *s, struct profile *p, struct profile_path *path)
{
	struct symbol_question q = {.pc = path->pc, .interrupted = path->interrupted};
	struct symbol_answer a = {0};
	const char *symbol;
	int err = find(s, path->module_id, &q, 1, &a);

	if (err || !a.nr)
		return err;
	symbol = s->lines.v.items[a.first + a.nr - 1].symbol;
	path->name = profile__intern(p, symbol);
	return symbol && !path->name ? -ENOMEM : 0;
}

static int name_roots(struct symbolizer *s, struct profile *p)
{
	size_t i;
	int err = 0;

	for (i = 0; i < p->paths.count && !err; i++) {
		struct profile_path *path = &p->paths.items[i];

		if (path->name || path->module_id == PROFILE_NONE)
			continue;
		if (path->root == PROFILE_ROOT_GLOBAL)
			err = name_variable(s, p, path);
		else if (path->root == PROFILE_ROOT_STACK)
			err = name_frame(s, p, path);
	}
	return err;
}

int symbolizer__resolve(struct symbolizer *s, struct profile *p, uint64_t top, uint32_t kinds)
{
	CLEANUP(cleanup_wanted) struct wanted wanted = {0};
	CLEANUP_FREE struct batch *b = calloc(1, sizeof(*b));
	size_t i;
	int err = b ? collect(p, top, kinds, &wanted) : -ENOMEM;

	if (!err)
		err = name_roots(s, p);
	if (err || !wanted.v.count)
		return err;
	qsort_r(wanted.v.items, wanted.v.count, sizeof(*wanted.v.items), compare, p);
	for (i = 0; !err && i < wanted.v.count; i++)
		err = resolve_location(s, p, b, wanted.v.items[i]);
	return err || !b->nr ? err : resolve_batch(s, p, b);
}

int symbol__compile_table(struct sandbox *sandbox, const struct symbol_source *source,
			  struct unwind_table **ret)
{
	CLEANUP(cleanup_path) struct debugpath where = {.source = *source, .last = -1};
	CLEANUP_FREE char *shown = printable(source->path);

	where.shown = shown;
	return shown ? remote__compile(sandbox, &where, ret) : -ENOMEM;
}

int symbolizer__resolve_stack(struct symbolizer *s, struct profile *p, uint32_t stack)
{
	const struct profile_stack *frames = &p->stacks.items[stack];
	CLEANUP_FREE struct batch *b = calloc(1, sizeof(*b));
	uint32_t i, l;
	int err = b ? 0 : -ENOMEM;

	for (i = 0; i < frames->count && !err; i++) {
		l = p->frames.items[frames->first + i];
		if (!p->locations.items[l].nr_lines)
			err = resolve_location(s, p, b, l);
	}
	return err || !b->nr ? err : resolve_batch(s, p, b);
}
