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
#include "target/tracer.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "target/process.h"
#include "target/registers.h"
#include "util/cleanup.h"
#include "util/hash.h"
#include "util/log.h"
#include "util/vector.h"

#define BASE_OPTIONS PTRACE_O_TRACEEXEC
#define FOLLOW_OPTIONS                                                                             \
	(BASE_OPTIONS | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE)
#define EXIT_OPTIONS (PTRACE_O_TRACEEXIT | PTRACE_O_TRACECLONE)

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

static struct task *find_task(struct tracer *t, pid_t tid)
{
	uint32_t i = hash__get(&t->by_tid, tid, 0);

	return i == HASH_NONE ? NULL : &t->tasks.items[i];
}

static struct task *add_task(struct tracer *t, pid_t tid, pid_t tgid)
{
	struct task *known = find_task(t, tid);

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

static void let_go(struct task *task, int signal)
{
	ptrace(PTRACE_CONT, task->tid, 0, signal);
}

static void detach(struct tracer *t, struct task *task, int signal)
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

/* The program has the mask again that it was given. */
static void restore_mask(struct task *task)
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
		restore_mask(task);
	if (verdict == TRACER_DETACH)
		detach(t, task, signal);
	else
		let_go(task, signal);
}

static void handle_exec(struct tracer *t, struct task *task)
{
	pid_t tid = task->tid, tgid = task->tgid;
	unsigned long caller = tid; /* the id that whoever called exec had before */
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
	proceed(t, find_task(t, tid),
		t->callbacks.started(t->context, tgid, caller != (unsigned long)tid), 0);
}

/* A task is about to get @signal. */
static void handle_signal(struct tracer *t, struct task *task, int signal)
{
	enum tracer_verdict verdict = TRACER_GO_ON;

	if (signal != TRACER_SIGNAL ||
	    !t->callbacks.signalled(t->context, task->tgid, task->tid, &verdict)) {
		let_go(task, signal);
		return;
	}
	proceed(t, task, verdict, 0);
}

/* A task stopped that is not known yet: a new thread, or a new process at its birth. */
static struct task *handle_birth(struct tracer *t, pid_t tid)
{
	pid_t tgid = process__tgid(tid);
	struct task *task = add_task(t, tid, tgid > 0 ? tgid : tid);

	if (!task) {
		log_error("out of memory: process %d is not followed", tid);
		ptrace(PTRACE_DETACH, tid, 0, 0);
		return NULL;
	}
	if (task->tgid == tid && !t->follow) {
		detach(t, task, 0); /* a child by clone(2), which TRACECLONE brings along */
		return NULL;
	}
	if (task->tgid == tid)
		t->callbacks.forked(t->context, tid);
	return find_task(t, tid);
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
		task = find_task(t, tid);
		if (!task || !task->stopped)
			return; /* tracer__resume has seen to it */
		task->stopped = false;
	}
	let_go(task, 0);
}

static void handle_stop(struct tracer *t, pid_t tid, int status)
{
	struct task *task = find_task(t, tid);
	int event = status >> 16, signal = WSTOPSIG(status);

	if (!task) {
		task = handle_birth(t, tid);
		if (task)
			let_go(task, event ? 0 : signal);
		return;
	}
	if (task->passing) {
		detach(t, task, event ? 0 : signal);
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
		let_go(task, 0);
		return;
	case 0:
		handle_signal(t, task, signal);
		return;
	default:
		let_go(task, 0);
	}
}

static void handle_end(struct tracer *t, pid_t tid, int status)
{
	remove_task(t, tid);
	if (tid != t->command)
		return;
	t->command = 0;
	t->callbacks.ended(t->context, status);
}

static void handle(struct tracer *t, pid_t tid, int status)
{
	if (WIFSTOPPED(status))
		handle_stop(t, tid, status);
	else
		handle_end(t, tid, status);
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
		handle(t, h.tid, h.status);
	}
	t->dispatching = false;
}

/* --- stopping a process --- */

#define STOP_LIMIT_S 1

/* Wait for something to happen to a task, until the moment @end (CLOCK_MONOTONIC); false then. */
static bool wait_for_child(const struct timespec *end)
{
	struct timespec now, left;
	sigset_t child;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD); /* blocked by whoever dispatches it */
	clock_gettime(CLOCK_MONOTONIC, &now);
	left.tv_sec = end->tv_sec - now.tv_sec;
	left.tv_nsec = end->tv_nsec - now.tv_nsec;
	if (left.tv_nsec < 0) {
		left.tv_nsec += 1000000000;
		left.tv_sec--;
	}
	return left.tv_sec >= 0 && sigtimedwait(&child, NULL, &left) >= 0;
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

		if (tid <= 0 || find_task(t, tid))
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
		task = add_task(t, tid, pid);
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
	struct task *task = find_task(t, tid);

	if (!task && WIFSTOPPED(status) && process__tgid(tid) == pid)
		task = add_task(t, tid, pid);
	if (task && task->tgid == pid && WIFSTOPPED(status)) {
		task->stopped = true;
		task->status = status;
		return;
	}
	if (task && task->tgid == pid) {
		handle_end(t, tid, status);
		return;
	}
	/* Without memory it is handled at once: that is early, but not lost. */
	if (vector_push(&t->later, ((struct happening){tid, status})))
		handle(t, tid, status);
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
		if (!wait_for_child(end))
			return -ETIMEDOUT;
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
			detach(t, task, h.status >> 16 ? 0 : WSTOPSIG(h.status));
			i--; /* another one has taken its place */
		} else if (h.status >> 16 == PTRACE_EVENT_EXIT && t->judged == pid) {
			task->exiting = true;
			let_go(task, 0);
		} else if (vector_push(&t->later, h)) {
			let_go(task, h.status >> 16 ? 0 : WSTOPSIG(h.status));
		}
	}
	tracer__dispatch(t);
}

/* --- starting and letting go --- */

int tracer__launch(struct tracer *t, const struct command *c)
{
	int status, err = 0;

	if (ptrace(PTRACE_SEIZE, c->pid, 0, ptrace_options(t))) {
		err = -errno;
		log_error("cannot trace the command: %s", strerror(-err));
		return err;
	}
	if (!add_task(t, c->pid, c->pid))
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
		ptrace(PTRACE_CONT, c->pid, 0, status >> 16 ? 0 : WSTOPSIG(status));
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

			if (tid <= 0 || find_task(t, tid))
				continue;
			if (ptrace(PTRACE_SEIZE, tid, 0, ptrace_options(t))) {
				if (errno == ESRCH)
					continue; /* it has just ended */
				return -errno;
			}
			if (!add_task(t, tid, pid))
				return -ENOMEM;
			grown = true;
		}
	}
	return 0;
}

/* Detach a stopped task, with whatever signal it stopped for. */
static void detach_stopped(struct tracer *t, struct task *task, int status)
{
	int signal = status >> 16 ? 0 : WSTOPSIG(status);
	enum tracer_verdict verdict;

	if (signal == TRACER_SIGNAL &&
	    t->callbacks.signalled(t->context, task->tgid, task->tid, &verdict))
		signal = 0;
	restore_mask(task);
	detach(t, task, signal);
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
		if (tid < 0 || (tid == 0 && !wait_for_child(&end)))
			break;
		if (tid == 0)
			continue;
		if (!WIFSTOPPED(status)) {
			handle_end(t, tid, status);
			continue;
		}
		task = find_task(t, tid);
		if (!task) /* born in the last moment */
			task = add_task(t, tid, tid);
		if (task)
			detach_stopped(t, task, status);
	}
}
