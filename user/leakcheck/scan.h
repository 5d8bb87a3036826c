/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_LEAKCHECK_SCAN_H
#define MEMLEAK_LEAKCHECK_SCAN_H

/*
 * From pieces of memory to the words in them that may be pointers to blocks. This runs while the
 * process is stopped: a word costs a comparison, and what it points to is found out later.
 *
 * Terms: what lies in no block is a *gap* where it belongs to glibc's heap, chunk by chunk, as the
 * sizes before the chunks say; everything else is a *root*.
 */

#include <stdbool.h>
#include <stdint.h>

#include "leakcheck/judge.h"

struct scan;

/* With room for @nr_edges pointers, so that no memory need be asked for up to there. 0 or -ENOMEM.
 */
int scan__create(size_t nr_edges, struct scan **ret);
void scan__destroy(struct scan *s);

/* Before anything is looked at: the @nr blocks, sorted by address, borrowed for the scan's life, in
 * place of those of an earlier call. 0 or -ENOMEM. */
int scan__set_blocks(struct scan *s, const struct judge_block *blocks, uint32_t nr);

/*
 * Where the kernel's uprobe trampoline is: a root with an address in it is the stack of a thread
 * that is within an allocator's call, and may have a block in its hands that is in no table
 * (realloc), as it has where a root is MEMLEAK_IN_REALLOC. Gaps are roots then.
 */
void scan__set_trampoline(struct scan *s, uint64_t start, uint64_t end);

/* How a mapping is looked at. */
enum scan_kind {
	SCAN_ROOTS, /* all that lies in no block is a root */
	SCAN_HEAP,  /* glibc's, perhaps: gaps are told from roots */
};

/*
 * A mapping [@start, @end) follows. Its pieces come in order of address; parts that are left out
 * hold zeroes.
 */
void scan__begin(struct scan *s, uint64_t start, uint64_t end, enum scan_kind kind);

/* Words that scan__filter looks at have a bit each, in so many words. */
#define SCAN_FILTER_SIZE(nr) (((nr) + 63) / 64)

/* Set a bit of @bits for each of the @nr words that may be a pointer to a block, and no other. Any
 * number of threads may do this at a time, also while another one is in scan__words. */
void scan__filter(const struct scan *s, const uint64_t *words, size_t nr, uint64_t *bits);

/* The @nr words at @addr, which is a multiple of 8, and what the filter made of them. 0 or -ENOMEM.
 */
int scan__words(struct scan *s, uint64_t addr, const uint64_t *words, const uint64_t *bits,
		size_t nr);

/* One word that belongs to no mapping: a register. @place is for judge_edge.where, if places are
 * kept. 0 or -ENOMEM. */
int scan__register(struct scan *s, uint64_t value, uint64_t place);

/* All memory has been looked at: the edges for judge__run, owned by the scan. 0 or -ENOMEM. */
int scan__finish(struct scan *s, const judge_edges **ret);

/* Before anything is looked at: remember where the words of roots are. */
void scan__keep_places(struct scan *s);

/* The address of the word that an edge from a root with this `where` stands for, or what
 * scan__register was told; 0 where it is not known. */
uint64_t scan__place(const struct scan *s, uint32_t where);

#endif
