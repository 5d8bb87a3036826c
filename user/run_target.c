// SPDX-License-Identifier: GPL-2.0-or-later
/* What a run follows: processes that are there, and the command, as they start, load, fork and end.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run_private.h"
#include "target/command.h"
#include "util/cleanup.h"
#include "util/log.h"

/* The command itself cannot be traced: nothing of its own has run yet, so ending it loses nothing.
 */
static void refuse_command(struct run *r, int err, const char *why)
{
	log_error("cannot trace '%s': %s", r->o->command[0], why);
	kill(r->command, SIGKILL);
	run__stop(r, err);
}

/* Probe a program at its start, and when its libraries are mapped; what to do with it. */
static enum tracer_verdict attach_program(struct run *r, pid_t pid, bool starts)
{
	char why[512];
	int err = probe__attach(r->probe, pid, starts, why, sizeof(why));
	bool first = pid == r->command && !r->attached;

	if (err == -EAGAIN)
		return TRACER_KEEP_UNBLOCKED; /* until its libraries are mapped */
	if (err && first)
		refuse_command(r, err, why);
	else if (err && err != -ESRCH && hash__get(&r->refused, pid, 0) == HASH_NONE) {
		log_warning("process %d is not traced: %s", pid, why);
		hash__set(&r->refused, pid, 0, 0); /* without memory it is said twice */
	}
	if (pid == r->command)
		r->attached = true;
	if (r->o->follow || r->checker)
		return TRACER_GO_ON;
	probe__set_traced(r->probe, false);
	return TRACER_DETACH;
}

static enum tracer_verdict program_started(void *context, pid_t pid, bool by_thread)
{
	struct run *r = context;
	int err = by_thread ? probe__renew(r->probe, pid) : 0;
	enum tracer_verdict verdict;

	if (!r->command) { /* the first one is the command itself */
		r->command = pid;
		probe__set_traced(r->probe, true);
		probe__enable(r->probe);
	}
	if (err)
		log_warning("the new program of process %d is not traced: %s", pid, strerror(-err));
	if (r->checker)
		checker__program_started(r->checker, pid);
	verdict = attach_program(r, pid, true);
	probe__set_complete(r->probe, pid);
	return verdict;
}

static void process_forked(void *context, pid_t pid)
{
	struct run *r = context;
	int err = probe__renew(r->probe, pid);

	if (err)
		log_warning("process %d is not traced: %s", pid, strerror(-err));
	hash__remove(&r->refused, pid, 0);
	if (r->checker)
		checker__process_forked(r->checker, pid);
	attach_program(r, pid, false);
}

static void process_exiting(void *context, pid_t pid, pid_t tid)
{
	struct run *r = context;

	if (r->o->leak_check != OPTIONS_LEAK_CHECK_NO)
		checker__run_at_exit(r->checker, pid, tid);
}

static bool process_signalled(void *context, pid_t pid, pid_t tid, enum tracer_verdict *verdict)
{
	struct run *r = context;

	if (!probe__signalled(r->probe, tid))
		return false;
	*verdict = attach_program(r, pid, false);
	run_preload__look(r, pid);
	return true;
}

static void command_ended(void *context, int status)
{
	struct run *r = context;

	r->alive--;
	r->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

const struct tracer_callbacks run_target_callbacks = {
	.started = program_started,
	.forked = process_forked,
	.signalled = process_signalled,
	.ended = command_ended,
	.exiting = process_exiting,
};

static int start_command(struct run *r)
{
	int err = tracer__launch(r->tracer, &r->forked);

	command__release(&r->forked);
	r->alive = !err;
	return err;
}

static int attach_pid(struct run *r, pid_t pid)
{
	char why[512];
	int fd, err;

	fd = pidfd_open(pid, 0);
	err = fd < 0 ? -errno : vector_push(&r->pidfds, fd);
	if (!err)
		err = run__watch(r, fd, EPOLLIN);
	if (!err && r->o->follow) {
		err = tracer__seize(r->tracer, pid);
		probe__set_traced(r->probe, true);
	}
	if (err) {
		log_error("cannot trace process %d: %s", pid,
			  err == -ESRCH ? "it has just ended" : strerror(-err));
		return err;
	}
	err = probe__attach(r->probe, pid, false, why, sizeof(why));
	if (err) {
		log_error("cannot trace process %d: %s", pid, why);
		return err;
	}
	r->alive++;
	return 0;
}

int run_target__attach(struct run *r)
{
	size_t i;
	int err = 0;

	switch (r->o->target) {
	case OPTIONS_TARGET_COMMAND:
		return start_command(r);
	case OPTIONS_TARGET_CGROUP:
	case OPTIONS_TARGET_ALL:
		err = probe__attach_all(r->probe);
		break;
	case OPTIONS_TARGET_PIDS:
		for (i = 0; i < r->o->nr_pids && !err; i++)
			err = attach_pid(r, r->o->pids[i]);
		break;
	}
	if (err)
		return err;
	probe__enable(r->probe);
	if (run__is_wide(r))
		return probe__catch_up(r->probe, 0);
	for (i = 0; i < r->o->nr_pids && !err; i++)
		err = probe__catch_up(r->probe, r->o->pids[i]);
	return err;
}

void run_target__ended(struct run *r, int fd)
{
	size_t i;

	for (i = 0; i < r->pidfds.count; i++) {
		if (r->pidfds.items[i] != fd)
			continue;
		close(fd); /* leaves the epoll too */
		r->pidfds.items[i] = -1;
		r->alive--;
	}
}
