/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_BENCH_WORKS_H
#define MEMLEAK_BENCH_WORKS_H

/* The real programs that are measured, and what they are given to do. */

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct work {
	const char *name;
	const char *environment[2]; /* a variable and its value */
	const char *command[12];    /* %f: its input file, %o: its output file */
	void (*write_input)(FILE *f, unsigned int scale); /* percent of the work */
	bool server; /* serves %o, a socket, until it is told to end */
	bool large; /* so much work that a tool's start is nothing beside it; in light ways alone */
};

#define WORKS 8
extern const struct work works[WORKS];

#endif
