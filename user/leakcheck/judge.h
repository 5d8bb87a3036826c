/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_LEAKCHECK_JUDGE_H
#define MEMLEAK_LEAKCHECK_JUDGE_H

/*
 * The verdict on every block, from plain data: the blocks, and which words point where. Knows no
 * process. The categories are Valgrind's, see profile.h.
 *
 * Everything is linear in blocks and pointers but for sorting the blocks; nothing recurses.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profile/profile.h"
#include "util/vector.h"

struct judge_block {
	uint64_t addr, size; /* bytes; a block of none counts as one byte */
};

/* A word that may be a pointer to a block. */
struct judge_edge {
	uint64_t value;
	uint32_t source;      /* index of the block that holds the word, or one of these: */
#define JUDGE_ROOT UINT32_MAX /* the program can reach the word */
#define JUDGE_ARENA                                                                                \
	(UINT32_MAX - 1) /* a word of glibc's malloc_state: no pointer at all if it                \
			    addresses the chunk behind a block */
	uint32_t where; /* of a block: the word's number in it; otherwise up to who made the edge */
};

typedef VECTOR(struct judge_edge) judge_edges;

/* What the heuristics need to know of the process's memory. */
struct judge_memory {
	void *context;
	/* The aligned word at @addr; false where it cannot be read. */
	bool (*word)(void *context, uint64_t addr, uint64_t *ret);
	/* Whether @addr looks like that of a vtable. */
	bool (*is_vtable)(void *context, uint64_t addr);
};

struct judge_verdict {
	uint8_t verdict;       /* enum profile_verdict, never NONE */
	bool points_to_itself; /* by a pointer to its start */
	uint32_t cycle; /* number of its cycle, from 1, whose blocks keep each other alive, and
			   nothing else does; 0: it is in none */
};

/* What keeps a reachable block: one of the shortest chains of pointers from the roots to it. */
struct judge_link {
	uint32_t parent; /* the block that points to it, or JUDGE_ROOT */
	uint32_t where;	 /* of the pointer, as the edge has it */
	uint32_t head; /* the first block of the chain, perhaps itself: a root points to that one */
	uint32_t depth; /* blocks before it in the chain */
};

/*
 * Judge the @nr blocks, sorted by address and not overlapping; verdicts by index go to @ret, and,
 * unless it is NULL, to @chains what keeps those that are reachable. 0 or -ENOMEM.
 */
int judge__run(const struct judge_block *blocks, uint32_t nr, const judge_edges *edges,
	       const struct judge_memory *memory, struct judge_verdict *ret,
	       struct judge_link *chains);

/* Index of the block that holds @addr, or UINT32_MAX; @blocks as for judge__run. */
uint32_t judge__find(const struct judge_block *blocks, uint32_t nr, uint64_t addr);

#endif
