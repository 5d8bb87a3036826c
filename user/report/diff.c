// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Terms: the *key* of a location is the text by which it is matched. A scratch profile holds the
 * keys as its strings and the stacks of keys as its stacks, so that equal ones have one number; a
 * *row* is what both profiles hold under one such stack and family.
 */
#include "report/diff.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "report/format.h"
#include "util/cleanup.h"

enum { BASE, NEW, SIDES };

/* One of the two profiles. */
struct side {
	const struct profile *p;
	struct hash build_ids; /* (string of the scratch profile, 0) to 0 */
	uint32_t *keys;	       /* by location */
	uint32_t *copies;      /* by location: in the result; PROFILE_NONE: not yet */
	uint32_t *stacks;      /* by stack: that of its keys */
};

struct row {
	uint32_t side, stack;	    /* where it is taken from: NEW, if it is there */
	struct profile_entry entry; /* of that side: ages, verdict, type */
	bool has_entry;
	bool mixed; /* its entries disagree about verdict and type */
	const char *family;
	struct profile_sum inuse[SIDES], allocs[SIDES];
};

struct diff {
	struct side sides[SIDES];
	struct profile *scratch, *result;
	struct hash key_index; /* (string of the scratch profile, 0) to its number */
	uint32_t nr_keys;
	VECTOR(struct row) rows;
	struct hash row_index; /* (stack of the scratch profile, family) to rows */
	VECTOR(uint32_t) frames;
};

static void release(struct diff *d)
{
	int i;

	for (i = 0; i < SIDES; i++) {
		hash__release(&d->sides[i].build_ids);
		free(d->sides[i].keys);
		free(d->sides[i].copies);
		free(d->sides[i].stacks);
	}
	profile__destroy(d->scratch);
	profile__destroy(d->result);
	hash__release(&d->key_index);
	vector_release(&d->rows);
	hash__release(&d->row_index);
	vector_release(&d->frames);
}

/* --- keys --- */

static int collect_build_ids(struct diff *d, struct side *side)
{
	size_t i;
	int err = 0;

	for (i = 0; i < side->p->modules.count && !err; i++) {
		const char *id = side->p->modules.items[i].build_id;
		const char *copy = profile__intern(d->scratch, id);

		if (id)
			err = copy ? hash__set(&side->build_ids, (uintptr_t)copy, 0, 0) : -ENOMEM;
	}
	return err;
}

/* Whether both profiles know this build of the module, so that its addresses mean the same. */
static bool is_same_build(struct diff *d, const struct profile_module *m)
{
	const char *id = m ? profile__intern(d->scratch, m->build_id) : NULL;

	return id && hash__get(&d->sides[BASE].build_ids, (uintptr_t)id, 0) != HASH_NONE &&
	       hash__get(&d->sides[NEW].build_ids, (uintptr_t)id, 0) != HASH_NONE;
}

static void print_key(FILE *out, const struct profile_location *l, const struct profile_module *m,
		      bool exact)
{
	uint32_t i;

	if (exact) {
		fprintf(out, "%s+%" PRIx64, m->build_id, l->pc);
		return;
	}
	for (i = 0; i < l->nr_lines; i++) {
		if (l->lines[i].symbol && *l->lines[i].symbol)
			fprintf(out, "/%s", l->lines[i].symbol);
		else
			fprintf(out, "/%s+%" PRIx64, m ? format__basename(m->path) : "", l->pc);
	}
}

static int key_of(struct diff *d, const struct profile *p, const struct profile_location *l,
		  uint32_t *ret)
{
	const struct profile_module *m =
		l->module < p->modules.count ? &p->modules.items[l->module] : NULL;
	CLEANUP_FREE char *text = NULL;
	const char *key = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);

	if (!out)
		return -ENOMEM;
	print_key(out, l, m, is_same_build(d, m));
	if (fclose(out) == 0 && text)
		key = profile__intern(d->scratch, text);
	if (!key)
		return -ENOMEM;
	*ret = hash__get(&d->key_index, (uintptr_t)key, 0);
	if (*ret != HASH_NONE)
		return 0;
	*ret = d->nr_keys++;
	return hash__set(&d->key_index, (uintptr_t)key, 0, *ret);
}

