// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Where a new program is stopped.
 *
 * First at its exec: one without a dynamic loader is complete then. A loader is mapped at that
 * moment and nothing else; what follows is the callbacks' business: they place a probe on the
 * loader that sends the thread a signal when the libraries are mapped, and a signal is where a
 * tracer gets hold of a thread.
 *
 * PTRACE_SEIZE throughout: with it a tracer that is killed leaves nothing stopped, and nothing is
 * ever written into a process, so that there is nothing to be left behind.
 */
#include "target/tracer_private.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <unistd.h>

#include "target/process.h"
#include "target/registers.h"
#include "util/cleanup.h"
#include "util/log.h"

#define BASE_OPTIONS PTRACE_O_TRACEEXEC
#define FOLLOW_OPTIONS                                                                             \
	(BASE_OPTIONS | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE)
#define EXIT_OPTIONS (PTRACE_O_TRACEEXIT | PTRACE_O_TRACECLONE)

int tracer__create(const struct tracer_callbacks *callbacks, void *context, bool follow, bool exits,
		   struct tracer **ret)
{
	struct tracer *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->callbacks = *callbacks;
	t->context = context;
	t->follow = follow;
	t->exits = exits;
	*ret = t;
	return 0;
}

void tracer__destroy(struct tracer *t)
{
	if (!t)
		return;
	tracer__detach(t);
	vector_release(&t->tasks);
	vector_release(&t->later);
	hash__release(&t->by_tid);
	free(t);
}

/* --- the tasks --- */

size_t tracer__count(const struct tracer *t)
{
	return t->tasks.count;
}

struct task *tracer__find_task(struct tracer *t, pid_t tid)
{
	uint32_t i = hash__get(&t->by_tid, tid, 0);

	return i == HASH_NONE ? NULL : &t->tasks.items[i];
}

struct task *tracer__add_task(struct tracer *t, pid_t tid, pid_t tgid)
{
	struct task *known = tracer__find_task(t, tid);

	if (known)
		return known;
	if (vector_push(&t->tasks, (struct task){.tid = tid, .tgid = tgid}))
		return NULL;
	if (hash__set(&t->by_tid, tid, 0, t->tasks.count - 1)) {
		t->tasks.count--;
		return NULL;
	}
	return &t->tasks.items[t->tasks.count - 1];
}

static void remove_task(struct tracer *t, pid_t tid)
{
	uint32_t i = hash__get(&t->by_tid, tid, 0);
	struct task *last;

	if (i == HASH_NONE)
		return;
	hash__remove(&t->by_tid, tid, 0);
	last = &t->tasks.items[--t->tasks.count];
	if (i < t->tasks.count) {
		t->tasks.items[i] = *last;
		/* Overwrites an existing key: cannot fail. */
		hash__set(&t->by_tid, last->tid, 0, i);
	}
}

static int ptrace_options(const struct tracer *t)
{
	return (t->follow ? FOLLOW_OPTIONS : BASE_OPTIONS) | (t->exits ? EXIT_OPTIONS : 0);
}

/* --- what happens to the tasks --- */

void task__let_go(struct task *task, int signal)
{
	ptrace(PTRACE_CONT, task->tid, 0, signal);
}

void tracer__detach_task(struct tracer *t, struct task *task, int signal)
{
	ptrace(PTRACE_DETACH, task->tid, 0, signal);
	remove_task(t, task->tid);
}

/* The loader's signal shall come through although whoever called exec blocked it. */
static void unblock(struct task *task)
{
	uint64_t mask, open;

	if (ptrace(PTRACE_GETSIGMASK, task->tid, sizeof(mask), &mask))
		return;
	open = mask & ~(1ULL << (TRACER_SIGNAL - 1));
	if (open == mask || ptrace(PTRACE_SETSIGMASK, task->tid, sizeof(open), &open))
		return;
	task->mask = mask;
	task->starting = true;
}

