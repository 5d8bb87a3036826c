/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_BENCH_MICRO_H
#define MEMLEAK_BENCH_MICRO_H

/*
 * What the benchmark asks of a workload process (micro.c) and what that answers. Fixed descriptors:
 * they pass through the shell scripts and emulators that a workload may be started under.
 */

#include <assert.h>
#include <stdint.h>

#define MICRO_FD_ORDERS	 20
#define MICRO_FD_ANSWERS 21

#define MICRO_MAX_CALLS	 100000
#define MICRO_MAX_DEPTH	 400

enum micro_what {
	MICRO_APART, /* so many malloc, then as many free: times in `malloc_ns` and `free_ns` */
	MICRO_PAIR,  /* malloc and free in turn: `pair_ns` */
	MICRO_KEEP,  /* so many malloc that are never freed; no times */
};

struct micro_order {
	uint32_t what;	/* enum micro_what */
	uint32_t depth; /* frames from the caller of malloc to the outermost one */
	uint32_t calls;
	uint32_t pad;
};

/* Processor time of the thread for all calls of the order. */
struct micro_answer {
	uint32_t depth; /* what it was: no less than main needs */
	uint32_t pad;
	uint64_t malloc_ns, free_ns, pair_ns;
};

static_assert(sizeof(struct micro_order) == 16, "order without gaps");
static_assert(sizeof(struct micro_answer) == 32, "answer without gaps");

#endif
