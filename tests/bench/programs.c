// SPDX-License-Identifier: GPL-2.0-or-later
#include "programs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cell.h"
#include "child.h"
#include "table.h"
#include "util/cleanup.h"
#include "works.h"

#define SLOW_SECONDS 25 /* what takes longer is measured once */
#define MAX_ROUNDS   5
#define LARGE_TIMES  3 /* pairs a round of a large program: differences are small */

/* --- the ways to watch them --- */

#define MAX_WAYS 12

struct bench {
	const struct programs_options *o;
	const volatile sig_atomic_t *interrupted;
	struct way ways[MAX_WAYS];
	const char *missing[MAX_WAYS]; /* why a way is not measured; NULL: it is */
	size_t nr_ways;
	struct samples seconds[WORKS][MAX_WAYS];
	time_t end;			     /* begin no cell later */
	bool slow[WORKS][MAX_WAYS];	     /* measured once */
	const char *failed[WORKS][MAX_WAYS]; /* why, where there are no samples */
	uint64_t allocs[WORKS];		     /* that the tool saw */
};

#define JEMALLOC "libjemalloc.so.2"

/* Why jemalloc cannot be used with this MALLOC_CONF, from what it and ld.so(8) say; NULL: it can.
 */
static const char *refuses_jemalloc(const char *conf)
{
	char command[256], line[256] = "";
	FILE *f;

	snprintf(command, sizeof(command), "env LD_PRELOAD=" JEMALLOC " MALLOC_CONF=%s true 2>&1",
		 conf);
	f = popen(command, "re");
	if (!f)
		return strerror(errno);
	if (!fgets(line, sizeof(line), f))
		*line = 0;
	pclose(f);
	return strstr(line, "cannot be preloaded") ? "not installed"
	       : *line				   ? "built without its profiler"
						   : NULL;
}

static void add_way(struct bench *b, const struct way *way, const char *missing)
{
	b->ways[b->nr_ways] = *way;
	b->missing[b->nr_ways++] = missing;
}

static void add_ways(struct bench *b)
{
	static const struct way own[] = {
		{.name = "bare"},
		{.name = "memleak-bpf", .tool = true},
		{.name = "  -s 100", .tool = true, .mode = {"-s", "100"}},
		{.name = "  --sample-bytes 512K", .tool = true, .mode = {"--sample-bytes", "512K"}},
		{.name = "  --preload", .preload = true},
		{.name = "  --preload, 512K",
		 .preload = true,
		 .mode = {"--sample-bytes", "512K"},
		 .beside = true},
	};
	/* jemalloc(3): a sample every 2^19 bytes, to be compared with its allocator alone. */
	static const struct way jemalloc[] = {
		{.name = "jemalloc, bare", .under = {"env", "LD_PRELOAD=" JEMALLOC}},
		{.name = "  its profiler, 512K",
		 .under = {"env", "LD_PRELOAD=" JEMALLOC,
			   "MALLOC_CONF=prof:true,lg_prof_sample:19"},
		 .beside = true,
		 .base = "jemalloc, bare"},
	};
	static const struct way heaptrack = {.name = "heaptrack",
					     .under = {"heaptrack", "--output", "%r"}};
	static const struct way raw = {.name = "heaptrack, raw",
				       .under = {"heaptrack", "--raw", "--output", "%r"}};
	static const struct way valgrind = {
		.name = "valgrind",
		.under = {"valgrind", "--quiet", "--trace-children=yes", "--log-file=/dev/null"}};
	const char *bcc = getenv("PEER_MEMLEAK");
	size_t i;

	for (i = 0; i < ARRAY_SIZE(own); i++)
		add_way(b, &own[i],
			!own[i].mode[0] || child__knows_mode(b->o->tool, own[i].mode)
				? NULL
				: "this build does not know it");
	if (!b->o->peers)
		return;
	if (bcc && *bcc)
		add_way(b, &(struct way){.name = "bcc memleak", .bcc = bcc}, NULL);
	if (child__is_on_path("heaptrack")) {
		add_way(b, &heaptrack, NULL);
		add_way(b, &raw, NULL);
	}
	if (child__is_on_path("valgrind"))
		add_way(b, &valgrind, NULL);
	add_way(b, &jemalloc[0], refuses_jemalloc(""));
	add_way(b, &jemalloc[1], refuses_jemalloc("prof:true"));
}

/* --- one run --- */

static const char *reason(int err)
{
	return err == -ETIME	 ? "takes more than a minute"
	       : err == -ENODATA ? "the tool saw no allocation"
	       : err == -ECHILD	 ? "the program failed"
				 : strerror(-err);
}

static size_t base_of(const struct bench *b, size_t way)
{
	size_t i;

	for (i = 0; b->ways[way].base && i < b->nr_ways; i++)
		if (strcmp(b->ways[i].name, b->ways[way].base) == 0)
			return i;
	return 0;
}

/* Whether there is time left for this program and @way. */
static bool is_in_time(struct bench *b, size_t program, size_t way)
{
	if (time(NULL) <= b->end)
		return true;
	if (!b->seconds[program][way].ns.count)
		b->failed[program][way] = "no time left";
	return false;
}

