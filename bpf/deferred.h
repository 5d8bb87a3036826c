/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MEMLEAK_BPF_DEFERRED_H
#define MEMLEAK_BPF_DEFERRED_H

/*
 * Frees that libmemleak.so does not tell of at once. Most blocks are short-lived, and their
 * addresses are handed out again soon: the free of the one before is then told with the next
 * allocation, by one way into the kernel instead of two.
 *
 * The library keeps the last blocks that it has told of in cells in its own memory, found by their
 * address: each cell is one block's. A cell belongs to who brought its tag from one state to the
 * next, by compare-and-swap:
 *
 *	empty or live -> held -> live	another block needs it: the free of the one that was there
 *					will be told at once, as that of any block in no cell is
 *	live -> held -> freed		the block is about to be freed: that is *deferred*
 *	freed -> told -> live		another block needs it, perhaps one with the same address:
 *					what is told of that one tells of the free too
 *	live -> empty; freed -> told -> empty	frees that are told after all: wrong ones
 *
 * A deferred free may come late: behind its block's address has been handed out again and told by
 * another thread. That one has found the cell told, so it is in none; and a block that is in none
 * is not *deferrable*, which the kernel side knows of each. A deferred free frees what is
 * deferrable alone. So there is one order in the end, whoever comes first.
 *
 * Who reads the kernel side's table of a process must leave out the blocks that are deferrable
 * there and freed or told in their cells, with the same generation: a cell still says told when its
 * next block, with the same address, is in the table already.
 */

#ifdef __bpf__
#include "vmlinux/vmlinux.h"
#else
#include <assert.h>
#include <linux/types.h>
#endif

enum memleak_cell_state {
	MEMLEAK_CELL_EMPTY, /* the whole tag is 0 */
	MEMLEAK_CELL_LIVE,
	MEMLEAK_CELL_FREED,
	MEMLEAK_CELL_HELD, /* somebody's; what is in it is live */
	MEMLEAK_CELL_TOLD, /* somebody's; what is in it is freed */
};

/*
 * All of it in one word, for those who read cells of a process that runs: the block's generation in
 * the upper 8 bits, its address, the state in the lower 3. Not the address itself, which would hold
 * the block alive for whoever looks for leaks; nor another one that a block could have.
 */
#define MEMLEAK_CELL_TAG(address, generation, state)                                               \
	((__u64)(generation) << 56 | (~(__u64)(address) << 3 & ~(0xffULL << 56)) | (state))
#define MEMLEAK_CELL_STATE(tag)	     ((enum memleak_cell_state)((tag)&7))
#define MEMLEAK_CELL_ADDRESS(tag)    (~(__u64)(tag) >> 3 & ((1ULL << 48) - 1))
#define MEMLEAK_CELL_GENERATION(tag) ((__u8)((tag) >> 56))

struct memleak_cell {
	__u64 tag;
	union {
		__u64 size;   /* live: of the block */
		__u64 caller; /* freed: by whom, a return address */
	};
	__u64 weight;	 /* bytes that it stands for: the size, unless the process draws samples */
	__u8 families;	 /* whose frees may take it, a bit each; 0: not known */
	__u8 slack;	 /* how much larger it is than what operator new was asked for */
	__u8 generation; /* of the last block that was in it: 1 to 255 */
	__u8 pad[5];
};

#define MEMLEAK_NEXT_GENERATION(n) ((__u8)((n) % 255 + 1))

/* The free of a larger block costs much more than to tell of it. */
#define MEMLEAK_MAX_DEFERRED (64 << 10)

#define MEMLEAK_CELL_BITS    13
#define MEMLEAK_CELLS	     (1U << MEMLEAK_CELL_BITS)
#define MEMLEAK_CELL_PARTS   64
#define MEMLEAK_CELL_PART    (MEMLEAK_CELLS / MEMLEAK_CELL_PARTS)

/* In a process. What is in no part that is in use may not be in memory at all. */
struct memleak_cells {
	__u64 bytes; /* that blocks which are freed or told stand for */
	__u64 used;  /* parts, a bit each */
	__u64 pad[510];
	struct memleak_cell cells[MEMLEAK_CELLS];
};

/* Neighbours have neighbouring cells; regions that are as far apart as those of arenas are, others.
 */
#define MEMLEAK_CELL_OF(address)                                                                   \
	((__u32)(((__u64)(address) >> 4) ^                                                         \
		 (((__u64)(address) >> (4 + MEMLEAK_CELL_BITS)) * 0x9e3779b97f4a7c15ULL >>         \
		  (64 - MEMLEAK_CELL_BITS))) &                                                     \
	 (MEMLEAK_CELLS - 1))

#ifndef __bpf__
static_assert(sizeof(struct memleak_cell) == 32, "two cells are a cache line");
static_assert(sizeof(struct memleak_cells) == 4096 + 32 * MEMLEAK_CELLS, "a page ahead");
#endif

#endif
