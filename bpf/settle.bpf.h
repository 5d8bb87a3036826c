/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MEMLEAK_BPF_SETTLE_BPF_H
#define MEMLEAK_BPF_SETTLE_BPF_H

/* What a process that ends has not told of is read from its memory, which it still has: since Linux
 * 6.16 (kernel/exit.c: "exit: move and extend sched_process_exit() tracepoint"). */

#include "bpf/deferred.bpf.h"

struct settling {
	struct memleak_process *process;
	__u64 now;
	__u32 first; /* cell of the part */
	bool is_own; /* what is new there is this tool's */
	__u8 pad[3];
	__u64 used[MEMLEAK_CELL_PARTS / 64];
};

/* The block of @cell is new. */
static __always_inline void settle_new(const struct settling *s, const struct memleak_cell *cell)
{
	struct memleak_block b = {};

	b.size = cell->size;
	b.weight = cell->weight;
	b.time_ns = not_later(cell->time_ns, s->now);
	b.stack = hide_stack(cell->stack);
	b.family = cell->family;
	b.families = cell->families;
	b.slack = cell->slack;
	b.deferrable = MEMLEAK_CELL_GENERATION(cell->tag);
	block_insert_late(s->process, MEMLEAK_CELL_ADDRESS(cell->tag), &b, false);
}

/* The block of @cell was freed, or has come again, if it is the one that the table has; or is new,
 * and it is not there. */
static __always_inline void settle_block(const struct settling *s, const struct memleak_cell *cell)
{
	struct memleak_process *p = s->process;
	enum memleak_cell_state state = MEMLEAK_CELL_STATE(cell->tag);
	bool freed = state == MEMLEAK_CELL_FREED || state == MEMLEAK_CELL_TOLD ||
		     state == MEMLEAK_CELL_GONE;
	bool is_new = s->is_own && (state == MEMLEAK_CELL_NEW || state == MEMLEAK_CELL_LATE) &&
		      (__u32)cell->session == session;
	struct memleak_block_key key = {.addr = MEMLEAK_CELL_ADDRESS(cell->tag),
					.image = p->image,
					.family = MEMLEAK_KEY_DEFERRABLE};
	struct memleak_block *b, old;

	if (!freed && !cell->time_ns)
		return;
	b = find_deferrable(&key);
	if (!b || b->deferrable != MEMLEAK_CELL_GENERATION(cell->tag)) {
		if (is_new)
			settle_new(s, cell);
		return;
	}
	if (freed)
		block_free_deferred(p, key.addr, &old);
	else if (!is_new)
		renew_time(b, cell->time_ns);
}

static long settle_cell(__u32 i, struct settling *s)
{
	struct memleak_cells *cells = (struct memleak_cells *)s->process->cells;
	struct memleak_cell cell;

	if (bpf_probe_read_user(&cell, sizeof(cell), &cells->cells[s->first + i])) {
		count_loss(MEMLEAK_LOSS_DEFERRED);
		return 1;
	}
	if (cell.tag)
		settle_block(s, &cell);
	return 0;
}

static long settle_part(__u32 part, struct settling *s)
{
	if (part >= MEMLEAK_CELL_PARTS || !(s->used[part / 64] >> (part & 63) & 1))
		return 0;
	s->first = part * MEMLEAK_CELL_PART;
	bpf_loop(MEMLEAK_CELL_PART, settle_cell, s, 0);
	return 0;
}

static __always_inline void count_pairs(struct memleak_process *p, __u64 blocks, __u64 bytes)
{
	p->allocs += blocks;
	p->frees += blocks;
	p->alloc_bytes += bytes;
	p->free_bytes += bytes;
}

/* What has come again, or has passed, is an allocation and a free each time. True if new blocks
 * there are this tool's. */
static __noinline int settle_counts(struct memleak_process *p)
{
	struct memleak_cells *cells;
	struct {
		__u64 session, new_bytes, passed, passed_bytes;
	} own = {};
	__u64 again[2] = {};

	if (!p)
		return 0;
	cells = (struct memleak_cells *)p->cells;
	if (bpf_probe_read_user(again, sizeof(again), &cells->again)) {
		count_loss(MEMLEAK_LOSS_DEFERRED);
		return 0;
	}
	count_low(p, bpf_ktime_get_ns());
	count_pairs(p, (again[0] - p->strange_again) * SAMPLE_WEIGHT_ONE,
		    again[1] - p->strange_again_bytes);
	if (bpf_probe_read_user(&own, sizeof(own), &cells->session) || own.session != session)
		return 0;
	count_pairs(p, own.passed, own.passed_bytes);
	return 1;
}

/* The current process ends, and still has its memory. */
static __noinline int settle(struct memleak_process *p)
{
	struct settling s = {.process = p, .now = bpf_ktime_get_ns()};
	struct memleak_cells *cells;

	if (!p || !p->cells)
		return 0;
	s.is_own = settle_counts(p);
	cells = (struct memleak_cells *)p->cells;
	if (bpf_probe_read_user(s.used, sizeof(s.used), cells->used))
		count_loss(MEMLEAK_LOSS_DEFERRED);
	else
		bpf_loop(MEMLEAK_CELL_PARTS, settle_part, &s, 0);
	return 0;
}

#endif
