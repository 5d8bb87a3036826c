/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_TARGET_TRACER_H
#define MEMLEAK_TARGET_TRACER_H

/*
 * Starting a command, and following its children, by ptrace.
 *
 * A new program is stopped at its exec, a forked child at its birth, and a thread whenever it would
 * get TRACER_SIGNAL. At each of these moments a callback can place probes, then the process goes
 * on. Nothing else is stopped, apart from what ptrace itself shows of signals, clone and exec,
 * which is passed on at once. Nothing is written into any process; if the tool dies, the kernel
 * lets all of them go.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "target/command.h"
#include "util/vector.h"

struct tracer;

/*
 * The signal by which a probe can stop a thread: ignored by default, so that it does nothing where
 * the tool has just gone. Also bpf/memleak.h's MEMLEAK_SIGNAL_LIBRARIES.
 */
#define TRACER_SIGNAL 23 /* SIGURG */

/* How a stopped process goes on. */
enum tracer_verdict {
	TRACER_GO_ON,
	TRACER_KEEP_UNBLOCKED, /* and TRACER_SIGNAL must get through until the next verdict */
	TRACER_DETACH,	       /* traced no longer */
};

struct tracer_callbacks {
	/* A program was started by exec: it and its dynamic loader are mapped, nothing else. With
	 * @by_thread, it was a thread other than the first that called exec. */
	enum tracer_verdict (*started)(void *context, pid_t pid, bool by_thread);
	/* A child was forked off, stopped before its first instruction. */
	void (*forked)(void *context, pid_t pid);
	/* Thread @tid of @pid would get TRACER_SIGNAL: true if that was a probe's doing, so that
	 * the process does not get it; then @*verdict is set. */
	bool (*signalled)(void *context, pid_t pid, pid_t tid, enum tracer_verdict *verdict);
	/* The command that tracer__launch started has ended; @status is waitpid's. */
	void (*ended)(void *context, int status);
	/* Process @pid is about to end, by its own will or by a signal; its memory is still there.
	 * Thread @tid is stopped; others may still have to be (tracer__stop). */
	void (*exiting)(void *context, pid_t pid, pid_t tid);
};

/* 0 or -ENOMEM. With @follow, children and threads are traced too; with @exits, exiting is called
 * for every traced process, which takes a stop at the end of every thread. */
int tracer__create(const struct tracer_callbacks *callbacks, void *context, bool follow, bool exits,
		   struct tracer **ret);

/* Detach from everything that is traced (see tracer__detach) and free; NULL is accepted. */
void tracer__destroy(struct tracer *t);

/*
 * Let the command go and trace it from its first instruction on. Returns at once; the callbacks
 * come from tracer__dispatch. The command is the caller's child. 0, or -errno after one line that
 * says why (not executable ...).
 */
int tracer__launch(struct tracer *t, const struct command *c);

/* Trace the running process @pid with all its threads, to follow its children. 0 or -errno. */
int tracer__seize(struct tracer *t, pid_t pid);

/* The threads of a process that tracer__stop has stopped. */
typedef VECTOR(pid_t) tracer_threads;

/*
 * Stop every thread of @pid, traced so far or not, and list them in *@ret, which the caller
 * releases with vector_release, also on failure. Then tracer__resume must follow; nothing is
 * dispatched in between. If the tool dies meanwhile, the kernel lets all of them run. 0; -ETIMEDOUT
 * where one could not be stopped for a second (none is stopped then); -EPERM where somebody else
 * traces it; -errno.
 */
int tracer__stop(struct tracer *t, pid_t pid, tracer_threads *ret);

/* Let all threads of @pid go on as they were before tracer__stop. */
void tracer__resume(struct tracer *t, pid_t pid);

/* Handle all that has happened: call it after SIGCHLD. */
void tracer__dispatch(struct tracer *t);

/* How many threads are traced now. */
size_t tracer__count(const struct tracer *t);

/* Let everything go: all traced processes run on, untraced. */
void tracer__detach(struct tracer *t);

#endif
