// SPDX-License-Identifier: GPL-2.0-or-later
#include "lanes.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <json-c/json.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cleanup.h"

#define KEPT_BLOCKS    3
#define ATTACH_SECONDS 60
#define REPORT_SECONDS 60
#define WATCHED_NS     1000 /* a malloc that bcc's tool watches is no faster */

/* The least: the function that allocates, main, and what runs before main. */
#define LEAST_DEPTH 5

const unsigned int lanes_depths[LANES_DEPTHS] = {LEAST_DEPTH, 20, 60};
const char *const lanes_builds[BUILDS] = {"no frame pointers", "frame pointers"};
static const char *const programs[BUILDS] = {"micro", "micro_fp"};

static int fail(const char *lane, const char *what, int err)
{
	if (err != -EINTR)
		fprintf(stderr, "bench: %s: %s: %s\n", lane, what, strerror(-err));
	return err;
}

/* --- the private C library --- */

static int copy_file(const char *from, const char *to)
{
	CLEANUP_CLOSE int in = open(from, O_RDONLY | O_CLOEXEC), out = -1;
	char buffer[65536];
	ssize_t n = 0;

	if (in < 0)
		return -errno;
	out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
	if (out < 0)
		return -errno;
	while ((n = read(in, buffer, sizeof(buffer))) > 0)
		if (write(out, buffer, n) != n)
			return -EIO;
	return n ? -errno : 0;
}

/* A directory with a copy of the C library; its own path, and the library's. */
static int copy_library(struct lanes *l, char *directory, char *library, size_t size)
{
	Dl_info info;
	const char *base;

	if (!dladdr((void *)(uintptr_t)&malloc, &info))
		return -ENOENT;
	base = strrchr(info.dli_fname, '/');
	if (!base)
		return -ENOENT;
	snprintf(directory, size, "%s/%u", l->options.scratch, l->nr_copies++);
	if (mkdir(directory, 0755))
		return -errno;
	if ((size_t)snprintf(library, size, "%s%s", directory, base) >= size)
		return -ENAMETOOLONG;
	return copy_file(info.dli_fname, library);
}

/* --- lanes --- */

static int start_workload(struct lanes *l, struct lane *lane, enum lanes_build build,
			  const char *libraries)
{
	char path[4096], cpu[16];
	char *argv[LANES_MAX_WORDS + 3];
	int n = 0;

	for (; n < LANES_MAX_WORDS && lane->way.under[n]; n++)
		argv[n] = (char *)lane->way.under[n];
	snprintf(path, sizeof(path), "%s/%s", l->options.directory, programs[build]);
	snprintf(cpu, sizeof(cpu), "%d", l->options.workload_cpu);
	argv[n++] = path;
	argv[n++] = cpu;
	argv[n] = NULL;
	/* What it runs under may have threads and helpers: they go where the tools are. */
	return child__start_workload(argv, libraries, l->options.tool_cpu, &lane->workloads[build]);
}

static int ask(struct lane *lane, enum lanes_build build, enum micro_what what, unsigned int depth,
	       unsigned int calls, struct micro_answer *ret)
{
	const struct micro_order order = {.what = what, .depth = depth, .calls = calls};
	int err = child__ask(&lane->workloads[build], &order, ret);

	return err ? fail(lane->way.name, "the workload does not answer", err) : 0;
}

static int attach_own(struct lanes *l, struct lane *lane, const char *library)
{
	CLEANUP_CLOSE int fd = open(library, O_RDONLY | O_CLOEXEC);
	const struct probes_places *chosen = &l->places[PROBES_CHOSEN];
	int err;

	if (fd < 0)
		return -errno;
	if (!chosen->malloc) {
		err = probes__find_places(fd, library, l->places);
		if (err)
			return err;
		if (pread(fd, l->code[0], sizeof(l->code[0]), chosen->malloc) < 0 ||
		    pread(fd, l->code[1], sizeof(l->code[1]), chosen->free) < 0)
			return -errno;
	}
	return probes__attach(l->options.probes, lane->way.kind, fd, &l->places[lane->way.where]);
}

/* bcc's memleak says nothing when it is ready: the price of a malloc does. */
static int attach_bcc(struct lanes *l, struct lane *lane, enum lanes_build build, char *library)
{
	char pid[16];
	char *argv[] = {(char *)lane->way.bcc, "-p", pid, "-O", library, "3600", NULL};
	struct micro_answer a = {0};
	int i, err;

	snprintf(pid, sizeof(pid), "%d", lane->workloads[build].pid);
	err = child__start_tool(argv, l->options.tool_cpu, &lane->tools[build]);
	for (i = 0; i < 100 && !err && a.malloc_ns < 100 * WATCHED_NS; i++) {
		usleep(100 * 1000);
		err = ask(lane, build, MICRO_APART, LEAST_DEPTH, 100, &a);
	}
	if (!err && a.malloc_ns < 100 * WATCHED_NS)
		return -ETIMEDOUT;
	/* Frees are probed last. */
	return err ? err : usleep(500 * 1000);
}

static int attach_tool(struct lanes *l, struct lane *lane)
{
	char pids[64] = "";
	const char *words[] = {"-o0", "-p", pids, NULL};
	unsigned int build;

	for (build = 0; build < l->options.builds; build++)
		sprintf(pids + strlen(pids), "%s%d", build ? "," : "", lane->workloads[build].pid);
	return child__start_attached((const char *const *)lane->way.tool, words,
				     l->options.tool_cpu, ATTACH_SECONDS, &lane->tools[0]);
}

