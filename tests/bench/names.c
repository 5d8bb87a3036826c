// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Each sample is taken in a process of its own, which has read nothing yet: a first report, from
 * addresses to its text, and a second one, of other addresses, for which the files are read
 * already. What it takes to collect them is not part of it.
 */
#include "names.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "profile/profile.h"
#include "report/report.h"
#include "sandbox/sandbox.h"
#include "symbol/remote.h"
#include "symbol/symbol.h"
#include "table.h"
#include "target/object.h"
#include "util/cleanup.h"

#define REPORTS	  2
#define STACKS	  50 /* through a file, in a report */
#define FRAMES	  10
#define MAX_FILES 160
#define ROUNDS	  9
#define GOAL	  1.10

#define NODE	  "/usr/bin/node"
#define CC1PLUS	  "/usr/lib/gcc/*/*/cc1plus"
#define CHROMIUM  "/usr/lib*/chromium/chromium"
#define PYTHON	  "/usr/bin/python3", "/usr/lib/python3*/lib-dynload/*.so"
#define LIBS	  "/usr/lib/*-linux-gnu/lib[a-d]*.so.?", "/usr/lib64/lib[a-d]*.so.?"
#define TOOL	  "" /* itself, which has DWARF */

/* Patterns of files; those that are there are taken. */
static const struct set {
	const char *name;
	const char *patterns[8];
} sets[] = {
	{"DWARF (memleak-bpf)", {TOOL}},
	{"node, cc1plus, chromium", {NODE, CC1PLUS, CHROMIUM}},
	{"python3", {PYTHON}},
	{"libraries", {LIBS}},
	{"all of these", {TOOL, NODE, CC1PLUS, CHROMIUM, PYTHON, LIBS}},
};
#define SET_OF_GOAL (ARRAY_SIZE(sets) - 1) /* the others are too short for it */

struct files {
	struct object *list[MAX_FILES];
	size_t nr;
};

static void release_files(struct files *f)
{
	while (f->nr)
		object__destroy(f->list[--f->nr]);
}

static int add_file(struct files *f, const char *path)
{
	struct object *o;
	int err = object__create(open(path, O_RDONLY | O_CLOEXEC), path, &o);

	if (err)
		return err;
	if (f->nr < MAX_FILES && o->machine)
		f->list[f->nr++] = o;
	else
		object__destroy(o);
	return 0;
}

static int find_files(const struct set *set, const char *tool, struct files *ret)
{
	size_t i, k;
	int err = 0;

	for (i = 0; i < ARRAY_SIZE(set->patterns) && set->patterns[i] && !err; i++) {
		glob_t found;

		if (!set->patterns[i][0]) {
			err = add_file(ret, tool);
			continue;
		}
		if (glob(set->patterns[i], 0, NULL, &found))
			continue;
		for (k = 0; k < found.gl_pathc && !err; k++)
			err = add_file(ret, found.gl_pathv[k]);
		globfree(&found);
	}
	return err;
}

/* --- one sample --- */

static int locate(void *context, uint32_t id, struct symbol_source *ret)
{
	const struct files *f = context;

	*ret = (struct symbol_source){.fd = f->list[id]->fd, .path = f->list[id]->path};
	return 0;
}

/* An address in the code of @o. */
static uint64_t choose_address(const struct object *o, unsigned int *seed)
{
	size_t i;

	for (i = 0; i < o->nr_segments; i++)
		if (o->segments[i].executable && o->segments[i].filesz)
			return o->segments[i].vaddr +
			       ((uint64_t)rand_r(seed) << 16 ^ rand_r(seed)) %
				       o->segments[i].filesz;
	return 0;
}

/* A profile of stacks of such addresses. */
static int make_profile(const struct files *f, unsigned int seed, struct profile *p)
{
	struct profile_process process = {.pid = 1, .comm = "x"};
	uint32_t i, k, frames[FRAMES];
	int err = vector_push(&p->processes, process);

	for (i = 0; i < f->nr && !err; i++) {
		struct profile_entry e = {.sum = {1, 1}, .family = "malloc"};
		struct profile_location l = {0};

		err = profile__add_module(p, i, f->list[i]->path, NULL, &l.module);
		for (k = 0; k < STACKS * FRAMES && !err; k++) {
			l.pc = choose_address(f->list[i], &seed);
			err = profile__add_location(p, &l, &frames[k % FRAMES]);
			if (!err && k % FRAMES == FRAMES - 1)
				err = profile__add_stack(p, frames, FRAMES, false, false, &e.stack);
			if (!err && k % FRAMES == FRAMES - 1)
				err = vector_push(&p->entries, e);
		}
	}
	return err;
}

static double now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* How many locations have a name. */
static uint64_t count_names(const struct profile *p)
{
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < p->locations.count; i++)
		n += p->locations.items[i].nr_lines && p->locations.items[i].lines[0].symbol;
	return n;
}