void task__restore_mask(struct task *task)
{
	if (!task->starting)
		return;
	ptrace(PTRACE_SETSIGMASK, task->tid, sizeof(task->mask), &task->mask);
	task->starting = false;
}

/* Do what a callback said with a task that is stopped and would get @signal. */
static void proceed(struct tracer *t, struct task *task, enum tracer_verdict verdict, int signal)
{
	if (verdict == TRACER_KEEP_UNBLOCKED)
		unblock(task);
	else
		task__restore_mask(task);
	if (verdict == TRACER_DETACH)
		tracer__detach_task(t, task, signal);
	else
		task__let_go(task, signal);
}

static void handle_exec(struct tracer *t, struct task *task)
{
	pid_t tid = task->tid, tgid = task->tgid;
	unsigned long caller = tid; /* the id that whoever called exec had before */
	enum tracer_verdict verdict;
	size_t i = 0;

	ptrace(PTRACE_GETEVENTMSG, tid, 0, &caller);

	/* Every other thread is gone, whichever of them called exec. */
	while (i < t->tasks.count) {
		struct task *other = &t->tasks.items[i];

		if (other->tgid == tgid && other->tid != tid)
			remove_task(t, other->tid);
		else
			i++;
	}
	/* That was the first thread of the program before. */
	tracer__find_task(t, tid)->exiting = false;
	verdict = t->callbacks.started(t->context, tgid, caller != (unsigned long)tid);
	proceed(t, tracer__find_task(t, tid), verdict, 0);
}

/* A task is about to get @signal. */
static void handle_signal(struct tracer *t, struct task *task, int signal)
{
	enum tracer_verdict verdict = TRACER_GO_ON;

	if (signal != TRACER_SIGNAL ||
	    !t->callbacks.signalled(t->context, task->tgid, task->tid, &verdict)) {
		task__let_go(task, signal);
		return;
	}
	proceed(t, task, verdict, 0);
}

/* A task stopped that is not known yet: a new thread, or a new process at its birth. */
static struct task *handle_birth(struct tracer *t, pid_t tid)
{
	pid_t tgid = process__tgid(tid);
	struct task *task = tracer__add_task(t, tid, tgid > 0 ? tgid : tid);

	if (!task) {
		log_error("out of memory: process %d is not followed", tid);
		ptrace(PTRACE_DETACH, tid, 0, 0);
		return NULL;
	}
	if (task->tgid == tid && !t->follow) {
		tracer__detach_task(t, task,
				    0); /* a child by clone(2), which TRACECLONE brings along */
		return NULL;
	}
	if (task->tgid == tid)
		t->callbacks.forked(t->context, tid);
	return tracer__find_task(t, tid);
}

/* Whether other threads of its process go on when this one has ended. */
static bool others_live(const struct tracer *t, const struct task *task)
{
	size_t i;

	for (i = 0; i < t->tasks.count; i++) {
		const struct task *other = &t->tasks.items[i];

		if (other->tgid == task->tgid && other->tid != task->tid && !other->exiting)
			return true;
	}
	return false;
}

/*
 * A thread is about to end. One that ends alone asks the kernel for just that; whatever else it
 * ends by ends the process.
 */
static void handle_exit(struct tracer *t, struct task *task, int status)
{
	pid_t tid = task->tid;

	task->exiting = true;
	if (!registers__ends_alone(tid) || !others_live(t, task)) {
		task->stopped = true;
		task->status = status;
		t->judged = task->tgid;
		t->callbacks.exiting(t->context, task->tgid, tid);
		t->judged = 0;
		task = tracer__find_task(t, tid);
		if (!task || !task->stopped)
			return; /* tracer__resume has seen to it */
		task->stopped = false;
	}
	task__let_go(task, 0);
}

