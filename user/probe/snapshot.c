// SPDX-License-Identifier: GPL-2.0-or-later
#include "probe/snapshot_private.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/clock.h"

/* Room for what comes between the look at the counters and the stop. */
#define SPARE_BLOCKS 4096

static void cleanup_snapshot(struct snapshot **s)
{
	snapshot__destroy(*s);
}

static int read_process(struct snapshot *s, const struct probe *p, uint32_t tgid)
{
	struct probe_tables t;

	probe__tables(p, &t);
	return bpf_map_lookup_elem(t.processes_fd, &tgid, &s->process) ? -errno : 0;
}

static int grow(struct snapshot_item **items, size_t n)
{
	struct snapshot_item *grown = reallocarray(*items, n, sizeof(**items));

	if (!grown)
		return -ENOMEM;
	*items = grown;
	return 0;
}

int snapshot__make_room(struct snapshot *s, size_t n)
{
	size_t old = s->max_items;

	if (n <= old)
		return 0;
	n += n / 8;
	if (grow(&s->items, n) || grow(&s->spare, n))
		return -ENOMEM;
	/* Touched now, not while the process waits. */
	memset(s->items + old, 0, (n - old) * sizeof(*s->items));
	memset(s->spare + old, 0, (n - old) * sizeof(*s->spare));
	s->max_items = n;
	return 0;
}

void snapshot__destroy(struct snapshot *s)
{
	size_t i;

	if (!s)
		return;
	for (i = 0; i < s->types.count; i++)
		free(s->types.items[i]);
	vector_release(&s->types);
	for (i = 0; i < s->cycles.count; i++)
		free(s->cycles.items[i]);
	vector_release(&s->cycles);
	for (i = 0; i < s->paths.count; i++)
		path__destroy(s->paths.items[i]);
	vector_release(&s->paths);
	vector_release(&s->blocks);
	vector_release(&s->changed);
	deferred__release(&s->deferred);
	changes__end(&s->changes);
	free(s->items);
	free(s->spare);
	free(s);
}

struct reading {
	struct snapshot *snapshot;
	struct probe_tables tables;
};

/* Put aside what has changed so far, before the ring is full. 0 or -ENOMEM. */
static int gather_changes(struct snapshot *s)
{
	uint64_t change;
	int err = 0;

	while (!err && changes__take(&s->changes, &change))
		err = vector_push(&s->changed, change);
	return err;
}

/* Blocks that are read between two looks at the changes. */
#define READ_BETWEEN 4096

static int read_block(void *context, const void *key, const void *value)
{
	const struct reading *r = context;
	struct snapshot *s = r->snapshot;
	const struct memleak_block_key *k = key;
	struct snapshot_block b = {.addr = k->addr, .type = PROFILE_NONE};

	if (k->image != s->process.image)
		return 0;
	b.block = *(const struct memleak_block *)value;
	if (probe__is_resource(&r->tables, b.block.family))
		return 0; /* no memory */
	if (s->blocks.count % READ_BETWEEN == 0 && gather_changes(s))
		return -ENOMEM;
	return vector_push(&s->blocks, b);
}

/* --- sorting by address: one pass for each 11 bits in which addresses differ --- */

#define DIGIT_BITS 11
#define DIGITS	   (1U << DIGIT_BITS)

static void sort_pass(const struct snapshot_item *from, struct snapshot_item *to, size_t n,
		      unsigned int shift, const uint32_t counts[DIGITS])
{
	uint32_t places[DIGITS], total = 0, d;
	size_t i;

	for (d = 0; d < DIGITS; d++) {
		places[d] = total;
		total += counts[d];
	}
	for (i = 0; i < n; i++)
		to[places[from[i].addr >> shift & (DIGITS - 1)]++] = from[i];
}

