// SPDX-License-Identifier: GPL-2.0-or-later
#include "target/tracer_private.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <time.h>
#include <unistd.h>

#include "target/process.h"
#include "util/cleanup.h"

/* --- stopping a process --- */

#define NS_PER_S     1000000000LL
#define STOP_LIMIT_S 1

/* No event tells that a first thread has ended that had not stopped yet. */
#define LOOK_AGAIN_NS 10000000

/* Wait for something to happen to a task, until the moment @end (CLOCK_MONOTONIC) or for @limit_ns;
 * false then. */
static bool wait_for_child(const struct timespec *end, int64_t limit_ns)
{
	struct timespec now, left;
	int64_t ns;
	sigset_t child;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD); /* blocked by whoever dispatches it */
	clock_gettime(CLOCK_MONOTONIC, &now);
	ns = (end->tv_sec - now.tv_sec) * NS_PER_S + end->tv_nsec - now.tv_nsec;
	ns = ns < limit_ns ? ns : limit_ns;
	left = (struct timespec){ns / NS_PER_S, ns % NS_PER_S};
	return ns >= 0 && sigtimedwait(&child, NULL, &left) >= 0;
}

static bool is_over(const struct timespec *end)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec > end->tv_sec ||
	       (now.tv_sec == end->tv_sec && now.tv_nsec >= end->tv_nsec);
}

/* Trace the threads of @pid that are not traced yet, for this time. *@grown: there were some. */
static int seize_passing(struct tracer *t, pid_t pid, bool *grown)
{
	CLEANUP_CLOSEDIR DIR *dir = NULL;
	struct dirent *d;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	if (!dir)
		return -errno;
	while ((d = readdir(dir))) {
		pid_t tid = atoi(d->d_name);
		struct task *task;

		if (tid <= 0 || tracer__find_task(t, tid))
			continue;
		if (ptrace(PTRACE_SEIZE, tid, 0, 0)) {
			int err = errno;

			if (err == ESRCH || !process__is_alive(tid))
				continue;
			if (process__tracer(tid) != getpid())
				return -err;
			/* Just born, and traced as its parent is: its first stop is to come. */
			*grown = true;
			continue;
		}
		task = tracer__add_task(t, tid, pid);
		if (!task)
			return -ENOMEM;
		task->passing = true;
		*grown = true;
	}
	return 0;
}

/* Interrupt what runs of @pid; the number of threads whose stop is to come. */
static size_t interrupt_threads(struct tracer *t, pid_t pid)
{
	size_t i, n = 0;

	for (i = 0; i < t->tasks.count; i++) {
		struct task *task = &t->tasks.items[i];

		if (task->tgid != pid || task->stopped)
			continue;
		if (task->exiting && !process__is_alive(task->tid))
			continue; /* the first thread, as long as others live */
		if (ptrace(PTRACE_INTERRUPT, task->tid, 0, 0) == 0)
			n++;
	}
	return n;
}

/* Keep what happened for later, unless it is the end of a thread of @pid. */
static void note_happening(struct tracer *t, pid_t pid, pid_t tid, int status)
{
	struct task *task = tracer__find_task(t, tid);

	if (!task && WIFSTOPPED(status) && process__tgid(tid) == pid)
		task = tracer__add_task(t, tid, pid);
	if (task && task->tgid == pid && WIFSTOPPED(status)) {
		task->stopped = true;
		task->status = status;
		return;
	}
	if (task && task->tgid == pid) {
		tracer__handle_end(t, tid, status);
		return;
	}
	/* Without memory it is handled at once: that is early, but not lost. */
	if (vector_push(&t->later, ((struct happening){tid, status})))
		tracer__handle(t, tid, status);
}

static size_t running_threads(struct tracer *t, pid_t pid)
{
	size_t i, n = 0;

	for (i = 0; i < t->tasks.count; i++) {
		const struct task *task = &t->tasks.items[i];

		n += task->tgid == pid && !task->stopped &&
		     !(task->exiting && !process__is_alive(task->tid));
	}
	return n;
}

