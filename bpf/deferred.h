/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MEMLEAK_BPF_DEFERRED_H
#define MEMLEAK_BPF_DEFERRED_H

/*
 * Frees, and allocations, that libmemleak.so does not tell of at once. Most blocks are short-lived,
 * and their addresses are handed out again soon: the free of the one before is then told with the
 * next allocation, by one way into the kernel instead of two.
 *
 * The library keeps the last blocks that it has told of in cells in its own memory, found by their
 * address: each cell is one block's. A cell belongs to who brought its tag from one state to the
 * next, by compare-and-swap:
 *
 *	empty or live -> held -> live	another block needs it: the free of the one that was there
 *					will be told at once, as that of any block in no cell is
 *	live -> held -> freed		the block is about to be freed: that is *deferred*
 *	live -> held -> freed or live	realloc has it: what comes of it is known when it returns
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
 *
 * A program that does the same again and again is given the same blocks: of the same size, at the
 * same address, for the same caller. Such a block *comes again* if it has the same stack, too. Then
 * its cell is live again, and nobody is told: what the table has of it holds, but for the time.
 *
 *	freed -> told -> live		it has come again: the cell has its time
 *
 * A *trail* tells that two stacks are the same: the words that a walk has gone by, and where on the
 * stack they are. As long as the same code lies where it did, a walk finds the same wherever all of
 * them are as they were. They are compared in the order in which the walk has met them: each says
 * that there is a frame which has the next. Walks are the kernel side's: it is asked for a trail
 * with a put, and the loader writes it into the process's memory, some time later. So a block comes
 * again if it is on the same trail as the one that was told of. What was found in another *epoch*
 * does not count: an epoch ends at dlclose(3), as other code may lie there then, and when a tool
 * attaches, which must hear first of what is to come again.
 *
 * Whatever else is put while it is on a trail needs no walk: the put says which stack that is.
 *
 * Where only samples are told, those that are on a trail are not told of at all at first: they are
 * *new*. Their cells have all that there is to say; nearly all are freed before another sample
 *needs the cell, and are but counted.
 *
 *	empty, live, or freed and told -> held -> new	it is in its cell alone
 *	new -> held -> empty		it is freed: it has *passed*, an allocation and a free
 *	new -> late -> held		another block needs the cell, or realloc has it: it is told
 *of late, and is then one that is in no cell
 *	late -> gone -> told		it is freed meanwhile: who tells of it tells of that, too
 *
 * Who reads the table must add those that are new or late, if the table has them not with the same
 * generation; leave out those that are gone; and count what has passed.
 *
 * New blocks are known by the stacks of one tool, and are that one's alone, which is said by their
 * *session*. It begins when that tool is first asked for a trail where there is none, and ends when
 * it leaves. Another tool that hears of the process says so when it attaches, or is asked for a
 * trail: from then on all blocks are told of, for good.
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
	MEMLEAK_CELL_NEW,
	MEMLEAK_CELL_LATE, /* somebody's, who tells of what is in it at this moment; it is live */
	MEMLEAK_CELL_GONE, /* the same; it is freed */
};

/*
 * All of it in one word, for those who read cells of a process that runs: the block's generation in
 * the upper 8 bits, its address, the state in the lower 3. Not the address itself, which would hold
 * the block alive for whoever looks for leaks; nor another one that a block could have.
 */
#define MEMLEAK_CELL_TAG(address, generation, state)                                               \
	((__u64)(generation) << 56 | (~(__u64)(address) << 3 & ~(0xffULL << 56)) | (state))
#define MEMLEAK_CELL_STATE(tag)	     ((enum memleak_cell_state)((tag)&7))
#define MEMLEAK_CELL_IN(tag, state)  (((__u64)(tag) & ~7ULL) | (state)) /* the same block */
#define MEMLEAK_CELL_ADDRESS(tag)    (~(__u64)(tag) >> 3 & ((1ULL << 48) - 1))
#define MEMLEAK_CELL_GENERATION(tag) ((__u8)((tag) >> 56))

struct memleak_cell {
	__u64 tag;
	__u64 size;
	union {
		__u64 caller; /* freed: by whom, a return address */
		__u64 stack;  /* new: as its trail has it */
	};
	__u64 weight;  /* bytes that it stands for: the size, unless the process draws samples */
	__u64 time_ns; /* CLOCK_MONOTONIC, when it came again last; 0: it has not; new: when it came
			*/
	union {
		__u64 call;    /* MEMLEAK_CALL() of its allocation */
		__u64 session; /* new: whose */
	};
	__u64 trail;	 /* the id of the one that it was on when it was told of; 0: none */
	__u8 family;	 /* enum memleak_family */
	__u8 families;	 /* whose frees may take it, a bit each; 0: not known */
	__u8 slack;	 /* how much larger it is than what operator new was asked for */
	__u8 generation; /* of the last block that was in it: 1 to 255 */
	__u8 pad[4];
};

#define MEMLEAK_TRAIL_WORDS 47