static int sort_blocks(struct snapshot *s)
{
	struct snapshot_item *from, *to, *swap;
	size_t n = s->blocks.count, i;
	unsigned int shift;
	int err = snapshot__make_room(s, n);

	if (err)
		return err;
	from = s->items;
	to = s->spare;
	for (i = 0; i < n; i++)
		from[i] = (struct snapshot_item){s->blocks.items[i].addr, i};
	for (shift = 0; n && shift < 64; shift += DIGIT_BITS) {
		uint32_t counts[DIGITS] = {0};

		for (i = 0; i < n; i++)
			counts[from[i].addr >> shift & (DIGITS - 1)]++;
		if (counts[from[0].addr >> shift & (DIGITS - 1)] == n)
			continue;
		sort_pass(from, to, n, shift, counts);
		swap = from;
		from = to;
		to = swap;
	}
	s->items = from;
	s->spare = to;
	s->nr = n;
	return 0;
}

/* Bring the blocks themselves into that order: whoever goes by it goes through memory. */
static int arrange_blocks(struct snapshot *s)
{
	struct snapshot_block *blocks = reallocarray(NULL, s->blocks.capacity, sizeof(*blocks));
	size_t i;

	if (!blocks)
		return -ENOMEM;
	for (i = 0; i < s->nr; i++) {
		blocks[i] = s->blocks.items[s->items[i].index];
		s->items[i].index = i;
	}
	/* Touched now, not while the process waits. */
	memset(blocks + s->nr, 0, (s->blocks.capacity - s->nr) * sizeof(*blocks));
	free(s->blocks.items);
	s->blocks.items = blocks;
	return 0;
}

static int read_blocks(struct snapshot *s, const struct probe *p)
{
	struct reading r = {.snapshot = s};
	int err;

	probe__tables(p, &r.tables);
	s->blocks.count = 0;
	err = blocks__read(r.tables.blocks, read_block, &r);
	if (err)
		return err;
	return s->blocks.count < UINT32_MAX / 2 ? sort_blocks(s) : -E2BIG;
}

/* --- changes --- */

/* In the order of addresses, families behind. */
static uint64_t change_rank(uint64_t change)
{
	return change << 8 | change >> 56;
}

static int compare_changes(const void *a, const void *b)
{
	uint64_t x = change_rank(*(const uint64_t *)a), y = change_rank(*(const uint64_t *)b);

	return (x > y) - (x < y);
}

/* In that order, each once. */
static void sort_changes(struct snapshot *s)
{
	size_t i, kept = 0;

	if (s->changed.count)
		qsort(s->changed.items, s->changed.count, sizeof(*s->changed.items),
		      compare_changes);
	for (i = 0; i < s->changed.count; i++)
		if (!kept || s->changed.items[kept - 1] != s->changed.items[i])
			s->changed.items[kept++] = s->changed.items[i];
	s->changed.count = kept;
}

/* Whether the block of @item is one of the @n changes, which are of its address. */
static bool is_changed(const struct snapshot *s, const struct snapshot_item *item,
		       const uint64_t *changes, size_t n)
{
	uint8_t family = s->blocks.items[item->index].block.family;
	size_t i;

	for (i = 0; i < n; i++)
		if (MEMLEAK_CHANGE_FAMILY(changes[i]) ==
		    (family >= MEMLEAK_FAMILY_USER ? family : 0))
			return true;
	return false;
}

/* The block of @change as the table has it now, if it has it, behind the merged ones. */
static int add_changed(struct snapshot *s, uint64_t change, size_t *merged)
{
	const struct probe_tables *t = &s->changes.tables;
	struct snapshot_block b = {.addr = MEMLEAK_CHANGE_ADDRESS(change), .type = PROFILE_NONE};
	struct memleak_block_key key = {
		.addr = b.addr, .image = s->process.image, .family = MEMLEAK_CHANGE_FAMILY(change)};
	int err;

	err = blocks__find(t->blocks, &key, &b.block);
	if (err)
		return err == -ENOENT ? 0 : err;
	if (probe__is_resource(t, b.block.family))
		return 0;
	err = vector_push(&s->blocks, b);
	if (!err)
		s->spare[(*merged)++] = (struct snapshot_item){b.addr, s->blocks.count - 1};
	return err;
}

