// SPDX-License-Identifier: GPL-2.0-or-later
/* What a process has not told of (bpf/deferred.h), in a snapshot of it. */
#include "probe/snapshot_private.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>

static int compare_items(const void *a, const void *b)
{
	uint64_t x = ((const struct snapshot_item *)a)->addr,
		 y = ((const struct snapshot_item *)b)->addr;

	return (x > y) - (x < y);
}

#define LEFT_OUT UINT32_MAX

/* The place of the block of @f in the order, or s->nr. */
static size_t find_deferred(const struct snapshot *s, const struct deferred_block *f)
{
	const struct snapshot_item key = {.addr = f->addr};
	struct snapshot_item *i =
		s->nr ? bsearch(&key, s->items, s->nr, sizeof(*i), compare_items) : NULL;
	size_t at;

	if (!i)
		return s->nr;
	/* Blocks of the user's families may share an address. */
	while (i > s->items && i[-1].addr == f->addr)
		i--;
	for (at = i - s->items; at < s->nr && s->items[at].addr == f->addr; at++) {
		if (s->items[at].index != LEFT_OUT &&
		    s->blocks.items[s->items[at].index].block.deferrable == f->generation)
			return at;
	}
	return s->nr;
}

static void remove_marked(struct snapshot *s, size_t first)
{
	size_t i, kept = first;

	for (i = first; i < s->nr; i++)
		if (s->items[i].index != LEFT_OUT)
			s->items[kept++] = s->items[i];
	s->nr = kept;
}

/* The block of @f in the table was freed. 0 or -errno. */
static int count_freed(struct snapshot *s, const struct deferred_block *f)
{
	const struct probe_tables *t = &s->changes.tables;
	struct memleak_block_key key = {.addr = f->addr, .image = s->process.image};
	struct sample_weight weight;
	struct memleak_block block;
	int err = blocks__find(t->blocks, &key, &block);

	if (err || block.deferrable != f->generation)
		return err == -ENOENT ? 0 : err;
	weight = sample_weigh(probe__sample_of(t, &block), block.size);
	s->process.frees += weight.blocks;
	s->process.free_bytes += weight.bytes;
	return 0;
}

/* Whoever was left out as free, and has come again, is in the table as it was: nothing there has
 * changed. 0 or -errno. */
static int bring_back(struct snapshot *s)
{
	size_t i;
	int err = 0;

	s->changed.count = 0;
	for (i = 0; i < s->deferred.blocks.count && !err; i++) {
		const struct deferred_block *b = &s->deferred.blocks.items[i];

		if (!b->freed && !b->is_new && b->time_ns && find_deferred(s, b) == s->nr)
			err = vector_push(&s->changed, MEMLEAK_CHANGE(b->addr, 0));
	}
	if (!err)
		err = snapshot__merge_changes(s);
	s->changed.count = 0;
	return err;
}

/* Merge the @n items behind those that are in order, which are in none, into it. */
static void merge_items(struct snapshot *s, size_t n)
{
	struct snapshot_item *added = s->items + s->nr, *swap;
	size_t i = 0, k = 0, merged = 0;

	qsort(added, n, sizeof(*added), compare_items);
	while (i < s->nr || k < n)
		s->spare[merged++] = k == n || (i < s->nr && s->items[i].addr <= added[k].addr)
					     ? s->items[i++]
					     : added[k++];
	swap = s->items;
	s->items = s->spare;
	s->spare = swap;
	s->nr = merged;
	s->merged = true;
}

/* Add what is new, and count it. 0 or -errno. */
static int add_new(struct snapshot *s)
{
	const struct probe_tables *t = &s->changes.tables;
	size_t i, n = 0;
	int err = snapshot__make_room(s, s->nr + s->deferred.blocks.count);

	for (i = 0; i < s->deferred.blocks.count && !err; i++) {
		const struct deferred_block *f = &s->deferred.blocks.items[i];
		struct snapshot_block b = {
			.addr = f->addr, .block = f->block, .type = PROFILE_NONE};
		struct sample_weight weight;

		if (!f->is_new || find_deferred(s, f) < s->nr)
			continue;
		err = vector_push(&s->blocks, b);
		if (err)
			break;
		s->items[s->nr + n++] = (struct snapshot_item){b.addr, s->blocks.count - 1};
		weight = sample_weigh(probe__sample_of(t, &f->block), f->block.size);
		s->process.allocs += weight.blocks;
		s->process.alloc_bytes += weight.bytes;
	}
	if (n)
		merge_items(s, n);
	return err;
}

int snapshot__apply_deferred(struct snapshot *s, bool counts)
{
	size_t first, at, i;
	int err;

	s->deferred.blocks.count = 0;
	err = deferred__read(&s->changes.tables.tool, &s->process, &s->deferred);
	if (!err && counts)
		deferred__count(&s->deferred.numbers, &s->process, s->now_ns);
	if (!err)
		err = bring_back(s);
	first = s->nr;
	for (i = 0; i < s->deferred.blocks.count && !err; i++) {
		const struct deferred_block *f = &s->deferred.blocks.items[i];

		if (f->is_new || (!f->freed && !f->time_ns))
			continue;
		at = find_deferred(s, f);
		if (f->freed && counts)
			err = count_freed(s, f);
		if (at == s->nr)
			continue;
		if (f->freed) {
			s->items[at].index = LEFT_OUT;
			s->merged = true;
			first = at < first ? at : first;
		} else {
			s->blocks.items[s->items[at].index].block.time_ns = f->time_ns;
		}
	}
	remove_marked(s, first);
	return err || !counts ? err : add_new(s);
}
