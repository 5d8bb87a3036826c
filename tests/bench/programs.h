/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_BENCH_PROGRAMS_H
#define MEMLEAK_BENCH_PROGRAMS_H

/*
 * What real programs cost, bare and watched: the processor time of the program, of what it starts
 * and of what it runs under, not that of a tool beside it. A program waits until it is watched and
 * is watched to its end. What is slow is measured once, the rest several times. Large programs,
 * where differences are small, run side by side with the bare ones.
 */

#include <signal.h>
#include <stdbool.h>

struct programs_options {
	const char *scratch;	 /* a directory for its files; deleted by the caller */
	const char *const *tool; /* its words, ended by NULL */
	int workload_cpu, tool_cpu;
	bool peers, quick;
	unsigned int seconds; /* begin nothing later than this */
};

/* Print a row for each program and way; 0, -EINTR or another -errno after saying why. */
int programs__run(const struct programs_options *o, const volatile sig_atomic_t *interrupted);

#endif
