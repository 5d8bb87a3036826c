/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_BENCH_LANES_H
#define MEMLEAK_BENCH_LANES_H

/*
 * What is compared. A *lane* is one way to watch allocations, with a workload process of each build
 * that is watched so all the time. Rounds go through the lanes one after the other, so that
 * whatever else the machine does hits them alike.
 *
 * Each workload has a C library file of its own, a copy: a uprobe belongs to a file, and probes of
 * one lane would cost the others time although they are for other processes.
 */

#include <stdbool.h>

#include "child.h"
#include "probes.h"
#include "table.h"

enum lanes_build { BUILD_PLAIN, BUILD_FP, BUILDS };
enum lanes_measure { MEASURE_MALLOC, MEASURE_FREE, MEASURE_PAIR, MEASURES };

#define LANES_DEPTHS 3
extern const unsigned int lanes_depths[LANES_DEPTHS];
extern const char *const lanes_builds[BUILDS];

#define LANES_MAX_WORDS 8

/* How a lane is set up; one row of a table. */
struct lanes_way {
	const char *name;
	enum probes_kind kind;
	enum probes_where where;
	bool measure_free; /* free, and the pair, are watched too */
	bool checked;	   /* its report is to show the stacks as deep as they are */
	bool unwanted;	   /* the tool drops the blocks */
	const char *tool[LANES_MAX_WORDS];  /* attached to all workloads by -p */
	const char *under[LANES_MAX_WORDS]; /* workloads are started under it */
	const char *bcc;		    /* attached to each workload as bcc's memleak is */
};

struct lane {
	struct lanes_way way;
	struct child workloads[BUILDS];
	struct child tools[BUILDS];
	struct samples samples[BUILDS][LANES_DEPTHS][MEASURES];
};

struct lanes_options {
	const char *directory; /* of the workloads' binaries */
	const char *scratch;   /* for copies and output files; deleted by the caller */
	int workload_cpu, tool_cpu;
	unsigned int builds, depths; /* how many of them */
	unsigned int calls;	     /* of each order */
	struct probes *probes;
};

struct lanes {
	struct lanes_options options;
	struct probes_places places[PROBES_WHERES];
	unsigned int nr_copies;	  /* of the C library, made so far */
	unsigned char code[2][8]; /* at the chosen places of malloc and free */
	VECTOR(struct lane) list;
};

/* Start the processes of one more lane and have them watched; 0 or -errno after saying why. */
int lanes__add(struct lanes *l, const struct lanes_way *way);

/* End the lane that was added last, and forget it. */
void lanes__drop_last(struct lanes *l);

/* Every lane once, in turn: one sample each. 0 or -errno after saying why. */
int lanes__run_round(struct lanes *l, bool keep_samples);

/* Have the checked tools report, and compare; 0, -EBADMSG or another -errno after saying why. */
int lanes__check(struct lanes *l);

/* End all processes. */
void lanes__release(struct lanes *l);

/* Delete the directory of copies and output files. */
void lanes__delete(const char *scratch);

#endif
