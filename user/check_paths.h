/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_CHECK_PATHS_H
#define MEMLEAK_CHECK_PATHS_H

/* Why reachable blocks are still alive: for the oldest block of each stack, the chain of pointers
 * from a root to it, and what that root is. */

#include "leakcheck/judge.h"
#include "leakcheck/memory.h"
#include "leakcheck/scan.h"
#include "probe/snapshot.h"

struct paths_input {
	struct snapshot *snapshot; /* its paths are made */
	const struct judge_verdict *verdicts;
	const struct judge_link *chains;
	const struct scan *scan;
	struct memory *memory;
	const struct memory_thread *threads;
	size_t nr_threads;
	const struct files *files;
	/* The class whose vtable is at @vptr, in the snapshot's types, or PROFILE_NONE. 0 or
	 * -errno. */
	int (*find_type)(void *context, uint64_t vptr, uint32_t *ret);
	void *context;
};

/* The place (scan__register) of register @i, a general one or a word of a vector, of thread number
 * @thread. */
uint64_t paths__register(size_t thread, bool vector, size_t i);

/* 0 or -errno. */
int paths__find(const struct paths_input *in);

#endif
