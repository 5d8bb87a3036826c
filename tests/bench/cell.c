// SPDX-License-Identifier: GPL-2.0-or-later
#include "cell.h"

#include <errno.h>
#include <json-c/json.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/vector.h"

#define CELL_SECONDS   60 /* what takes longer is ended, and said to */
#define ATTACH_SECONDS 60
#define MAX_WORDS      32

static bool exists_socket(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	CLEANUP_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	return fd >= 0 && !connect(fd, (struct sockaddr *)&address, sizeof(address));
}

/* A word with its file names put in, owned by the caller. */
static char *expand(const struct cell *c, const char *word)
{
	const char *percent = strchr(word, '%'), *value = "";
	char record[4200], *text;

	snprintf(record, sizeof(record), "%s.%s", c->place.output,
		 percent && percent[1] == 'j'	? "report"
		 : percent && percent[1] == 'g' ? "gate"
						: "record");
	if (!percent)
		return strdup(word);
	value = percent[1] == 'f' ? c->place.file : percent[1] == 'o' ? c->place.output : record;
	if (asprintf(&text, "%.*s%s%s", (int)(percent - word), word, value, percent + 2) < 0)
		return NULL;
	return text;
}

/* What the tool saw, by its final report. */
static int count_allocs(struct cell *c, const char *line)
{
	struct json_object *report = json_tokener_parse(line), *processes, *n;
	size_t i;

	if (json_object_object_get_ex(report, "processes", &processes))
		for (i = 0; i < json_object_array_length(processes); i++)
			if (json_object_object_get_ex(json_object_array_get_idx(processes, i),
						      "allocs", &n))
				c->allocs += json_object_get_int64(n);
	json_object_put(report);
	return c->allocs ? 0 : -ENODATA;
}

/* The processor time that child__time() has measured; if the tool saw the program, where it has to.
 */
static int read_time(struct cell *c, double *seconds)
{
	CLEANUP_FREE char *path = expand(c, "%r"), *report = expand(c, "%j"), *line = NULL;
	CLEANUP_FCLOSE FILE *f = path ? fopen(path, "re") : NULL;
	CLEANUP_FCLOSE FILE *r = NULL;
	size_t size = 0;

	if (!f || fscanf(f, "%lf", seconds) != 1)
		return -EIO;
	if (!c->way->preload)
		return 0;
	r = report ? fopen(report, "re") : NULL;
	return r && getline(&line, &size, r) >= 0 ? count_allocs(c, line) : -ENODATA;
}

/* The words of the tool that starts the program. */
static size_t add_preload(const struct cell *c, char **argv)
{
	static const char *const quietly[] = {"--preload", "-qfjson",	   "-i3600", "--output",
					      "%j",	   "--leak-check", "no"};
	const char *const *tool = c->o->tool;
	size_t n = 0, i;

	for (; *tool; tool++)
		argv[n++] = strdup(*tool);
	for (i = 0; i < ARRAY_SIZE(quietly); i++)
		argv[n++] = expand(c, quietly[i]);
	for (i = 0; i < ARRAY_SIZE(c->way->mode) && c->way->mode[i]; i++)
		argv[n++] = strdup(c->way->mode[i]);
	argv[n++] = strdup("--");
	return n;
}

/* The words of who takes its time. */
static size_t add_timer(const struct cell *c, char **argv)
{
	char cpu[16], self[PATH_MAX];
	size_t n = 0;

	snprintf(cpu, sizeof(cpu), "%d", c->o->workload_cpu);
	argv[n++] = strdup(realpath("/proc/self/exe", self) ? self : "");
	argv[n++] = strdup(CHILD_TIME);
	argv[n++] = expand(c, "%r");
	argv[n++] = expand(c, "%g");
	argv[n++] = strdup(cpu);
	argv[n++] = strdup(c->program->large ? "1" : "0");
	return n;
}

/* Start the program, under what it is to run under; it waits for its start. */
static int start(struct cell *c)
{
	char *argv[MAX_WORDS] = {NULL};
	size_t n = c->way->preload ? add_preload(c, argv) : 0, i;
	int err;

	if (c->timed)
		n += add_timer(c, argv + n);
	for (i = 0; i < ARRAY_SIZE(c->way->under) && c->way->under[i]; i++)
		argv[n++] = expand(c, c->way->under[i]);
	for (i = 0; i < ARRAY_SIZE(c->program->command) && c->program->command[i]; i++)
		argv[n++] = expand(c, c->program->command[i]);
	err = child__start_waiting(argv, c->program->environment,
				   c->timed ? c->o->tool_cpu : c->o->workload_cpu, &c->child);
	while (n)
		free(argv[--n]);
	return err;
}

/* What it is to work on; 0 or -errno. */
static int write_input(const struct cell *c, unsigned int scale)
{
	CLEANUP_FCLOSE FILE *f = NULL;

	if (!c->program->write_input)
		return 0;
	f = fopen(c->place.file, "we");
	if (!f)
		return -errno;
	c->program->write_input(f, scale);
	return fflush(f) ? -errno : 0;
}

