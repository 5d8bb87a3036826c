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
	__u64 used;
};

static long settle_cell(__u32 i, struct settling *s)
{
	struct memleak_cells *cells = (struct memleak_cells *)s->process->cells;
	struct memleak_cell cell;
	struct memleak_block old;

	if (bpf_probe_read_user(&cell, sizeof(cell), &cells->cells[s->first + i])) {
		count_loss(MEMLEAK_LOSS_DEFERRED);
		return 1;
	}
	if (MEMLEAK_CELL_STATE(cell.tag) == MEMLEAK_CELL_FREED ||
	    MEMLEAK_CELL_STATE(cell.tag) == MEMLEAK_CELL_TOLD)
		block_free_deferred(s->process, MEMLEAK_CELL_ADDRESS(cell.tag), &old);
	return 0;
}

static long settle_part(__u32 part, struct settling *s)
{
	if (!(s->used >> part & 1))
		return 0;
	s->first = part * MEMLEAK_CELL_PART;
	bpf_loop(MEMLEAK_CELL_PART, settle_cell, s, 0);
	return 0;
}

/* The current process ends, and still has its memory. */
static __noinline int settle(struct memleak_process *p)
{
	struct settling s = {.process = p};
	struct memleak_cells *cells;

	if (!p || !p->cells)
		return 0;
	cells = (struct memleak_cells *)p->cells;
	if (bpf_probe_read_user(&s.used, sizeof(s.used), &cells->used))
		count_loss(MEMLEAK_LOSS_DEFERRED);
	else
		bpf_loop(MEMLEAK_CELL_PARTS, settle_part, &s, 0);
	return 0;
}

#endif
