// SPDX-License-Identifier: GPL-2.0-or-later
#include "profile/profile.h"

#include <string.h>

#include "util/cleanup.h"

struct profile *profile__create(void)
{
	return calloc(1, sizeof(struct profile));
}

void profile__destroy(struct profile *p)
{
	size_t i;

	if (!p)
		return;
	for (i = 0; i < p->line_arrays.count; i++)
		free(p->line_arrays.items[i]);
	strings__release(&p->strings);
	vector_release(&p->line_arrays);
	vector_release(&p->processes);
	vector_release(&p->entries);
	vector_release(&p->sites);
	vector_release(&p->wrong_frees);
	vector_release(&p->stacks);
	vector_release(&p->frames);
	vector_release(&p->locations);
	vector_release(&p->modules);
	vector_release(&p->blocks);
	vector_release(&p->paths);
	vector_release(&p->steps);
	vector_release(&p->points);
	hash__release(&p->location_index);
	hash__release(&p->stack_index);
	hash__release(&p->module_index);
	free(p);
}

const char *profile__intern(struct profile *p, const char *s)
{
	uint32_t i;

	return s && !strings__add(&p->strings, s, &i) ? p->strings.list.items[i] : NULL;
}

int profile__add_module(struct profile *p, uint32_t id, const char *path, const char *build_id,
			uint32_t *ret)
{
	struct profile_module m = {.id = id};
	uint64_t a, b = 0;
	uint32_t i;
	int err;

	m.path = profile__intern(p, path);
	m.build_id = profile__intern(p, build_id);
	if (!m.path || (build_id && !m.build_id))
		return -ENOMEM;
	/* Interned strings are equal if their pointers are; ids and pointers never collide: an id
	 * has b == 1, a path pointer is aligned by malloc. */
	a = id;
	b = 1;
	if (id == PROFILE_NONE) {
		a = (uintptr_t)m.path;
		b = (uintptr_t)m.build_id;
	}
	i = hash__get(&p->module_index, a, b);
	if (i == HASH_NONE) {
		err = vector_push(&p->modules, m);
		if (err)
			return err;
		i = p->modules.count - 1;
		err = hash__set(&p->module_index, a, b, i);
		if (err) {
			p->modules.count--;
			return err;
		}
	}
	*ret = i;
	return 0;
}

int profile__add_location(struct profile *p, const struct profile_location *loc, uint32_t *ret)
{
	struct profile_location l = {
		.module = loc->module,
		.pc = loc->pc,
		.interrupted = loc->interrupted,
		.by_frame_pointer = loc->by_frame_pointer,
	};
	uint64_t b = ((uint64_t)l.module << 2) | l.interrupted << 1 | l.by_frame_pointer;
	uint32_t i = hash__get(&p->location_index, l.pc, b);
	int err;

	if (i == HASH_NONE) {
		err = vector_push(&p->locations, l);
		if (err)
			return err;
		i = p->locations.count - 1;
		err = hash__set(&p->location_index, l.pc, b, i);
		if (err) {
			p->locations.count--;
			return err;
		}
	}
	*ret = i;
	return 0;
}

int profile__set_lines(struct profile *p, uint32_t index, const struct profile_line *lines,
		       uint32_t nr)
{
	struct profile_line *copy = reallocarray(NULL, nr, sizeof(*copy));
	int err;

	if (!copy)
		return -ENOMEM;
	memcpy(copy, lines, nr * sizeof(*copy));
	err = vector_push(&p->line_arrays, copy);
	if (err) {
		free(copy);
		return err;
	}
	p->locations.items[index].lines = copy;
	p->locations.items[index].nr_lines = nr;
	return 0;
}

static bool stack_equals(const struct profile *p, const struct profile_stack *s,
			 const uint32_t *locations, uint32_t nr, bool truncated, bool broken)
{
	return s->count == nr && s->truncated == truncated && s->broken == broken &&
	       (!nr || memcmp(&p->frames.items[s->first], locations, nr * sizeof(*locations)) == 0);
}

