// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Processes that do not tell of each free at once (bpf/deferred.h): of a block that is in a cell
 * when the pass begins, or is allocated later, nobody sees in the table that it is freed. So it is
 * looked at once more when the table has been read. So is what is new when the pass begins: later
 * ones are younger than the report.
 */
#include "probe/collect_pass.h"

#include <bpf/bpf.h>
#include <errno.h>

#include "probe/deferred.h"
#include "util/clock.h"

static int read_cells(struct collector *c, struct pass *s, struct deferring *d)
{
	const struct memleak_process *p = &s->running.items[d->running];
	CLEANUP(deferred__release) struct deferred read = {0};
	size_t i;
	int err = deferred__read(&c->t.tool, p, &read);

	for (i = 0; i < read.blocks.count && !err; i++) {
		const struct deferred_block *b = &read.blocks.items[i];

		err = vector_push(&s->cells, *b);
		if (!err)
			err = hash__set(&s->deferred, b->addr, p->image, s->cells.count - 1);
	}
	d->numbers = read.numbers;
	return err;
}

/* What the cells say of the block at @key, if they know this one; NULL: nothing. */
static const struct deferred_block *
find_cell(const struct pass *s, const struct memleak_block_key *key, const struct memleak_block *b)
{
	uint32_t i = hash__get(&s->deferred, key->addr, key->image);

	if (i == HASH_NONE || s->cells.items[i].generation != b->deferrable)
		return NULL;
	return &s->cells.items[i];
}

/* @begins: those that are new are looked at in the end. */
static int postpone_new(struct pass *s, const struct deferring *d, size_t first)
{
	uint32_t image = s->running.items[d->running].image;
	size_t i;
	int err = 0;

	for (i = first; i < s->cells.count && !err; i++) {
		const struct deferred_block *b = &s->cells.items[i];
		struct postponed p = {.key = {.addr = b->addr, .image = image}, .block = b->block};

		if (b->is_new)
			err = vector_push(&s->postponed, p);
	}
	return err;
}

static int read_all_cells(struct collector *c, struct pass *s, bool begins)
{
	size_t i, first;
	int err = 0;

	hash__release(&s->deferred);
	s->cells.count = 0;
	for (i = 0; i < s->deferring.count && !err; i++) {
		first = s->cells.count;
		err = read_cells(c, s, &s->deferring.items[i]);
		if (!err && begins)
			err = postpone_new(s, &s->deferring.items[i], first);
	}
	return err;
}

/* The times of these blocks are late (site.bpf.c), by a tick of a slow kernel at most. */
#define LATE_NS 12000000

/* As it is now: the first of its frees may have been deferred since it was read. True if it has
 * ended meanwhile, when the table has all: the next pass says so. */
static bool read_again(struct collector *c, struct memleak_process *p)
{
	struct memleak_process now;
	bool ended = false;

	if (bpf_map_lookup_elem(c->t.processes_fd, &p->tgid, &now) || now.image != p->image) {
		if (bpf_map_lookup_elem(c->t.ended_fd, &p->image, &now))
			return false; /* it runs another program */
		ended = true;
		now.end_ns = 0;
	}
	*p = now;
	return ended;
}

int collector__begin_deferred(struct collector *c, struct pass *s)
{
	size_t i;
	int err = 0;

	for (i = 0; i < s->running.count && !err; i++) {
		struct memleak_process *p = &s->running.items[i];
		struct deferring d = {.running = i};

		/* A snapshot knows by itself. */
		if (hash__get(&s->shown, p->image, 0) != HASH_NONE)
			continue;
		if (!p->cells)
			read_again(c, p);
		if (!p->cells)
			continue;
		err = vector_push(&s->deferring, d);
		if (!err)
			err = hash__set(&s->deferring_index, p->image, 0, s->deferring.count - 1);
	}
	s->deferred_ns = clock__monotonic_ns() - LATE_NS;
	return err ? err : read_all_cells(c, s, true);
}