static int match_stacks(struct diff *d, struct side *side)
{
	const struct profile *p = side->p;
	size_t i, k;
	int err = 0;

	side->keys = calloc(p->locations.count + 1, sizeof(*side->keys));
	side->copies = malloc((p->locations.count + 1) * sizeof(*side->copies));
	side->stacks = calloc(p->stacks.count + 1, sizeof(*side->stacks));
	if (!side->keys || !side->copies || !side->stacks)
		return -ENOMEM;
	for (i = 0; i < p->locations.count && !err; i++) {
		side->copies[i] = PROFILE_NONE;
		err = key_of(d, p, &p->locations.items[i], &side->keys[i]);
	}
	for (i = 0; i < p->stacks.count && !err; i++) {
		const struct profile_stack *s = &p->stacks.items[i];

		err = vector_reserve(&d->frames, s->count + 1);
		for (k = 0; k < s->count && !err; k++)
			d->frames.items[k] = side->keys[p->frames.items[s->first + k]];
		if (!err)
			err = profile__add_stack(d->scratch, d->frames.items, s->count, false,
						 false, &side->stacks[i]);
	}
	return err;
}

/* --- rows --- */

static int find_row(struct diff *d, uint32_t side, uint32_t stack, const char *family,
		    struct row **ret)
{
	uint32_t key = stack < d->sides[side].p->stacks.count ? d->sides[side].stacks[stack]
							      : PROFILE_NONE;
	const char *name = profile__intern(d->result, family);
	struct row row = {.side = side, .stack = stack, .family = name};
	uint32_t i;
	int err;

	if (!name)
		return -ENOMEM;
	i = hash__get(&d->row_index, key, (uintptr_t)name);
	if (i == HASH_NONE) {
		err = vector_push(&d->rows, row);
		if (!err)
			err = hash__set(&d->row_index, key, (uintptr_t)name, d->rows.count - 1);
		if (err)
			return err;
		i = d->rows.count - 1;
	}
	*ret = &d->rows.items[i];
	if (side == NEW && (*ret)->side == BASE) {
		(*ret)->side = NEW;
		(*ret)->stack = stack;
		(*ret)->has_entry = (*ret)->mixed = false;
	}
	return 0;
}

static bool same_type(const struct profile_entry *a, const struct profile_entry *b)
{
	return a->verdict == b->verdict && a->cycle == b->cycle && a->type == b->type;
}

static int add_entry(struct diff *d, uint32_t side, const struct profile_entry *e)
{
	struct row *row;
	int err = find_row(d, side, e->stack, e->family, &row);

	if (err)
		return err;
	row->inuse[side].blocks += e->sum.blocks;
	row->inuse[side].bytes += e->sum.bytes;
	if (!row->has_entry) {
		struct profile_error error = row->entry.error;

		row->entry = *e;
		row->entry.error = error;
		row->has_entry = true;
	}
	row->mixed |= !same_type(&row->entry, e);
	row->entry.oldest_ms = fmax(row->entry.oldest_ms, e->oldest_ms);
	row->entry.newest_ms = fmin(row->entry.newest_ms, e->newest_ms);
	row->entry.error.blocks = hypot(row->entry.error.blocks, e->error.blocks);
	row->entry.error.bytes = hypot(row->entry.error.bytes, e->error.bytes);
	return 0;
}