int profile__add_stack(struct profile *p, const uint32_t *locations, uint32_t nr, bool truncated,
		       bool broken, uint32_t *ret)
{
	struct profile_stack s = {
		.first = p->frames.count, .count = nr, .truncated = truncated, .broken = broken};
	uint64_t key = hash__bytes(locations, nr * sizeof(*locations));
	uint64_t salt = (uint64_t)truncated | (uint64_t)broken << 1;
	uint32_t i;
	int err;

	for (;; salt += 4) {
		i = hash__get(&p->stack_index, key, salt);
		if (i == HASH_NONE)
			break;
		if (stack_equals(p, &p->stacks.items[i], locations, nr, truncated, broken)) {
			*ret = i;
			return 0;
		}
	}
	err = vector_reserve(&p->frames, p->frames.count + nr);
	if (!err)
		err = vector_push(&p->stacks, s);
	if (err)
		return err;
	err = hash__set(&p->stack_index, key, salt, p->stacks.count - 1);
	if (err) {
		p->stacks.count--;
		return err;
	}
	if (nr)
		memcpy(&p->frames.items[p->frames.count], locations, nr * sizeof(*locations));
	p->frames.count += nr;
	*ret = p->stacks.count - 1;
	return 0;
}

/* What the comparison of entries needs besides them. */
struct sort_context {
	const uint32_t *rank; /* of a process, by its old index */
	enum profile_sort order;
	uint64_t sign; /* the sign bit of differences, so that they compare as unsigned numbers */
};

/* Larger first; not a function, since a double does not hold every 64-bit number. */
#define compare(a, b) (((a) < (b)) - ((a) > (b)))

static int compare_processes(const void *x, const void *y, void *context)
{
	const struct profile *p = context;
	const struct profile_process *a = &p->processes.items[*(const uint32_t *)x];
	const struct profile_process *b = &p->processes.items[*(const uint32_t *)y];
	int c = compare(a->outstanding.bytes, b->outstanding.bytes);

	return c ? c : compare(b->pid, a->pid);
}

/* What else tells entries of one stack apart. */
static int compare_kinds(const struct profile_entry *a, const struct profile_entry *b)
{
	int c = strcmp(a->family, b->family);

	if (!c)
		c = compare(b->verdict, a->verdict);
	if (!c)
		c = compare(b->cycle, a->cycle);
	return c ? c : strcmp(a->type ? a->type : "", b->type ? b->type : "");
}

static int compare_entries(const void *x, const void *y, void *context)
{
	const struct profile_entry *a = x, *b = y;
	const struct sort_context *ctx = context;
	int c = compare(ctx->rank[b->process], ctx->rank[a->process]);

	if (!c && ctx->order == PROFILE_SORT_BLOCKS)
		c = compare(a->sum.blocks ^ ctx->sign, b->sum.blocks ^ ctx->sign);
	if (!c && ctx->order == PROFILE_SORT_GROWTH)
		c = compare(a->growth_bytes_per_s, b->growth_bytes_per_s);
	if (!c && ctx->order == PROFILE_SORT_AGE)
		c = compare(a->oldest_ms, b->oldest_ms);
	if (!c)
		c = compare(a->sum.bytes ^ ctx->sign, b->sum.bytes ^ ctx->sign);
	if (!c)
		c = compare(a->sum.blocks ^ ctx->sign, b->sum.blocks ^ ctx->sign);
	if (!c)
		c = compare(a->oldest_ms, b->oldest_ms);
	if (!c)
		c = compare(b->stack, a->stack);
	return c ? c : compare_kinds(a, b);
}

static int compare_wrong_frees(const void *x, const void *y, void *context)
{
	const struct profile *p = context;
	uint32_t i = *(const uint32_t *)x, k = *(const uint32_t *)y;
	const struct profile_wrong_free *a = &p->wrong_frees.items[i],
					*b = &p->wrong_frees.items[k];
	int c = compare(b->process, a->process);

	if (!c)
		c = compare(b->kind, a->kind);
	if (!c)
		c = compare(a->count, b->count);
	return c ? c : compare(k, i); /* as it was: a saved profile shows them as they were shown */
}