static void note_ended_threads(struct tracer *t, pid_t pid)
{
	size_t i;

	for (i = 0; i < t->tasks.count; i++) {
		struct task *task = &t->tasks.items[i];

		if (task->tgid == pid && !task->stopped && !process__is_alive(task->tid))
			task->exiting = true;
	}
}

/* Wait until every traced thread of @pid has stopped. 0 or -ETIMEDOUT. */
static int await_stops(struct tracer *t, pid_t pid, const struct timespec *end)
{
	int status;
	pid_t tid;

	for (;;) {
		while ((tid = waitpid(-1, &status, __WALL | WNOHANG)) > 0)
			note_happening(t, pid, tid, status);
		if (!running_threads(t, pid))
			return 0;
		if (wait_for_child(end, LOOK_AGAIN_NS))
			continue;
		if (is_over(end))
			return -ETIMEDOUT;
		note_ended_threads(t, pid);
	}
}

int tracer__stop(struct tracer *t, pid_t pid, tracer_threads *ret)
{
	struct timespec end;
	bool grown = true;
	size_t i;
	int err = 0;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += STOP_LIMIT_S;
	/* Threads may be born while we look: again until a whole pass finds none. */
	while (grown && !err) {
		grown = false;
		err = seize_passing(t, pid, &grown);
		if (interrupt_threads(t, pid))
			grown = true;
		if (!err)
			err = await_stops(t, pid, &end);
		if (!err && grown && is_over(&end))
			err = -ETIMEDOUT;
	}
	for (i = 0; i < t->tasks.count && !err; i++)
		if (t->tasks.items[i].tgid == pid && t->tasks.items[i].stopped)
			err = vector_push(ret, t->tasks.items[i].tid);
	if (!err && !ret->count)
		err = -ESRCH;
	if (err)
		tracer__resume(t, pid);
	return err;
}

void tracer__resume(struct tracer *t, pid_t pid)
{
	size_t i = 0;

	while (i < t->tasks.count) {
		struct task *task = &t->tasks.items[i++];
		struct happening h = {task->tid, task->status};

		if (task->tgid != pid || !task->stopped)
			continue;
		task->stopped = false;
		if (task->passing) {
			tracer__detach_task(t, task, stop_signal(h.status));
			i--; /* another one has taken its place */
		} else if (h.status >> 16 == PTRACE_EVENT_EXIT && t->judged == pid) {
			task->exiting = true;
			task__let_go(task, 0);
		} else if (vector_push(&t->later, h)) {
			task__let_go(task, stop_signal(h.status));
		}
	}
	tracer__dispatch(t);
}

/* --- letting go --- */

/* Detach a stopped task, with whatever signal it stopped for. */
static void detach_stopped(struct tracer *t, struct task *task, int status)
{
	int signal = stop_signal(status);
	enum tracer_verdict verdict;

	if (signal == TRACER_SIGNAL &&
	    t->callbacks.signalled(t->context, task->tgid, task->tid, &verdict))
		signal = 0;
	task__restore_mask(task);
	tracer__detach_task(t, task, signal);
}

/* How long the detaching of threads that cannot be stopped is waited for. The kernel detaches what
 * is left at our exit: a parent in vfork(2), say, whose child takes its time. */
#define DETACH_LIMIT_S 1

void tracer__detach(struct tracer *t)
{
	struct timespec end;
	int status;
	size_t i;
	pid_t tid;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += DETACH_LIMIT_S;

	for (i = 0; i < t->tasks.count; i++)
		ptrace(PTRACE_INTERRUPT, t->tasks.items[i].tid, 0, 0);
	while (t->tasks.count) {
		struct task *task;

		tid = waitpid(-1, &status, __WALL | WNOHANG);
		if (tid < 0 || (tid == 0 && !wait_for_child(&end, INT64_MAX)))
			break;
		if (tid == 0)
			continue;
		if (!WIFSTOPPED(status)) {
			tracer__handle_end(t, tid, status);
			continue;
		}
		task = tracer__find_task(t, tid);
		if (!task) /* born in the last moment */
			task = tracer__add_task(t, tid, tid);
		if (task)
			detach_stopped(t, task, status);
	}
}
