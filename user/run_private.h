/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_RUN_PRIVATE_H
#define MEMLEAK_RUN_PRIVATE_H

/*
 * A run as its files share it: run.c is the run itself, run_target.c what it follows, run_report.c
 * what it says; run_live.c and run_preload.c have what is of --live and --preload alone.
 */

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "blocks_dir.h"
#include "check.h"
#include "leakcheck/suppress.h"
#include "live/live.h"
#include "options.h"
#include "probe/collect.h"
#include "probe/probe.h"
#include "symbol/symbol.h"
#include "target/tracer.h"
#include "util/hash.h"
#include "util/vector.h"

struct run {
	const struct options *o;
	struct sandbox *sandbox;
	struct probe *probe;
	struct collector *collector;
	struct symbolizer *symbolizer;
	VECTOR(struct allocator_row) rows; /* the user's functions */
	VECTOR(struct probe_family) families;
	struct tracer *tracer;		   /* NULL: nothing is started, followed or checked */
	struct checker *checker;	   /* NULL: no leak check */
	struct suppressions *suppressions; /* NULL: none */
	struct blocks_dir *blocks;	   /* NULL: no files for blocks */
	uint64_t activity;		   /* when they were last brought up to date */
	FILE *out;
	int epoll, signals, timer, blocks_timer;
	sigset_t inherited_mask; /* the tool was started with */
	VECTOR(int) pidfds;	 /* of -p's processes; -1: it has ended */
	size_t alive;		 /* how many of them run; the command counts as one */
	uint64_t reports;
	uint64_t hits; /* of probes, at the last report */
	double hits_at_s;
	bool warned_of_hits;
	unsigned int interrupts;
	struct command forked; /* the command, until it runs */
	pid_t command;
	bool attached;	     /* the command is probed */
	bool preloaded;	     /* it was started with libmemleak.so, which was not looked for yet */
	struct hash refused; /* (pid, 0): said why they are not traced */
	bool done;
	struct live *live; /* NULL: no view */
	char *output_path; /* where the command writes to, as the view has the terminal */
	bool errors_found; /* lost blocks, wrong frees */
	bool unsaved;	   /* a file of -w could not be written at the end */
	int error;	   /* -errno of what made the run end early; 0: nothing */
	int status;	   /* of the command, as an exit status */
};

/* End the run, because of @error (-errno) if it is not 0. */
void run__stop(struct run *r, int error);

/* Hear of @events of @fd. 0 or -errno. */
int run__watch(struct run *r, int fd, uint32_t events);

/* Whether it watches more than the processes that it was told. */
static inline bool run__is_wide(const struct run *r)
{
	return r->o->target == OPTIONS_TARGET_ALL || r->o->target == OPTIONS_TARGET_CGROUP;
}

/* --- run_report.c --- */

/* Make a report and bring it to where it goes; what fails ends the run. */
void run__report(struct run *r, bool final);

/* Write the files of -w in @o as of now. 0, or -errno after a line that says why. */
int run__save(struct run *r, const struct options *o);

/* The file that the symbolizer asks for by its number; @context is the run. 0 or -ENOENT. */
int run_report__locate_module(void *context, uint32_t id, struct symbol_source *ret);

/* The line of --trace for one event; @context is the run. */
void run_report__trace(void *context, const struct memleak_event *e);

/* Whether single blocks are wanted of what ends. */
bool run_report__lists_blocks(const struct run *r);

/* Bring the files of --blocks-dir up to date. 0 or -errno. */
int run_report__sync_blocks(struct run *r);

/* --- run_target.c --- */

/* For the tracer, with the run as context. */
extern const struct tracer_callbacks run_target_callbacks;

/* Start the command, or attach to what is there. 0, or -errno after saying why. */
int run_target__attach(struct run *r);

/* The pidfd @fd of a process of -p says that it has ended. */
void run_target__ended(struct run *r, int fd);

/* --- run_live.c --- */

/* The command cannot share the terminal: where its output goes instead. 0, or -errno after a line
 * that says why. */
int run_live__divert_command(struct run *r, int stdio[COMMAND_STDIO]);

/* Take the terminal, with a first report. What fails ends the run. */
void run_live__open(struct run *r);

/* Give it back. */
void run_live__close(struct run *r);

/* After the final report: where the output of the command is. */
void run_live__say_output(struct run *r);

/* Standard input has @events. */
void run_live__input(struct run *r, uint32_t events);

/* --- run_preload.c --- */

struct preload;

/* Have the command started with the library. 0, also where it would be of no use, after a line that
 * says why; or -errno after one. *@ret must live until it is started: preload__release. */
int run_preload__prepare(struct run *r, struct preload *ret);

/* The libraries of @pid are mapped: if it is the command, say so where ours is not among them. */
void run_preload__look(struct run *r, pid_t pid);

#endif
