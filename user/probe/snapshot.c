// SPDX-License-Identifier: GPL-2.0-or-later
#include "probe/snapshot.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "probe/batch.h"
#include "util/cleanup.h"

/* Room for what comes between the look at the counters and the stop. */
#define SPARE_BLOCKS 4096

static void cleanup_snapshot(struct snapshot **s)
{
	snapshot__destroy(*s);
}

/* What is sorted. */
struct snapshot_item {
	uint64_t addr;
	uint32_t index;
};

static int read_process(struct snapshot *s, const struct probe *p, uint32_t tgid)
{
	struct probe_tables t;

	probe__tables(p, &t);
	return bpf_map_lookup_elem(t.processes_fd, &tgid, &s->process) ? -errno : 0;
}

static int make_room(struct snapshot *s, size_t n)
{
	if (n <= s->max_items)
		return 0;
	free(s->items);
	free(s->spare);
	free(s->order);
	s->items = reallocarray(NULL, n, sizeof(*s->items));
	s->spare = reallocarray(NULL, n, sizeof(*s->spare));
	s->order = reallocarray(NULL, n, sizeof(*s->order));
	s->max_items = 0;
	if (!s->items || !s->spare || !s->order)
		return -ENOMEM;
	memset(s->items, 0, n * sizeof(*s->items));
	memset(s->spare, 0, n * sizeof(*s->spare));
	memset(s->order, 0, n * sizeof(*s->order));
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
	vector_release(&s->blocks);
	free(s->order);
	free(s->items);
	free(s->spare);
	free(s);
}

struct reading {
	struct snapshot *snapshot;
	struct probe_tables tables;
};

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
	int err = make_room(s, n);

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
	for (i = 0; i < n; i++)
		s->order[i] = from[i].index;
	return 0;
}

static int read_blocks(struct snapshot *s, const struct probe *p)
{
	struct reading r = {.snapshot = s};
	int err;

	probe__tables(p, &r.tables);
	s->blocks.count = 0;
	err = batch__read(r.tables.blocks_fd, sizeof(struct memleak_block_key),
			  sizeof(struct memleak_block), read_block, &r);
	if (err)
		return err;
	return s->blocks.count < UINT32_MAX / 2 ? sort_blocks(s) : -E2BIG;
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
	/* Touched now, not while the process waits. */
	memset(s->blocks.items, 0, s->blocks.capacity * sizeof(*s->blocks.items));
	err = make_room(s, s->blocks.capacity);
	if (!err)
		err = read_blocks(s, p);
	if (err)
		return err;
	*ret = TAKE_PTR(s);
	return 0;
}

int snapshot__read(struct snapshot *s, const struct probe *p, bool *changed)
{
	struct memleak_process before = s->process;
	struct timespec now;
	int err = read_process(s, p, before.tgid);

	if (err)
		return err;
	clock_gettime(CLOCK_MONOTONIC, &now);
	s->now_ns = now.tv_sec * 1000000000ULL + now.tv_nsec;
	*changed = s->process.image != before.image || s->process.allocs != before.allocs ||
		   s->process.frees != before.frees || s->process.alloc_bytes != before.alloc_bytes;
	return *changed ? read_blocks(s, p) : 0;
}
