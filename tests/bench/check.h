/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_BENCH_CHECK_H
#define MEMLEAK_BENCH_CHECK_H

/* What a leak check of a large heap costs: how long the process is stopped, and how long the
 * verdicts take; of one that sleeps, and of one that goes on to change its heap. */

#include <stdbool.h>

struct check_options {
	const char *bulk;	 /* the workload */
	const char *const *tool; /* the tool's words */
	int workload_cpu;
	bool quick;
};

/* Measure and print; *@reached turns false where a goal is missed. 0 or -errno after saying why. */
int check__run(const struct check_options *o, bool *reached);

#endif
