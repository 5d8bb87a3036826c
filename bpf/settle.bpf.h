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

/* The block at @addr was freed, if it is the one of this generation that the table has. */
static __always_inline void settle_free(struct memleak_process *p, __u64 addr, __u8 generation)
{
	struct memleak_block_key key = {
		.addr = addr, .image = p->image, .family = MEMLEAK_KEY_DEFERRABLE};
	struct slot_place at = slot_place(addr, p->image);
	__u32 way = way_of(at, SLOT_DEFERRABLE, 0);
	struct memleak_block *b, old;

	b = at.bucket && way < SLOT_WAYS ? &at.bucket->slots[way].block
					 : bpf_map_lookup_elem(&blocks, &key);
	if (b && b->deferrable == generation)
		block_free_deferred(p, addr, &old);
}

static long settle_cell(__u32 i, struct settling *s)
{
	struct memleak_cells *cells = (struct memleak_cells *)s->process->cells;
	struct memleak_cell cell;

	if (bpf_probe_read_user(&cell, sizeof(cell), &cells->cells[s->first + i])) {
		count_loss(MEMLEAK_LOSS_DEFERRED);
		return 1;
	}
	if (MEMLEAK_CELL_STATE(cell.tag) == MEMLEAK_CELL_FREED ||
	    MEMLEAK_CELL_STATE(cell.tag) == MEMLEAK_CELL_TOLD)
		settle_free(s->process, MEMLEAK_CELL_ADDRESS(cell.tag),
			    MEMLEAK_CELL_GENERATION(cell.tag));
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