struct sample {
	double seconds[REPORTS];
	uint64_t names;
};

static int take(const struct files *f, bool confined, struct sample *ret)
{
	const struct report_options all = {.top = UINT64_MAX};
	struct symbolizer_options options = {0};
	CLEANUP_FCLOSE FILE *nowhere = fopen("/dev/null", "we");
	struct symbolizer *s = NULL;
	unsigned int i;
	int err = !nowhere ? -errno : confined ? sandbox__create(&options.sandbox) : 0;

	if (!err && confined) /* once it answers, it has started, as it has long before a report */
		free(remote__demangle(options.sandbox, "_Z1fv"));
	if (!err)
		err = symbolizer__create(&options, locate, (void *)f, &s);
	for (i = 0; i < REPORTS && !err; i++) {
		struct profile *p = profile__create();
		double start;

		err = p ? make_profile(f, i + 1, p) : -ENOMEM;
		start = now_s();
		if (!err)
			err = symbolizer__resolve(s, p, UINT64_MAX, PROFILE_ALL_KINDS);
		if (!err)
			err = report__json(p, &all, nowhere);
		ret->seconds[i] = now_s() - start;
		ret->names += p ? count_names(p) : 0;
		profile__destroy(p);
	}
	symbolizer__destroy(s);
	sandbox__destroy(options.sandbox);
	return err;
}

static int take_apart(const struct files *f, bool confined, struct sample *ret)
{
	int fds[2], status, err;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC))
		return -errno;
	pid = fork();
	if (pid == 0) {
		struct sample s = {0};

		err = take(f, confined, &s);
		if (!err && write(fds[1], &s, sizeof(s)) != sizeof(s))
			err = -EIO;
		_exit(err != 0);
	}
	err = pid < 0 ? -errno : 0;
	close(fds[1]);
	if (!err && read(fds[0], ret, sizeof(*ret)) != sizeof(*ret))
		err = -EIO;
	close(fds[0]);
	if (pid > 0 && waitpid(pid, &status, 0) < 0)
		err = -errno;
	return err;
}

/* --- the table --- */

struct row {
	struct samples seconds[2][REPORTS]; /* in one process, by the helper */
};

static void release_row(struct row *r)
{
	unsigned int i;

	for (i = 0; i < 2 * REPORTS; i++)
		vector_release(&r->seconds[i / REPORTS][i % REPORTS].ns);
}

static int measure(const struct files *f, unsigned int rounds, struct row *ret)
{
	unsigned int round, way, i;
	int err = 0;

	for (round = 0; round <= rounds && !err; round++) {
		struct sample s[2] = {0};

		/* Who is first has the other's files in the cache; they take turns. */
		for (way = 0; way < 2 && !err; way++)
			err = take_apart(f, (way + round) % 2, &s[(way + round) % 2]);
		if (!err && s[0].names != s[1].names) {
			fprintf(stderr, "bench: the helper found %llu names, not %llu\n",
				(unsigned long long)s[1].names, (unsigned long long)s[0].names);
			err = -EPROTO;
		}
		/* The first round fills the cache. */
		for (i = 0; i < 2 * REPORTS && round && !err; i++)
			err = vector_push(&ret->seconds[i / REPORTS][i % REPORTS].ns,
					  s[i / REPORTS].seconds[i % REPORTS]);
	}
	return err;
}

static int run_set(const struct set *set, const struct names_options *o, bool *reached)
{
	CLEANUP(release_files) struct files f = {0};
	CLEANUP(release_row) struct row row = {0};
	unsigned int i;
	int err = find_files(set, o->tool, &f);

	if (err || !f.nr) {
		if (!err)
			printf("%s: not measured, it is not there\n", set->name);
		return err;
	}
	err = measure(&f, o->quick ? 1 : ROUNDS, &row);
	for (i = 0; i < REPORTS && !err; i++) {
		table__print_name(i ? "" : set->name, 0);
		table__print_seconds(&row.seconds[1][i], &row.seconds[0][i]);
	}
	/* The next ones take a quarter of its time, less than what is collected for them does. */
	if (!err && set == &sets[SET_OF_GOAL])
		*reached &= table__print_goal("first report", set->name, &row.seconds[1][0],
					      &row.seconds[0][0], GOAL);
	return err;
}

int names__run(const struct names_options *o, bool *reached)
{
	size_t i;
	int err = 0;

	table__print_seconds_head(
		"names by the helper: seconds of a first report and of a next one, from addresses "
		"to JSON",
		"the same in one process");
	for (i = 0; i < ARRAY_SIZE(sets) && !err; i++)
		err = run_set(&sets[i], o, reached);
	if (err)
		fprintf(stderr, "bench: names: %s\n", strerror(-err));
	return err;
}