static void count_live(struct collector *c, struct deferring *d, const struct memleak_block *b,
		       bool is_new)
{
	struct sample_weight weight = sample_weigh(probe__sample_of(&c->t, b), b->size);

	d->blocks += weight.blocks;
	d->bytes += weight.bytes;
	d->new_blocks += is_new ? weight.blocks : 0;
	d->new_bytes += is_new ? weight.bytes : 0;
}

int collector__look_at_deferred(struct collector *c, struct pass *s,
				const struct memleak_block_key *key, const struct memleak_block *b,
				bool *counts)
{
	uint32_t deferring = hash__get(&s->deferring_index, key->image, 0);
	struct postponed p = {.key = *key, .block = *b};
	const struct deferred_block *known;

	*counts = true;
	if (deferring == HASH_NONE) {
		/* Of a running process it has come since the pass began. */
		*counts = !b->deferrable || hash__get(&s->ended, key->image, 0) != HASH_NONE;
		return 0;
	}
	*counts = b->time_ns <= s->now_ns; /* or it is younger than the report */
	if (!*counts)
		return 0;
	if (b->deferrable) {
		known = find_cell(s, key, b);
		*counts = false;
		if (known && known->is_new)
			return 0; /* told of since, and postponed already */
		/* What is freed may come again meanwhile. */
		if (known || b->time_ns >= s->deferred_ns)
			return vector_push(&s->postponed, p);
	}
	*counts = true;
	count_live(c, &s->deferring.items[deferring], b, false);
	return 0;
}

/* Whether the block is there still, and is not freed; then with the time at which it came.
 * *@is_new: nobody has been told of it. */
static bool is_live(struct collector *c, struct pass *s, struct postponed *p, bool *is_new)
{
	const struct deferred_block *known = find_cell(s, &p->key, &p->block);
	struct memleak_block now;

	if (blocks__find(c->t.blocks, &p->key, &now))
		now = (struct memleak_block){0};
	*is_new = known && known->is_new && now.deferrable != p->block.deferrable;
	if (*is_new)
		return p->block.time_ns <= s->now_ns;
	if ((known && known->freed) || now.deferrable != p->block.deferrable ||
	    now.time_ns < p->block.time_ns)
		return false;
	p->block.time_ns = known && known->time_ns ? known->time_ns : now.time_ns;
	return p->block.time_ns <= s->now_ns;
}

static int add_postponed(struct collector *c, struct pass *s)
{
	size_t i;
	int err = 0;

	for (i = 0; i < s->postponed.count && !err; i++) {
		struct postponed *p = &s->postponed.items[i];
		uint32_t deferring = hash__get(&s->deferring_index, p->key.image, 0);
		bool is_new;

		if (!is_live(c, s, p, &is_new)) {
			err = pass__need_stack(s, p->block.stack);
			continue;
		}
		count_live(c, &s->deferring.items[deferring], &p->block, is_new);
		err = collector__add_live(c, s, &p->key, &p->block);
	}
	return err;
}

/* What a process has allocated and the pass has not met is free, whoever knows of it by now. */
static void count_frees(struct collector *c, struct pass *s)
{
	size_t i;

	for (i = 0; i < s->deferring.count; i++) {
		const struct deferring *d = &s->deferring.items[i];
		struct memleak_process *p = &s->running.items[d->running];

		if (!read_again(c, p)) {
			deferred__count(&d->numbers, p, s->now_ns);
			p->allocs += d->new_blocks;
			p->alloc_bytes += d->new_bytes;
		}
		p->frees = p->allocs > d->blocks ? p->allocs - d->blocks : 0;
		p->free_bytes = p->alloc_bytes > d->bytes ? p->alloc_bytes - d->bytes : 0;
		pass__raise_peak(p, d->bytes);
	}
}

int collector__end_deferred(struct collector *c, struct pass *s)
{
	int err = s->postponed.count ? read_all_cells(c, s, false) : 0;

	if (!err)
		err = add_postponed(c, s);
	if (!err)
		count_frees(c, s);
	return err;
}
