/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_BENCH_NAMES_H
#define MEMLEAK_BENCH_NAMES_H

/* What names cost that the confined helper looks up, beside the same in one process. */

#include <stdbool.h>

struct names_options {
	const char *tool; /* a program with DWARF */
	bool quick;
};

/* Measure and print; *@reached turns false where a goal is missed. 0 or -errno after saying why. */
int names__run(const struct names_options *o, bool *reached);

#endif
