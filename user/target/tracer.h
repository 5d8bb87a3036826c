/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_TARGET_TRACER_H
#define MEMLEAK_TARGET_TRACER_H

/*
 * Starting a command, and following its children, by ptrace.
 *
 * A new program is stopped at the moment when its libraries are mapped and no constructor has run
 * (tracer.c says how); a forked child is stopped at its birth. At each of these moments a callback
 * can place probes, then the process goes on. Nothing else is stopped, apart from what ptrace itself
 * shows of every signal, clone and exec, which is passed on at once.
 *
 * If the tool dies the kernel detaches every process, which goes on; only between the exec of the
 * command and the moment above, a few milliseconds, it would die with the tool: a breakpoint is in it.
 */

#include <stdbool.h>
#include <sys/types.h>

struct tracer;

struct tracer_callbacks {
	/* A program is mapped, stopped before its first constructor. */
	void (*started)(void *context, pid_t pid);
	/* A child was forked off, stopped before its first instruction. */
	void (*forked)(void *context, pid_t pid);
	/* Thread @tid of @pid is about to get @signal, stopped; true if it shall not. */
	bool (*signalled)(void *context, pid_t pid, pid_t tid, int signal);
	/* The command that tracer__launch started has ended; @status is waitpid's. */
	void (*ended)(void *context, int status);
};

/* 0 or -ENOMEM. With @follow, children are traced too; without, nothing is traced behind the start. */
int tracer__create(const struct tracer_callbacks *callbacks, void *context, bool follow,
		   struct tracer **ret);

/* Detach from everything that is traced (see tracer__detach) and free; NULL is accepted. */
void tracer__destroy(struct tracer *t);

/*
 * Start @argv as @user (NULL: whoever runs the tool), with a signal mask and dispositions as if a
 * shell had started it. Returns at once; the callbacks come from tracer__dispatch. The command is the
 * caller's child. Its pid, or -errno after one line that says why (not found, not executable ...).
 */
pid_t tracer__launch(struct tracer *t, char *const argv[], const char *user);

/* Trace the running process @pid with all its threads, to follow its children. 0 or -errno. */
int tracer__seize(struct tracer *t, pid_t pid);

/* Handle all that has happened: call it after SIGCHLD. */
void tracer__dispatch(struct tracer *t);

/* How many threads are traced now. */
size_t tracer__count(const struct tracer *t);

/* Let everything go: all traced processes run on, untraced. */
void tracer__detach(struct tracer *t);

#endif
