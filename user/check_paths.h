/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_CHECK_PATHS_H
#define MEMLEAK_CHECK_PATHS_H

/* Why reachable blocks are still alive: for the oldest block of each stack, the chain of pointers
 * from a root to it, and what that root is. */

#include "check_frames.h"
#include "check_types.h"
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
	struct frames *frames;
	struct check_types *types;
};

/* The place (scan__register) of register @i, a general one or a word of a vector, of thread number
 * @thread. */
uint64_t paths__register(size_t thread, bool vector, size_t i);

/* 0 or -errno. */
int paths__find(const struct paths_input *in);

#endif
