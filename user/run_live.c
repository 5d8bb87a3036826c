// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * --live: a run with a view. Reports go to the view while it is there; keys arrive at the run's
 * epoll like everything else.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "run_private.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "write.h"

#define OUTPUT "memleak-bpf-XXXXXX.out"

/* --- the command's own output --- */

/* What has been written there by now; -1: nothing can be said. */
static off_t output_size(const char *path)
{
	struct stat st;

	return stat(path, &st) ? -1 : st.st_size;
}

int run_live__divert_command(struct run *r, int stdio[COMMAND_STDIO])
{
	const char *folder = getenv("TMPDIR");
	int err;

	stdio[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (asprintf(&r->output_path, "%s/" OUTPUT, folder && *folder ? folder : "/tmp") < 0) {
		r->output_path = NULL;
		return -ENOMEM;
	}
	stdio[1] = mkostemps(r->output_path, strlen(".out"), O_CLOEXEC | O_APPEND);
	if (stdio[0] < 0 || stdio[1] < 0) {
		err = -errno;
		log_error("cannot make '%s' for the output of the command: %s", r->output_path,
			  strerror(-err));
		return err;
	}
	if (isatty(STDERR_FILENO))
		stdio[2] = fcntl(stdio[1], F_DUPFD_CLOEXEC, 0);
	return 0;
}

void run_live__say_output(struct run *r)
{
	bool may_come = r->alive || (r->tracer && tracer__count(r->tracer));

	if (!r->output_path)
		return;
	if (output_size(r->output_path) == 0 && !may_come)
		unlink(r->output_path);
	else
		log_notice("the output of the command is in '%s'", r->output_path);
}

/* --- the view --- */

static void name_stack(void *context, struct profile *p, uint32_t stack)
{
	struct run *r = context;
	int err = symbolizer__resolve_stack(r->symbolizer, p, stack);

	if (err)
		run__stop(r, err);
}

void run_live__open(struct run *r)
{
	struct view_options o = {
		.sort = r->o->sort,
		.interval_s = r->o->interval_s,
		.name = name_stack,
		.context = r,
	};
	int err = live__open(&o, write__wants_color(r->o, stdout), &r->live);

	if (!err)
		err = run__watch(r, STDIN_FILENO, EPOLLIN);
	if (err) {
		run__stop(r, err);
		return;
	}
	run__report(r, false);
	if (r->output_path && r->live)
		live__note(r->live, "the output of the command goes to %s", r->output_path);
}

void run_live__close(struct run *r)
{
	live__close(TAKE_PTR(r->live));
}

/* --- what keys ask for --- */

static void check_now(struct run *r)
{
	pid_t pid = view__pid(live__view(r->live));
	int err;

	live__note(r->live, "a leak check of process %d ...", pid);
	err = checker__run_one(r->checker, pid);
	if (err == -ENOMEM) {
		run__stop(r, err);
		return;
	}
	if (err == -ESRCH)
		live__note(r->live, "no leak check of process %d: it has ended", pid);
	if (err) {
		live__draw(r->live); /* a warning has said why */
		return;
	}
	run__report(r, false);
	if (r->error)
		return;
	view__pause(live__view(r->live), true);
	live__note(r->live, "process %d as it was at the leak check; p goes on", pid);
}

static void save_now(struct run *r)
{
	struct options o = *r->o;
	char path[64];
	struct options_write own = {.path = path, .file = OPTIONS_FILE_PPROF};
	time_t now = time(NULL);
	struct tm tm;

	if (!o.nr_writes) {
		localtime_r(&now, &tm);
		strftime(path, sizeof(path), "memleak-bpf-%Y%m%d-%H%M%S.pb.gz", &tm);
		o.writes = &own;
		o.nr_writes = 1;
	}
	if (run__save(r, &o))
		live__draw(r->live); /* an error has said why */
	else if (o.nr_writes == 1)
		live__note(r->live, "saved %s", o.writes[0].path);
	else
		live__note(r->live, "saved %s and %zu more", o.writes[0].path, o.nr_writes - 1);
}

void run_live__input(struct run *r, uint32_t events)
{
	enum view_action action;

	if (events & (EPOLLHUP | EPOLLERR)) { /* the terminal is gone */
		r->done = true;
		return;
	}
	while (!r->done && (action = live__input(r->live)) != VIEW_NOTHING) {
		switch (action) {
		case VIEW_QUIT:
			r->done = true;
			break;
		case VIEW_REFRESH:
			run__report(r, false);
			break;
		case VIEW_CHECK:
			check_now(r);
			break;
		case VIEW_SAVE:
			save_now(r);
			break;
		case VIEW_NOTHING:
			break;
		}
	}
}