struct memleak_trail {
	__u64 id; /* another one than any before; 0: it is being written */
	__u64 epoch;
	__u64 frame; /* where the walk began */
	__u64 stack; /* what it found: its key, as whoever walked may have hidden it */
	__u64 words[MEMLEAK_TRAIL_WORDS];
	__u16 at[MEMLEAK_TRAIL_WORDS]; /* where they are: in words above the frame */
	__u16 n;		       /* of them */
	__u32 cfa;		       /* how far above the frame it ends */
	__u32 session; /* of the tool, if samples on it may be new; 0: they may not */
};

/* In a process a trail has its frame and its words so: they are not to hold blocks alive for
 * whoever looks for leaks. */
#define MEMLEAK_TRAIL_HIDDEN(word) (~(__u64)(word))

/* Those of allocations by the same caller, with the same place on the stack. */
#define MEMLEAK_TRAIL_WAYS     4
#define MEMLEAK_TRAIL_SET_BITS 9
#define MEMLEAK_TRAIL_SETS     (1U << MEMLEAK_TRAIL_SET_BITS)

struct memleak_trail_set {
	struct memleak_trail ways[MEMLEAK_TRAIL_WAYS];
};

/* Multiplied by the golden ratio: Knuth, The Art of Computer Programming, volume 3, 6.4. */
#define MEMLEAK_CALL(frame, caller)                                                                \
	((((__u64)(frame) >> 3) ^ ((__u64)(caller) << 20)) * 0x9e3779b97f4a7c15ULL)
#define MEMLEAK_TRAIL_SET(call) ((__u32)((call) >> (64 - MEMLEAK_TRAIL_SET_BITS)))

/* What the loader is to write into a process's memory, in the ring of trails. */
struct memleak_trail_answer {
	__u64 cells; /* the process's */
	__u32 tgid;
	__u32 way;	 /* where the trail comes */
	__u32 forgotten; /* MEMLEAK_TRAIL_NONE, or there is no trail, and this cell is on none: its
			  * block is not in the table as it should be */
	__u32 pad;
	struct memleak_trail trail;
};
#define MEMLEAK_TRAIL_NONE	   0xffffffffU

#define MEMLEAK_NEXT_GENERATION(n) ((__u8)((n) % 255 + 1))

/* The free of a larger block costs much more than to tell of it. */
#define MEMLEAK_MAX_DEFERRED (64 << 10)

#define MEMLEAK_CELL_BITS    13
#define MEMLEAK_CELLS	     (1U << MEMLEAK_CELL_BITS)
#define MEMLEAK_CELL_PARTS   128 /* a page each */
#define MEMLEAK_CELL_PART    (MEMLEAK_CELLS / MEMLEAK_CELL_PARTS)

/* In a process. What is in no part that is in use may not be in memory at all. */
struct memleak_cells {
	__u64 bytes;	   /* that blocks which are freed or told stand for, */
	__u64 low_bytes;   /* the same less new_bytes, when that was lowest since something was told
			    */
	__u64 again;	   /* times that a block has come again: an allocation and a free each */
	__u64 again_bytes; /* that these stood for */
	__u64 used[MEMLEAK_CELL_PARTS / 64]; /* parts, a bit each */
	__u64 epoch;
	__u64 self;	  /* where this is: who writes to it knows by that what it is */
	__u64 told_bytes; /* the library's own: the same when something was told last */
	/* Whose new blocks are here; bytes that they stand for; what has passed of them, weighed as
	 * in a process. */
	__u64 session, new_bytes, passed, passed_bytes;
	__u64 shared; /* another tool hears of this process, too: no block may be new any more */
	__u8 asks[MEMLEAK_TRAIL_SETS]; /* its own, too: how many are left out before the next */
	__u64 pad[498 - MEMLEAK_TRAIL_SETS / 8];
	struct memleak_cell cells[MEMLEAK_CELLS];
	struct memleak_trail_set trails[MEMLEAK_TRAIL_SETS];
};

/* In libmemleak.so, from the semaphore of `put` to where the address of the cells is. */
#define MEMLEAK_PUT_SEMAPHORE_TO_CELLS 6

/* Neighbours have neighbouring cells; regions that are as far apart as those of arenas are, others.
 */
#define MEMLEAK_CELL_OF(address)                                                                   \
	((__u32)(((__u64)(address) >> 4) ^                                                         \
		 (((__u64)(address) >> (4 + MEMLEAK_CELL_BITS)) * 0x9e3779b97f4a7c15ULL >>         \
		  (64 - MEMLEAK_CELL_BITS))) &                                                     \
	 (MEMLEAK_CELLS - 1))

#ifndef __bpf__
static_assert(sizeof(struct memleak_cell) == 64, "a cell is a cache line");
static_assert(MEMLEAK_CELL_PART * sizeof(struct memleak_cell) == 4096, "a part is a page");
static_assert(sizeof(struct memleak_trail) == 512, "trail without gaps");
static_assert(__builtin_offsetof(struct memleak_cells, again_bytes) ==
		      __builtin_offsetof(struct memleak_cells, again) + 8,
	      "read as two words");
static_assert(__builtin_offsetof(struct memleak_cells, passed_bytes) ==
		      __builtin_offsetof(struct memleak_cells, session) + 24,
	      "read, and written, as four words");
static_assert(__builtin_offsetof(struct memleak_cells, cells) == 4096, "a page ahead");
#endif

#endif