static void handle_stop(struct tracer *t, pid_t tid, int status)
{
	struct task *task = tracer__find_task(t, tid);
	int event = status >> 16, signal = WSTOPSIG(status);

	if (!task) {
		task = handle_birth(t, tid);
		if (task)
			task__let_go(task, stop_signal(status));
		return;
	}
	if (task->passing) {
		tracer__detach_task(t, task, stop_signal(status));
		return;
	}
	switch (event) {
	case PTRACE_EVENT_EXEC:
		handle_exec(t, task);
		return;
	case PTRACE_EVENT_EXIT:
		handle_exit(t, task, status);
		return;
	case PTRACE_EVENT_STOP:
		if (signal == SIGSTOP || signal == SIGTSTP || signal == SIGTTIN ||
		    signal == SIGTTOU) {
			/* Stopped by job control: it stays so until SIGCONT. */
			ptrace(PTRACE_LISTEN, tid, 0, 0);
			return;
		}
		task__let_go(task, 0);
		return;
	case 0:
		handle_signal(t, task, signal);
		return;
	default:
		task__let_go(task, 0);
	}
}

void tracer__handle_end(struct tracer *t, pid_t tid, int status)
{
	remove_task(t, tid);
	if (tid != t->command)
		return;
	t->command = 0;
	t->callbacks.ended(t->context, status);
}

void tracer__handle(struct tracer *t, pid_t tid, int status)
{
	if (WIFSTOPPED(status))
		handle_stop(t, tid, status);
	else
		tracer__handle_end(t, tid, status);
}

void tracer__dispatch(struct tracer *t)
{
	struct happening h;

	if (t->dispatching)
		return;
	t->dispatching = true;
	for (;;) {
		if (t->later.count)
			h = t->later.items[--t->later.count];
		else
			h.tid = waitpid(-1, &h.status, __WALL | WNOHANG);
		if (h.tid <= 0)
			break;
		tracer__handle(t, h.tid, h.status);
	}
	t->dispatching = false;
}

/* --- taking hold --- */

int tracer__launch(struct tracer *t, const struct command *c)
{
	int status, err = 0;
	pid_t owner;

	if (ptrace(PTRACE_SEIZE, c->pid, 0, ptrace_options(t))) {
		err = -errno;
		owner = process__tracer(c->pid);
		if (owner > 0)
			log_error("cannot trace the command: process %d, a debugger or strace -f, "
				  "traces it already",
				  owner);
		else
			log_error("cannot trace the command: %s", strerror(-err));
		return err;
	}
	if (!tracer__add_task(t, c->pid, c->pid))
		return -ENOMEM;
	err = command__go(c);
	if (err)
		return err;
	/* Either the exec closes the pipe or its failure comes through it; signals of a terminal
	 * may stop the child in between. */
	for (;;) {
		if (waitpid(c->pid, &status, __WALL) != c->pid)
			return -errno;
		if (!WIFSTOPPED(status))
			break;
		if (status >> 16 == PTRACE_EVENT_EXEC) {
			t->command = c->pid;
			handle_stop(t, c->pid, status);
			return 0;
		}
		ptrace(PTRACE_CONT, c->pid, 0, stop_signal(status));
	}
	remove_task(t, c->pid);
	return command__explain(c, status);
}

int tracer__seize(struct tracer *t, pid_t pid)
{
	bool grown = true;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	/* Threads may be born while we look: again until a whole pass finds none. */
	while (grown) {
		CLEANUP_CLOSEDIR DIR *dir = opendir(path);
		struct dirent *d;

		grown = false;
		if (!dir)
			return -errno;
		while ((d = readdir(dir))) {
			pid_t tid = atoi(d->d_name);

			if (tid <= 0 || tracer__find_task(t, tid))
				continue;
			if (ptrace(PTRACE_SEIZE, tid, 0, ptrace_options(t))) {
				if (errno == ESRCH)
					continue; /* it has just ended */
				return -errno;
			}
			if (!tracer__add_task(t, tid, pid))
				return -ENOMEM;
			grown = true;
		}
	}
	return 0;
}