/*
 * The same, to its gate: a descriptor, whose close lets it go; or -errno. A large program has then
 * run with little to do: what a tool learns of files when it first meets them keeps the processors
 * busy, and the one beside it with them.
 */
static int start_timed(struct cell *c)
{
	CLEANUP_FREE char *gate = expand(c, "%g");
	int err = !gate ? -ENOMEM : mkfifo(gate, 0600) && errno != EEXIST ? -errno : 0;

	if (!err)
		err = write_input(c, 1);
	if (!err)
		err = start(c);
	if (!err)
		err = child__let_go(&c->child);
	return err ? err : child__open_gate(&c->child, gate, ATTACH_SECONDS);
}

static int attach_tool(struct cell *c)
{
	char pid[16];
	const char *words[] = {"--follow", "-p", pid, c->way->mode[0], c->way->mode[1], NULL};

	snprintf(pid, sizeof(pid), "%d", c->child.pid);
	return child__start_attached(c->o->tool, words, c->o->tool_cpu, ATTACH_SECONDS, &c->tool);
}

/* It says nothing when it is ready; it opens a file for each probe. */
static int attach_bcc(struct cell *c)
{
	char pid[16];
	char *argv[] = {(char *)c->way->bcc, "-p", pid, "3600", NULL};
	int err;

	snprintf(pid, sizeof(pid), "%d", c->child.pid);
	err = child__start_tool(argv, c->o->tool_cpu, &c->tool);
	return err ? err : child__wait_settled(&c->tool, ATTACH_SECONDS);
}

/* What the final report says of all processes together. */
static int read_allocs(struct cell *c)
{
	CLEANUP_FREE char *line = NULL;
	int err = child__read_line(&c->tool, ATTACH_SECONDS, &line);

	return err ? err : count_allocs(c, line);
}

/* Give a server its work, then have it end. */
static int serve(struct cell *c)
{
	char requests[16];
	char *socket = c->place.output;
	char *const benchmark[] = {
		"redis-benchmark",    "-s", socket, "-q", "-n", requests, "-c", "10", "-t",
		"set,get,lpush,sadd", NULL};
	char *const shutdown[] = {"redis-cli", "-s", socket, "shutdown", "nosave", NULL};
	int err;

	snprintf(requests, sizeof(requests), "%u", 50 * c->place.scale);
	err = child__wait_for(&c->child, exists_socket, socket, ATTACH_SECONDS);
	if (!err && child__run_quietly(benchmark, c->o->tool_cpu))
		err = -EIO;
	/* It ends without an answer: no status to look at. */
	if (!err)
		child__run_quietly(shutdown, c->o->tool_cpu);
	return err;
}

/* Wait until the program has ended. 0; -ETIME if it took too long; or -errno. */
static int finish(struct cell *c, double *seconds)
{
	struct rusage usage;
	int status, err = child__wait(&c->child, CELL_SECONDS, &status, &usage);

	if (!err && status)
		err = -ECHILD;
	if (!err && c->way->tool)
		err = read_allocs(c);
	if (err || c->timed)
		return err ? err : read_time(c, seconds);
	*seconds = usage.ru_utime.tv_sec + usage.ru_stime.tv_sec +
		   (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
	return 0;
}

int cell__measure(struct cell *c, double *seconds)
{
	int gate = c->timed ? start_timed(c) : 0;
	int err = gate < 0 ? gate : write_input(c, c->place.scale);

	if (c->timed) {
		if (gate >= 0)
			close(gate);
	} else {
		if (!err)
			err = start(c);
		if (!err && c->way->tool)
			err = attach_tool(c);
		else if (!err && c->way->bcc)
			err = attach_bcc(c);
		if (!err)
			err = child__let_go(&c->child);
	}
	if (!err && c->program->server)
		err = serve(c);
	return err ? err : finish(c, seconds);
}

int cell__measure_both(struct cell *a, struct cell *b, double *seconds_a, double *seconds_b)
{
	int gate_a = start_timed(a), gate_b = gate_a < 0 ? gate_a : start_timed(b);
	int err = gate_b < 0 ? gate_b : write_input(a, a->place.scale);

	if (gate_a >= 0)
		close(gate_a);
	if (gate_b >= 0)
		close(gate_b);
	if (!err)
		err = finish(a, seconds_a);
	return err ? err : finish(b, seconds_b);
}

void cell__make(const struct programs_options *o, size_t program, const struct way *way,
		size_t number, struct cell *ret)
{
	*ret = (struct cell){
		.o = o,
		.program = &works[program],
		.way = way,
		.timed = way->preload || works[program].large,
		.place = {.scale = o->quick ? 4 : 100},
	};
	snprintf(ret->place.file, sizeof(ret->place.file), "%s/input.%zu", o->scratch, program);
	snprintf(ret->place.output, sizeof(ret->place.output), "%s/output.%zu.%zu", o->scratch,
		 program, number);
}

void cell__release(struct cell *c)
{
	child__stop(&c->child, 0);
	child__stop(&c->tool, SIGINT);
}
