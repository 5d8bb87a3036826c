/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MEMLEAK_BPF_SETTLE_BPF_H
#define MEMLEAK_BPF_SETTLE_BPF_H

/* What a process that ends has not told of is read from its memory, which it still has: since Linux
 * 6.16 (kernel/exit.c: "exit: move and extend sched_process_exit() tracepoint"). */

#include "bpf/deferred.bpf.h"

struct settling {
	struct memleak_process *process;
	__u32 first; /* cell of the part */
	__u32 pad;
	__u64 used[MEMLEAK_CELL_PARTS / 64];
};

/* The block of @cell was freed, or has come again, if it is the one that the table has. */
static __always_inline void settle_block(struct memleak_process *p, const struct memleak_cell *cell)
{
	enum memleak_cell_state state = MEMLEAK_CELL_STATE(cell->tag);
	bool freed = state == MEMLEAK_CELL_FREED || state == MEMLEAK_CELL_TOLD;
	struct memleak_block_key key = {.addr = MEMLEAK_CELL_ADDRESS(cell->tag),
					.image = p->image,
					.family = MEMLEAK_KEY_DEFERRABLE};
	struct memleak_block *b, old;

	if (!freed && !cell->time_ns)
		return;
	b = find_deferrable(&key);
	if (!b || b->deferrable != MEMLEAK_CELL_GENERATION(cell->tag))
		return;
	if (freed)
		block_free_deferred(p, key.addr, &old);
	else
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
		settle_block(s->process, &cell);
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

/* What has come again is an allocation and a free each time. */
static __noinline int settle_again(struct memleak_process *p)
{
	struct memleak_cells *cells;
	__u64 again[2] = {};

	if (!p)
		return 0;
	cells = (struct memleak_cells *)p->cells;
	if (bpf_probe_read_user(again, sizeof(again), &cells->again)) {
		count_loss(MEMLEAK_LOSS_DEFERRED);
		return 0;
	}
	count_low(p, bpf_ktime_get_ns());
	again[0] = (again[0] - p->strange_again) * SAMPLE_WEIGHT_ONE;
	again[1] -= p->strange_again_bytes;
	p->allocs += again[0];
	p->frees += again[0];
	p->alloc_bytes += again[1];
	p->free_bytes += again[1];
	return 0;
}

/* The current process ends, and still has its memory. */
static __noinline int settle(struct memleak_process *p)
{
	struct settling s = {.process = p};
	struct memleak_cells *cells;

	if (!p || !p->cells)
		return 0;
	settle_again(p);
	cells = (struct memleak_cells *)p->cells;
	if (bpf_probe_read_user(s.used, sizeof(s.used), cells->used))
		count_loss(MEMLEAK_LOSS_DEFERRED);
	else
		bpf_loop(MEMLEAK_CELL_PARTS, settle_part, &s, 0);
	return 0;
}

#endif
