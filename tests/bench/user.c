// SPDX-License-Identifier: GPL-2.0-or-later
#include "user.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "child.h"
#include "table.h"
#include "util/cleanup.h"

#define ROUNDS	       5
#define FILL_SECONDS   120
#define REPORT_SECONDS 60
#define STOP_SECONDS   60
#define FEW_PROCESSES  10
#define MORE_PROCESSES 300

#define GOAL_REPORT_S  1.0
#define GOAL_PEAK_MIB  150.0
#define GOAL_ATTACH_S  2.0

static int fail(const char *what, int err)
{
	if (err != -EINTR)
		fprintf(stderr, "bench: %s: %s\n", what, strerror(-err));
	return err;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

/* What a tool has had of processors so far, in seconds; 0 where it cannot be read. */
struct schedule {
	double run, waited; /* for a processor, which others had */
};

static struct schedule schedule_of(pid_t pid)
{
	CLEANUP_FCLOSE FILE *f = NULL;
	uint64_t run, waited;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/schedstat", pid);
	f = fopen(path, "re");
	if (!f || fscanf(f, "%" SCNu64 " %" SCNu64, &run, &waited) != 2)
		return (struct schedule){0};
	return (struct schedule){.run = run / 1e9, .waited = waited / 1e9};
}

/* Start the tool on @target, or on everything if that is 0. */
static int start_tool(const struct user_options *o, pid_t target, struct child *ret)
{
	char pid[16];
	const char *one[] = {"-p", pid, NULL}, *all[] = {"-A", NULL};

	snprintf(pid, sizeof(pid), "%d", target);
	return child__start_attached(o->tool, target ? one : all, o->tool_cpu, REPORT_SECONDS, ret);
}

/* --- reports --- */

static int time_reports(const struct child *tool, struct samples *seconds)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < ROUNDS && !err; i++) {
		CLEANUP_FREE char *line = NULL;
		double before = schedule_of(tool->pid).run;

		err = child__report(tool, REPORT_SECONDS, &line);
		/* It may still free what the report was made of. */
		if (!err)
			err = child__wait_asleep(tool, REPORT_SECONDS);
		if (!err)
			err = vector_push(&seconds->ns, schedule_of(tool->pid).run - before);
	}
	return err;
}

/* Reports of many blocks; then the tool's peak memory, when it has ended. */
static int run_reports(const struct user_options *o, struct child *many, struct child *tool,
		       struct samples *seconds, double *peak_mib)
{
	CLEANUP_FREE char *line = NULL, *final = NULL;
	const char *argv[] = {o->many, o->quick ? "20000" : "1000000", o->quick ? "1000" : "10000",
			      NULL};
	struct rusage usage;
	int status, err = child__start_piped((char *const *)argv, o->workload_cpu, many);

	if (!err)
		err = start_tool(o, many->pid, tool);
	if (!err && write(many->to, "\n", 1) != 1)
		err = -EPIPE;
	if (!err)
		err = child__read_line(many, FILL_SECONDS, &line);
	if (!err)
		err = time_reports(tool, seconds);
	if (!err && kill(tool->pid, SIGINT))
		err = -errno;
	if (!err)
		err = child__read_line(tool, REPORT_SECONDS, &final);
	if (!err)
		err = child__wait(tool, STOP_SECONDS, &status, &usage);
	if (!err)
		*peak_mib = usage.ru_maxrss / 1024.0;
	return err;
}

/* --- the start --- */

static int time_start(const struct user_options *o, pid_t target, struct samples *seconds)
{
	unsigned int i, rounds = o->quick ? 1 : ROUNDS;
	int err = 0;

	for (i = 0; i < rounds && !err; i++) {
		struct child tool = {0};
		double start = now();

		err = start_tool(o, target, &tool);
		if (!err)
			err = vector_push(&seconds->ns,
					  now() - start - schedule_of(tool.pid).waited);
		child__stop(&tool, SIGINT);
	}
	return err;
}

static int run_starts(const struct user_options *o, struct samples *one, struct samples *all)
{
	static char *const argv[] = {"/bin/true", NULL};
	struct child more[MORE_PROCESSES] = {0};
	unsigned int i, n = o->quick ? FEW_PROCESSES : MORE_PROCESSES;
	int err = 0;

	/* They wait for ever. */
	for (i = 0; i < n && !err; i++)
		err = child__start_waiting(argv, NULL, o->workload_cpu, &more[i]);
	if (!err)
		err = time_start(o, more[0].pid, one);
	if (!err)
		err = time_start(o, 0, all);
	for (i = 0; i < n; i++)
		if (more[i].pid)
			kill(more[i].pid, SIGKILL);
	for (i = 0; i < n; i++)
		child__stop(&more[i], SIGKILL);
	return err;
}

/* --- the output --- */

static bool print_goal(const char *what, double value, const char *unit, double goal)
{
	bool reached = value <= goal;

	printf("%s  %.2f %s, at most %.0f: %s\n", reached ? "OK  " : "over", value, unit, goal,
	       what);
	return reached;
}

static void release(struct samples *s)
{
	vector_release(&s->ns);
}

static void stop(struct child *c)
{
	child__stop(c, SIGINT);
}

int user__run(const struct user_options *o, bool *reached)
{
	CLEANUP(release) struct samples reports = {0}, one = {0}, all = {0};
	CLEANUP(stop) struct child many = {0};
	CLEANUP(stop) struct child tool = {0};
	double peak_mib = 0;
	int err = run_reports(o, &many, &tool, &reports, &peak_mib);

	child__stop(&many, SIGKILL);
	if (err)
		return fail("reports of many blocks", err);
	err = run_starts(o, &one, &all);
	if (err)
		return fail("starts of the tool", err);
	table__print_seconds_head(
		"the tool itself: seconds of processor time of a report; seconds to the first "
		"report, less waiting for a processor",
		"the start for one process");
	table__print_name(o->quick ? "report, 20k blocks" : "report, 1M blocks", 0);
	table__print_seconds(&reports, NULL);
	table__print_name("start, -p", 1);
	table__print_seconds(&one, &one);
	table__print_name("start, -A", o->quick ? FEW_PROCESSES : MORE_PROCESSES);
	table__print_seconds(&all, &one);
	*reached &= print_goal("processor time of a report", summary__of(&reports).median, "s",
			       GOAL_REPORT_S);
	*reached &= print_goal("peak memory of the tool", peak_mib, "MiB", GOAL_PEAK_MIB);
	*reached &= print_goal("from the start of -A to its first report", summary__of(&all).median,
			       "s", GOAL_ATTACH_S);
	return 0;
}