int lanes__add(struct lanes *l, const struct lanes_way *way)
{
	char directory[4096], library[4096];
	struct micro_answer answer;
	struct lane *lane;
	unsigned int build;
	int err = vector_push(&l->list, (struct lane){.way = *way});

	if (err)
		return err;
	lane = &l->list.items[l->list.count - 1];
	for (build = 0; build < l->options.builds; build++) {
		err = copy_library(l, directory, library, sizeof(library));
		if (!err)
			err = start_workload(l, lane, build, directory);
		if (err)
			return fail(way->name, "cannot start a workload", err);
		/* Its answer says that it has loaded what it needs. */
		err = ask(lane, build, MICRO_APART, LEAST_DEPTH, 1, &answer);
		if (err)
			return err;
		err = way->bcc ? attach_bcc(l, lane, build, library) : attach_own(l, lane, library);
		if (err)
			return fail(way->name, "cannot place the probes", err);
	}
	err = way->tool[0] ? attach_tool(l, lane) : 0;
	return err ? fail(way->name, "does not attach", err) : 0;
}

/* --- measuring --- */

static int run_cell(struct lanes *l, struct lane *lane, enum lanes_build build, unsigned int depth,
		    bool keep_samples)
{
	unsigned int calls = l->options.calls;
	struct micro_answer apart, pair = {0};
	struct samples *s = lane->samples[build][depth];
	int err = ask(lane, build, MICRO_APART, lanes_depths[depth], calls, &apart);

	if (!err && lane->way.measure_free)
		err = ask(lane, build, MICRO_PAIR, lanes_depths[depth], calls, &pair);
	if (err || !keep_samples)
		return err;
	err = vector_push(&s[MEASURE_MALLOC].ns, (double)apart.malloc_ns / calls);
	if (!err && lane->way.measure_free)
		err = vector_push(&s[MEASURE_FREE].ns, (double)apart.free_ns / calls);
	if (!err && lane->way.measure_free)
		err = vector_push(&s[MEASURE_PAIR].ns, (double)pair.pair_ns / calls);
	return err;
}

int lanes__run_round(struct lanes *l, bool keep_samples)
{
	unsigned int build, depth;
	size_t i;
	int err = 0;

	for (build = 0; build < l->options.builds; build++)
		for (depth = 0; depth < l->options.depths; depth++)
			for (i = 0; i < l->list.count && !err; i++)
				err = run_cell(l, &l->list.items[i], build, depth, keep_samples);
	return err;
}

/* --- whether the tools did their work --- */

static struct json_object *member(struct json_object *o, const char *name)
{
	struct json_object *ret = NULL;

	json_object_object_get_ex(o, name, &ret);
	return ret;
}

/* Whether the report has the blocks that were kept at @depth, with a stack as deep. */
static bool shows_depth(struct json_object *report, pid_t pid, unsigned int depth)
{
	struct json_object *processes = member(report, "processes");
	size_t i, j;

	for (i = 0; processes && i < json_object_array_length(processes); i++) {
		struct json_object *p = json_object_array_get_idx(processes, i);
		struct json_object *stacks = member(p, "stacks");

		if (json_object_get_int(member(p, "pid")) != pid)
			continue;
		for (j = 0; stacks && j < json_object_array_length(stacks); j++) {
			struct json_object *s = json_object_array_get_idx(stacks, j);
			struct json_object *frames = member(s, "frames");

			if (frames && json_object_array_length(frames) == depth &&
			    json_object_get_int(member(s, "blocks")) == KEPT_BLOCKS)
				return true;
		}
	}
	return false;
}

static int check_lane(struct lanes *l, struct lane *lane)
{
	CLEANUP_FREE char *line = NULL;
	struct micro_answer answer;
	struct json_object *report;
	unsigned int build, depth;
	int err = 0;

	for (build = 0; build < l->options.builds; build++)
		for (depth = 0; depth < l->options.depths && !err; depth++)
			err = ask(lane, build, MICRO_KEEP, lanes_depths[depth], KEPT_BLOCKS,
				  &answer);
	if (!err && kill(lane->tools[0].pid, SIGINT))
		err = -errno;
	if (!err)
		err = child__read_line(&lane->tools[0], REPORT_SECONDS, &line);
	if (err)
		return fail(lane->way.name, "does not report", err);
	report = json_tokener_parse(line);
	for (build = 0; build < l->options.builds; build++)
		for (depth = 0; depth < l->options.depths; depth++)
			if (!shows_depth(report, lane->workloads[build].pid, lanes_depths[depth])) {
				fprintf(stderr,
					"bench: %s: reports no stack of %u frames (%s): it did not "
					"do its work\n",
					lane->way.name, lanes_depths[depth], lanes_builds[build]);
				err = -EBADMSG;
			}
	json_object_put(report);
	return err;
}

int lanes__check(struct lanes *l)
{
	size_t i;
	int err = 0;

	for (i = 0; i < l->list.count; i++) {
		struct lane *lane = &l->list.items[i];
		int failed = lane->way.checked ? check_lane(l, lane) : 0;

		err = err ? err : failed;
	}
	return err;
}

static void release_lane(struct lane *lane)
{
	unsigned int build, depth, measure;

	for (build = 0; build < BUILDS; build++)
		child__stop(&lane->tools[build], SIGINT);
	for (build = 0; build < BUILDS; build++)
		child__stop(&lane->workloads[build], 0);
	for (build = 0; build < BUILDS; build++)
		for (depth = 0; depth < LANES_DEPTHS; depth++)
			for (measure = 0; measure < MEASURES; measure++)
				vector_release(&lane->samples[build][depth][measure].ns);
}

void lanes__drop_last(struct lanes *l)
{
	release_lane(&l->list.items[--l->list.count]);
}

void lanes__release(struct lanes *l)
{
	while (l->list.count)
		lanes__drop_last(l);
	vector_release(&l->list);
}

static int delete_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void lanes__delete(const char *scratch)
{
	nftw(scratch, delete_one, 8, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}
