/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_BENCH_CELL_H
#define MEMLEAK_BENCH_CELL_H

/* One run of one program, watched in one way. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "child.h"
#include "programs.h"
#include "works.h"

struct way {
	const char *name;
	const char *mode[2];  /* words of the tool; it is attached */
	bool tool;	      /* this tool */
	bool preload;	      /* started by it, with --preload */
	const char *under[8]; /* the program runs under it; %r: a file for its record */
	const char *bcc;      /* attached as bcc's memleak is */
	bool beside;	      /* measured on large programs, side by side with its base */
	const char *base;     /* the way that its ratio is to; NULL: the first */
};

/* Where a program's files lie, and how much it is to do. */
struct place {
	unsigned int scale; /* percent */
	char file[4096], output[4096];
};

struct cell {
	const struct programs_options *o;
	const struct work *program;
	const struct way *way;
	struct place place;
	bool timed; /* somebody beside this one takes the program's time, behind a gate */
	struct child child, tool;
	uint64_t allocs;
};

/* How the number @program of the works is to be watched; @way and @o outlive it. */
void cell__make(const struct programs_options *o, size_t program, const struct way *way,
		size_t number, struct cell *ret);

/* Run it, and end it where it fails. 0; -ETIME if it took too long, -ENODATA if the tool that was
 * to has seen no allocation, -ECHILD if the program failed, or another -errno. */
int cell__measure(struct cell *c, double *seconds);

/*
 * The same of two, which are both timed, at the same time on one processor. They share it by turns
 * of some milliseconds: what makes it slower for a while, and is more than what there is to be
 * seen, does it to both.
 */
int cell__measure_both(struct cell *a, struct cell *b, double *seconds_a, double *seconds_b);

/* End what is left of it. */
void cell__release(struct cell *c);

#endif