int snapshot__merge_changes(struct snapshot *s)
{
	struct snapshot_item *swap;
	size_t i = 0, k, n, merged = 0;
	int err;

	sort_changes(s);
	if (!s->changed.count)
		return 0;
	err = snapshot__make_room(s, s->nr + s->changed.count);
	for (k = 0; k < s->changed.count && !err; k += n) {
		uint64_t *same = &s->changed.items[k], addr = MEMLEAK_CHANGE_ADDRESS(*same);
		size_t j;

		for (n = 1; k + n < s->changed.count; n++)
			if (MEMLEAK_CHANGE_ADDRESS(same[n]) != addr)
				break;
		for (; i < s->nr && s->items[i].addr < addr; i++)
			s->spare[merged++] = s->items[i];
		for (; i < s->nr && s->items[i].addr == addr; i++)
			if (!is_changed(s, &s->items[i], same, n))
				s->spare[merged++] = s->items[i];
		for (j = 0; j < n && !err; j++)
			err = add_changed(s, same[j], &merged);
	}
	for (; i < s->nr; i++)
		s->spare[merged++] = s->items[i];
	swap = s->items;
	s->items = s->spare;
	s->spare = swap;
	s->nr = merged;
	s->merged = true;
	return err;
}

static int follow(struct snapshot *s)
{
	int err = gather_changes(s);

	return err ? err : snapshot__merge_changes(s);
}

/* When it is not worth while to look again before the stop. */
#define FEW_CHANGES 256
#define MAX_ROUNDS  4

int snapshot__catch_up(struct snapshot *s)
{
	int i, err = 0;

	for (i = 0; i < MAX_ROUNDS && !err; i++) {
		err = follow(s);
		s->changed.count = 0;
		if (changes__pending(&s->changes) <= FEW_CHANGES)
			break;
	}
	return err;
}

int snapshot__create(const struct probe *p, pid_t pid, struct snapshot **ret)
{
	CLEANUP(cleanup_snapshot) struct snapshot *s = calloc(1, sizeof(*s));
	struct probe_tables t;
	size_t expected = 0;
	int err;

	if (!s)
		return -ENOMEM;
	err = read_process(s, p, pid);
	if (err)
		return err == -ENOENT ? -ESRCH : err;
	if (s->process.shares)
		return -ESRCH; /* a vfork child: its memory is its parent's */
	probe__tables(p, &t);
	if (!t.sample.mean && t.sample.rate == 1)
		expected = (s->process.allocs - s->process.frees) / SAMPLE_WEIGHT_ONE;
	err = vector_reserve(&s->blocks, expected + SPARE_BLOCKS);
	if (err)
		return err;
	err = snapshot__make_room(s, s->blocks.capacity);
	if (!err)
		err = changes__begin(&s->changes, p, s->process.image);
	if (!err)
		err = read_blocks(s, p);
	if (!err)
		err = arrange_blocks(s);
	if (!err)
		err = follow(s);
	if (!err)
		err = snapshot__apply_deferred(s, false);
	s->changed.count = 0;
	s->merged = false;
	if (err)
		return err;
	*ret = TAKE_PTR(s);
	return 0;
}

int snapshot__read(struct snapshot *s, const struct probe *p, bool *changed)
{
	uint32_t image = s->process.image;
	int err = read_process(s, p, s->process.tgid);

	if (!err)
		err = follow(s);
	if (err)
		return err;
	s->now_ns = clock__monotonic_ns();
	if (s->process.image != image || !changes__are_complete(&s->changes)) {
		s->merged = true;
		s->changed.count = 0;
		err = read_blocks(s, p);
	}
	if (!err)
		err = snapshot__apply_deferred(s, true);
	*changed = s->merged;
	changes__end(&s->changes);
	return err;
}

void snapshot__fit(struct snapshot *s)
{
	struct snapshot_item *fit = reallocarray(s->items, s->nr + !s->nr, sizeof(*fit));

	if (fit)
		s->items = fit;
	free(s->spare);
	s->spare = NULL;
	s->max_items = 0;
	vector_release(&s->changed);
	vector_fit(&s->blocks);
}
