// SPDX-License-Identifier: GPL-2.0-or-later
#include "check.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "child.h"
#include "table.h"
#include "util/cleanup.h"

#define ROUNDS	       9
#define FILL_SECONDS   120
#define REPORT_SECONDS 60

#define GOAL_PAUSE_S   0.5
#define GOAL_JUDGE_S   2.0

struct figures {
	struct samples pause, judge; /* seconds */
};

static void release(struct figures *f)
{
	vector_release(&f->pause.ns);
	vector_release(&f->judge.ns);
}

static void stop(struct child *c)
{
	child__stop(c, SIGKILL);
}

static int start_tool(const struct check_options *o, pid_t target, struct child *ret)
{
	char pid[16];
	const char *words[] = {"--max-blocks=2M", "--leak-check=each", "-p", pid, NULL};

	snprintf(pid, sizeof(pid), "%d", target);
	/* with all processors */
	return child__start_attached(o->tool, words, -1, REPORT_SECONDS, ret);
}

/* The number behind "@key": in a report, in seconds. */
static int find_ms(const char *report, const char *key, struct samples *ret)
{
	const char *at = strstr(report, key);

	if (!at)
		return -EBADMSG;
	return vector_push(&ret->ns, strtod(at + strlen(key), NULL) / 1e3);
}

static int check_once(const struct child *tool, struct figures *f)
{
	CLEANUP_FREE char *line = NULL;
	int err = child__report(tool, REPORT_SECONDS, &line);

	if (!err)
		err = find_ms(line, "\"pause_ms\":", &f->pause);
	return err ? err : find_ms(line, "\"judge_ms\":", &f->judge);
}

static int measure(const struct check_options *o, bool busy, struct figures *f)
{
	CLEANUP(stop) struct child bulk = {0};
	CLEANUP(stop) struct child tool = {0};
	CLEANUP_FREE char *line = NULL;
	const char *argv[] = {o->bulk, o->quick ? "20000" : "1000000", "1024", busy ? "busy" : NULL,
			      NULL};
	unsigned int i;
	int err = child__start_piped((char *const *)argv, o->workload_cpu, &bulk);

	if (!err)
		err = start_tool(o, bulk.pid, &tool);
	if (!err && write(bulk.to, "\n", 1) != 1)
		err = -EPIPE;
	if (!err)
		err = child__read_line(&bulk, FILL_SECONDS, &line);
	for (i = 0; i < (o->quick ? 2 : ROUNDS) && !err; i++)
		err = check_once(&tool, f);
	return err;
}

static void print_row(const char *name, const struct samples *s)
{
	table__print_name(name, 0);
	table__print_seconds(s, NULL);
}

static bool print_goal(const char *what, const struct samples *s, double goal)
{
	bool reached = summary__of(s).median < goal;

	printf("%s  %.2f s (least %.2f), below %.1f: %s\n", reached ? "OK  " : "over",
	       summary__of(s).median, summary__of(s).least, goal, what);
	return reached;
}

int check__run(const struct check_options *o, bool *reached)
{
	CLEANUP(release) struct figures quiet = {0};
	CLEANUP(release) struct figures busy = {0};
	int err = measure(o, false, &quiet);

	if (!err)
		err = measure(o, true, &busy);
	if (err) {
		if (err != -EINTR)
			fprintf(stderr, "bench: leak checks: %s\n", strerror(-err));
		return err;
	}
	table__print_seconds_head(o->quick ? "a leak check of 20 MiB in 20,000 blocks: seconds"
					   : "a leak check of 1 GiB in a million blocks: seconds",
				  "nothing");
	print_row("stopped", &quiet.pause);
	print_row("judged", &quiet.judge);
	print_row("busy: stopped", &busy.pause);
	print_row("busy: judged", &busy.judge);
	*reached &= print_goal("stopped for a leak check", &quiet.pause, GOAL_PAUSE_S);
	*reached &= print_goal("stopped, of a program that changes its heap", &busy.pause,
			       GOAL_PAUSE_S);
	*reached &= print_goal("judged", &quiet.judge, GOAL_JUDGE_S);
	return 0;
}