/* By process and kind, the most frequent first. */
static int sort_wrong_frees(struct profile *p, const uint32_t *rank)
{
	size_t n = p->wrong_frees.count, i;
	CLEANUP_FREE uint32_t *order = calloc(n + 1, sizeof(*order));
	CLEANUP_FREE struct profile_wrong_free *sorted = calloc(n + 1, sizeof(*sorted));

	if (!order || !sorted)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		order[i] = i;
		p->wrong_frees.items[i].process = rank[p->wrong_frees.items[i].process];
	}
	qsort_r(order, n, sizeof(*order), compare_wrong_frees, p);
	for (i = 0; i < n; i++) {
		struct profile_process *process;

		sorted[i] = p->wrong_frees.items[order[i]];
		process = &p->processes.items[sorted[i].process];
		if (!process->nr_wrongs++)
			process->first_wrong = i;
	}
	if (n)
		memcpy(p->wrong_frees.items, sorted, n * sizeof(*sorted));
	return 0;
}

int profile__sort(struct profile *p, enum profile_sort order)
{
	size_t n = p->processes.count;
	CLEANUP_FREE uint32_t *by_rank = calloc(2 * n + 1, sizeof(*by_rank));
	CLEANUP_FREE struct profile_process *sorted = calloc(n + 1, sizeof(*sorted));
	uint32_t *rank = by_rank + n;
	struct sort_context ctx = {
		.rank = rank, .order = order, .sign = p->diff ? UINT64_C(1) << 63 : 0};
	size_t i;

	if (!by_rank || !sorted)
		return -ENOMEM;
	if (!n)
		return 0;
	for (i = 0; i < n; i++)
		by_rank[i] = i;
	qsort_r(by_rank, n, sizeof(*by_rank), compare_processes, p);
	for (i = 0; i < n; i++) {
		rank[by_rank[i]] = i;
		sorted[i] = p->processes.items[by_rank[i]];
		sorted[i].first_entry = sorted[i].nr_entries = 0;
		sorted[i].first_wrong = sorted[i].nr_wrongs = 0;
	}
	if (p->entries.count)
		qsort_r(p->entries.items, p->entries.count, sizeof(*p->entries.items),
			compare_entries, &ctx);
	memcpy(p->processes.items, sorted, n * sizeof(*sorted));
	for (i = 0; i < p->entries.count; i++) {
		struct profile_entry *e = &p->entries.items[i];
		struct profile_process *proc = &p->processes.items[rank[e->process]];

		e->process = rank[e->process];
		if (!proc->nr_entries++)
			proc->first_entry = i;
	}
	for (i = 0; i < p->sites.count; i++)
		p->sites.items[i].process = rank[p->sites.items[i].process];
	return sort_wrong_frees(p, rank);
}

bool profile__is_shown(const struct profile *p, const struct profile_entry *e, uint32_t kinds)
{
	if (kinds == PROFILE_ALL_KINDS || !p->final || e->verdict == PROFILE_VERDICT_NONE)
		return true;
	return kinds >> e->verdict & 1 && !e->suppressed;
}

const char *profile__wrong_name(enum profile_wrong kind)
{
	static const char *const names[] = {
		[PROFILE_WRONG_MISMATCHED] = "mismatched_free",
		[PROFILE_WRONG_SIZE] = "sized_delete",
		[PROFILE_WRONG_DOUBLE] = "double_free",
		[PROFILE_WRONG_POINTER] = "invalid_free",
	};

	return names[kind];
}

const char *profile__verdict_name(enum profile_verdict verdict)
{
	static const char *const names[] = {
		[PROFILE_VERDICT_NONE] = NULL,
		[PROFILE_VERDICT_DEFINITE] = "definite",
		[PROFILE_VERDICT_INDIRECT] = "indirect",
		[PROFILE_VERDICT_POSSIBLE] = "possible",
		[PROFILE_VERDICT_REACHABLE] = "reachable",
	};

	return names[verdict];
}

const char *profile__trend_name(enum profile_trend trend)
{
	static const char *const names[PROFILE_TRENDS] = {
		[PROFILE_TREND_GROWS] = "grows",
		[PROFILE_TREND_RISES] = "rises",
		[PROFILE_TREND_TURNS_OVER] = "turns_over",
		[PROFILE_TREND_UNCHANGED] = "unchanged",
	};

	return names[trend];
}
