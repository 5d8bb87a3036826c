/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_BENCH_USER_H
#define MEMLEAK_BENCH_USER_H

/* What the tool itself costs: its reports of many blocks, and its start beside many processes. */

#include <stdbool.h>

struct user_options {
	const char *many;	 /* the program of so many blocks from so many stacks */
	const char *const *tool; /* its words, ended by NULL */
	int workload_cpu, tool_cpu;
	bool quick;
};

/* Print the rows and the goals; @reached is set to false if one is missed. 0 or -errno after saying
 * why. */
int user__run(const struct user_options *o, bool *reached);

#endif
