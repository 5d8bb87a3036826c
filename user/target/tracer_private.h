/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_TARGET_TRACER_PRIVATE_H
#define MEMLEAK_TARGET_TRACER_PRIVATE_H

/*
 * The tracer as its files share it: tracer.c takes hold of threads and handles what happens to
 * them, tracer_stop.c stops whole processes and lets everything go.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/wait.h>

#include "target/tracer.h"
#include "util/hash.h"
#include "util/vector.h"

/* A traced thread. */
struct task {
	pid_t tid, tgid;
	uint64_t mask; /* signals that it had blocked, while `starting` */
	bool starting; /* from its exec until its loader's signal, which must not be blocked */
	bool passing;  /* traced for one tracer__stop only */
	bool exiting;  /* let go at its end */
	bool stopped;  /* by tracer__stop, or meanwhile */
	int status;    /* waitpid's, of that stop */
};

/* Something that happened while a process was being stopped, to be handled later. */
struct happening {
	pid_t tid;
	int status;
};

struct tracer {
	struct tracer_callbacks callbacks;
	void *context;
	bool follow, exits;
	bool dispatching;
	pid_t judged;  /* a process whose end is being told of; 0: none */
	pid_t command; /* 0: none, or it has ended */
	VECTOR(struct happening) later;
	VECTOR(struct task) tasks;
	struct hash by_tid;
};

/* The signal that a task would get which stopped with @status; 0: none. */
static inline int stop_signal(int status)
{
	return status >> 16 ? 0 : WSTOPSIG(status);
}

/* NULL where it is not known, or without memory. Tasks move whenever one comes or goes. */
struct task *tracer__find_task(struct tracer *t, pid_t tid);
struct task *tracer__add_task(struct tracer *t, pid_t tid, pid_t tgid);

/* Let a stopped task run on, or trace it no longer; it gets @signal (0: none). */
void task__let_go(struct task *task, int signal);
void tracer__detach_task(struct tracer *t, struct task *task, int signal);

/* The program has the mask again that it was given. */
void task__restore_mask(struct task *task);

/* waitpid gave @status for @tid: handle that; and where it has ended. */
void tracer__handle(struct tracer *t, pid_t tid, int status);
void tracer__handle_end(struct tracer *t, pid_t tid, int status);

#endif