static int add_side(struct diff *d, uint32_t side)
{
	const struct profile *p = d->sides[side].p;
	struct row *row;
	size_t i;
	int err = 0;

	for (i = 0; i < p->entries.count && !err; i++)
		err = add_entry(d, side, &p->entries.items[i]);
	for (i = 0; i < p->sites.count && !err; i++) {
		const struct profile_site *s = &p->sites.items[i];

		err = find_row(d, side, s->stack, s->family, &row);
		if (err)
			return err;
		row->allocs[side].blocks += s->allocs.blocks;
		row->allocs[side].bytes += s->allocs.bytes;
	}
	return err;
}

/* --- the result --- */

static int copy_lines(struct profile *to, const struct profile_location *from, uint32_t index)
{
	CLEANUP_FREE struct profile_line *lines = calloc(from->nr_lines + 1, sizeof(*lines));
	uint32_t i;

	if (!lines)
		return -ENOMEM;
	for (i = 0; i < from->nr_lines; i++) {
		lines[i] = from->lines[i];
		lines[i].symbol = profile__intern(to, lines[i].symbol);
		lines[i].file = profile__intern(to, lines[i].file);
		if ((from->lines[i].symbol && !lines[i].symbol) ||
		    (from->lines[i].file && !lines[i].file))
			return -ENOMEM;
	}
	return from->nr_lines ? profile__set_lines(to, index, lines, from->nr_lines) : 0;
}

static int copy_location(struct diff *d, struct side *side, uint32_t index, uint32_t *ret)
{
	const struct profile *p = side->p;
	struct profile_location l = p->locations.items[index];
	int err = 0;

	*ret = side->copies[index];
	if (*ret != PROFILE_NONE)
		return 0;
	if (l.module < p->modules.count) {
		const struct profile_module *m = &p->modules.items[l.module];

		err = profile__add_module(d->result, PROFILE_NONE, m->path, m->build_id, &l.module);
	}
	l.nr_lines = 0;
	l.lines = NULL;
	/* As they are: profiles of others may tell locations apart by their lines alone. */
	if (!err)
		err = vector_push(&d->result->locations, l);
	if (err)
		return err;
	*ret = side->copies[index] = d->result->locations.count - 1;
	return copy_lines(d->result, &p->locations.items[index], *ret);
}

static int copy_stack(struct diff *d, uint32_t side, uint32_t index, uint32_t *ret)
{
	const struct profile *p = d->sides[side].p;
	const struct profile_stack *s;
	uint32_t i;
	int err;

	*ret = PROFILE_NONE;
	if (index >= p->stacks.count)
		return 0;
	s = &p->stacks.items[index];
	err = vector_reserve(&d->frames, s->count + 1);
	for (i = 0; i < s->count && !err; i++)
		err = copy_location(d, &d->sides[side], p->frames.items[s->first + i],
				    &d->frames.items[i]);
	return err ? err
		   : profile__add_stack(d->result, d->frames.items, s->count, s->truncated,
					s->broken, ret);
}

static struct profile_sum change(const struct profile_sum *sums)
{
	return (struct profile_sum){
		.blocks = sums[NEW].blocks - sums[BASE].blocks,
		.bytes = sums[NEW].bytes - sums[BASE].bytes,
	};
}

static bool is_nothing(struct profile_sum sum)
{
	return !sum.blocks && !sum.bytes;
}

static int emit_row(struct diff *d, const struct row *row, double seconds)
{
	struct profile_site site = {.family = row->family, .allocs = change(row->allocs)};
	struct profile_entry e = row->entry;

	e.path = 0; /* of that side */
	e.trend = PROFILE_TREND_NONE;
	int err;

	e.sum = change(row->inuse);
	if (is_nothing(e.sum) && is_nothing(site.allocs))
		return 0;
	err = copy_stack(d, row->side, row->stack, &e.stack);
	if (err)
		return err;
	e.process = 0;
	e.family = row->family;
	e.type = row->mixed ? NULL : profile__intern(d->result, e.type);
	e.verdict = row->mixed ? PROFILE_VERDICT_NONE : e.verdict;
	e.cycle = e.cycle && !row->mixed;
	e.cycle_classes =
		e.cycle && e.cycle_classes ? profile__intern(d->result, e.cycle_classes) : NULL;
	e.growth_bytes_per_s = seconds > 0 ? (int64_t)e.sum.bytes / seconds : 0;
	e.nr_blocks = 0;
	site.stack = e.stack;
	if (!is_nothing(e.sum))
		err = vector_push(&d->result->entries, e);
	if (!err && !is_nothing(site.allocs))
		err = vector_push(&d->result->sites, site);
	return err;
}