/* What came of it: that it failed is shown, and no error here. */
static int note_failure(struct bench *b, size_t program, size_t way, int err)
{
	if (*b->interrupted)
		return -EINTR;
	if (err)
		b->failed[program][way] = reason(err);
	return 0;
}

static int run_cell(struct bench *b, size_t program, size_t way)
{
	CLEANUP(cell__release) struct cell c = {0};
	time_t begin = time(NULL);
	double seconds;
	int err;

	if (!is_in_time(b, program, way))
		return 0;
	cell__make(b->o, program, &b->ways[way], way, &c);
	err = cell__measure(&c, &seconds);
	if (err || *b->interrupted) {
		b->slow[program][way] = err == -ETIME;
		return note_failure(b, program, way, err);
	}
	if (c.way->tool && !c.way->mode[0] && !c.way->under[0])
		b->allocs[program] = c.allocs;
	b->slow[program][way] = time(NULL) - begin > SLOW_SECONDS;
	return vector_push(&b->seconds[program][way].ns, seconds);
}

static int run_pair(struct bench *b, size_t program, size_t way)
{
	size_t base = base_of(b, way);
	CLEANUP(cell__release) struct cell bare = {0};
	CLEANUP(cell__release) struct cell watched = {0};
	double seconds[2];
	int err;

	if (!is_in_time(b, program, way))
		return 0;
	cell__make(b->o, program, &b->ways[base], base, &bare);
	cell__make(b->o, program, &b->ways[way], way, &watched);
	err = cell__measure_both(&bare, &watched, &seconds[0], &seconds[1]);
	if (err || *b->interrupted)
		return note_failure(b, program, way, err);
	err = vector_push(&b->seconds[program][base].ns, seconds[0]);
	return err ? err : vector_push(&b->seconds[program][way].ns, seconds[1]);
}

/* --- all of them --- */

static bool is_wanted(const struct bench *b, size_t program, size_t way)
{
	return !b->missing[way] && !b->failed[program][way] && !b->slow[program][way] &&
	       (!works[program].large || b->ways[way].beside);
}

static int run_round(struct bench *b)
{
	size_t program, way;
	int err = 0, i, times;

	for (program = 0; program < WORKS; program++) {
		bool large = works[program].large;

		if (!child__is_on_path(works[program].command[0]))
			continue;
		times = large && !b->o->quick ? LARGE_TIMES : 1;
		for (i = 0; i < times; i++)
			for (way = 0; way < b->nr_ways && !err; way++)
				if (is_wanted(b, program, way))
					err = large ? run_pair(b, program, way)
						    : run_cell(b, program, way);
	}
	return err;
}

static int run_rounds(struct bench *b)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < MAX_ROUNDS && !err && time(NULL) <= b->end; i++) {
		err = run_round(b);
		if (b->o->quick)
			break;
	}
	return err;
}

/* Whether a row of the program's table is this way's. */
static bool has_row(const struct bench *b, size_t program, size_t way)
{
	size_t i;

	for (i = 0; works[program].large && i < b->nr_ways; i++)
		if (b->ways[i].beside && (i == way || base_of(b, i) == way))
			return true;
	return !works[program].large;
}

static void print_way(const struct bench *b, size_t program, size_t way)
{
	const struct samples *s = &b->seconds[program][way];
	const char *why = b->missing[way] ? b->missing[way] : b->failed[program][way];
	bool has_ratio = !works[program].large || b->ways[way].beside;

	printf("  %-22s", b->ways[way].name);
	if (s->ns.count)
		table__print_seconds(s, has_ratio ? &b->seconds[program][base_of(b, way)] : NULL);
	else
		printf("  | %7s  %s\n", "-", why ? why : "");
}

static void print_program(const struct bench *b, size_t program)
{
	size_t way;

	if (!child__is_on_path(works[program].command[0])) {
		printf("%-24s  -  not installed\n", works[program].name);
		return;
	}
	printf("%s", works[program].name);
	if (b->allocs[program])
		printf(" (%llu allocations)", (unsigned long long)b->allocs[program]);
	putchar('\n');
	for (way = 0; way < b->nr_ways; way++)
		if (has_row(b, program, way))
			print_way(b, program, way);
}

static void release(struct bench *b)
{
	size_t program, way;

	for (program = 0; program < WORKS; program++)
		for (way = 0; way < b->nr_ways; way++)
			vector_release(&b->seconds[program][way].ns);
}

int programs__run(const struct programs_options *o, const volatile sig_atomic_t *interrupted)
{
	CLEANUP(release)
	struct bench b = {.o = o, .interrupted = interrupted, .end = time(NULL) + o->seconds};
	size_t program;
	int err;

	add_ways(&b);
	err = run_rounds(&b);
	if (err)
		return err;
	table__print_seconds_head(
		o->quick ? "programs, a part of their work: seconds of processor time"
			 : "programs: seconds of processor time",
		"bare; of jemalloc's profiler: to jemalloc; of large programs: side by side");
	for (program = 0; program < WORKS; program++)
		print_program(&b, program);
	return 0;
}
