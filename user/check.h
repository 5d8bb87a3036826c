/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_CHECK_H
#define MEMLEAK_CHECK_H

/* A leak check from beginning to end: stop the process, read, let it go, judge, hand the verdicts
 * to the collector. */

#include <stdbool.h>
#include <sys/types.h>

#include "probe/collect.h"
#include "probe/probe.h"
#include "target/tracer.h"

struct checker;
struct sandbox;

struct checker_options {
	bool paths;		 /* say what keeps reachable blocks alive */
	struct sandbox *sandbox; /* reads the names of classes */
	bool partial; /* some blocks are not followed (sizes, sampling, pools): gaps are roots */
};

/* Everything is borrowed for the checker's life. 0 or -ENOMEM. */
int checker__create(const struct checker_options *options, struct probe *p, struct collector *c,
		    struct tracer *t, struct checker **ret);
void checker__destroy(struct checker *c);

/* @pid is traced from the first instruction of its program on: every block of it is known. */
void checker__program_started(struct checker *c, pid_t pid);

/* @pid was forked off: blocks that it inherited are not known. */
void checker__process_forked(struct checker *c, pid_t pid);

/*
 * Check all running processes that are followed, for the next profile. What cannot be checked is
 * shown without verdicts, after a warning that says why. 0, or -errno of what stops the tool.
 */
int checker__run(struct checker *c);

/* Check the process @pid for the next profile. 0, or -errno, of which a warning has said why but
 * for -ESRCH (it has ended) and -ENOMEM. */
int checker__run_one(struct checker *c, pid_t pid);

/* Check @pid, which is about to end, its thread @tid stopped for that. */
void checker__run_at_exit(struct checker *c, pid_t pid, pid_t tid);

#endif