static void add_process(struct profile_process *sum, const struct profile_process *x, bool minus)
{
	const uint64_t sign = minus ? -1 : 1;

	sum->allocs += sign * x->allocs;
	sum->frees += sign * x->frees;
	sum->alloc_bytes += sign * x->alloc_bytes;
	sum->outstanding.blocks += sign * x->outstanding.blocks;
	sum->outstanding.bytes += sign * x->outstanding.bytes;
	sum->mmap.blocks += sign * x->mmap.blocks;
	sum->mmap.bytes += sign * x->mmap.bytes;
	sum->peak_bytes += sign * x->peak_bytes;
	sum->error.blocks = hypot(sum->error.blocks, x->error.blocks);
	sum->error.bytes = hypot(sum->error.bytes, x->error.bytes);
}

/* All processes as one, which is called as the largest of @p. */
static int emit_process(struct diff *d)
{
	const struct profile *base = d->sides[BASE].p, *p = d->sides[NEW].p;
	const struct profile_process *largest = NULL;
	struct profile_process sum = {0};
	size_t i;

	for (i = 0; i < base->processes.count; i++)
		add_process(&sum, &base->processes.items[i], true);
	for (i = 0; i < p->processes.count; i++) {
		const struct profile_process *x = &p->processes.items[i];

		add_process(&sum, x, false);
		if (!largest || x->outstanding.bytes > largest->outstanding.bytes)
			largest = x;
	}
	sum.comm = profile__intern(d->result, largest ? largest->comm : "");
	if (!sum.comm)
		return -ENOMEM;
	if (largest) {
		sum.pid = largest->pid;
		sum.running = largest->running;
		sum.peak_at_s = largest->peak_at_s;
		sum.exe = profile__intern(d->result, largest->exe);
	}
	sum.growth_bytes = sum.outstanding.bytes;
	return vector_push(&d->result->processes, sum);
}

static int emit(struct diff *d)
{
	const struct profile *base = d->sides[BASE].p, *p = d->sides[NEW].p;
	double seconds = (p->time_ms - base->time_ms) / 1000.0;
	size_t i;
	int err;

	d->result->time_ms = p->time_ms;
	d->result->seq = p->seq;
	d->result->final = p->final;
	d->result->diff = true;
	d->result->elapsed_s = p->elapsed_s;
	d->result->sampling = p->sampling;
	d->result->sampling_value = p->sampling_value;
	d->result->losses = p->losses;
	err = emit_process(d);
	for (i = 0; i < d->rows.count && !err; i++)
		err = emit_row(d, &d->rows.items[i], seconds);
	return err;
}

int diff__create(const struct profile *base, const struct profile *p, struct profile **ret)
{
	CLEANUP(release) struct diff d = {.sides = {{.p = base}, {.p = p}}};
	int err = 0, i;

	d.scratch = profile__create();
	d.result = profile__create();
	if (!d.scratch || !d.result)
		return -ENOMEM;
	for (i = 0; i < SIDES && !err; i++)
		err = collect_build_ids(&d, &d.sides[i]);
	for (i = 0; i < SIDES && !err; i++)
		err = match_stacks(&d, &d.sides[i]);
	for (i = 0; i < SIDES && !err; i++)
		err = add_side(&d, i);
	if (!err)
		err = emit(&d);
	if (err)
		return err;
	*ret = TAKE_PTR(d.result);
	return 0;
}
