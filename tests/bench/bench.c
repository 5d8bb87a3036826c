// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What a malloc and a free cost under the tool, against empty probes at the same instructions and
 * against other tools, in one run; what real programs do; what the tool costs itself.
 */
#include <errno.h>
#include <getopt.h>
#include <gnu/libc-version.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "helper.h"
#include "lanes.h"
#include "names.h"
#include "programs.h"
#include "sandbox/sandbox.h"
#include "user.h"
#include "util/cleanup.h"

#define LEAST_ROUNDS	 5
#define MAX_TOOLS	 8
#define SKIPPED		 77
#define PROGRAMS_SECONDS 330

static volatile sig_atomic_t interrupted;

static const char usage[] =
	"Usage: bench [OPTION...]\n"
	"Time malloc and free, and real programs, bare, under memleak-bpf and under other tools;\n"
	"time memleak-bpf itself.\n\n"
	"  -q, --quick         a smoke test of a few seconds\n"
	"  -r, --rounds N      rounds (25); never fewer than 5\n"
	"  -c, --calls N       calls a round, of each kind and depth (500)\n"
	"  -s, --seconds N     begin no round later than this, once there are 5 (80)\n"
	"      --part NAME     only micro, programs, user, check or names (all, ten minutes at "
	"most)\n"
	"  -t, --tool COMMAND  measure this build of the tool; may be given again (./memleak-bpf)\n"
	"      --no-peers      leave out heaptrack, valgrind and $PEER_MEMLEAK, bcc's memleak\n"
	"      --strict        status 1 if a goal is missed\n"
	"  -h, --help          print this\n";

/* clang-format off */
static const struct lanes_way own_ways[] = {
	{.name = "bare", .measure_free = true},
	{.name = "empty entry", .kind = PROBES_ENTRY, .measure_free = true},
	{.name = "empty session", .kind = PROBES_SESSION, .measure_free = true},
	{.name = "  on first bytes",
	 .kind = PROBES_SESSION,
	 .where = PROBES_FIRST,
	 .measure_free = true},
	{.name = "bpf_get_stackid", .kind = PROBES_STACKID},
	{.name = "bpf_get_stack 20", .kind = PROBES_STACK_20},
	{.name = "bpf_get_stack 127", .kind = PROBES_STACK_127},
};
/* clang-format on */

/* Indexes into own_ways. */
#define LANE_ENTRY   1
#define LANE_SESSION 2
#define LANE_FIRST   3
#define GOAL_DEPTH   1 /* into lanes_depths */
#define FIRST_TOOL   (sizeof(own_ways) / sizeof(own_ways[0]))

struct options {
	bool quick, peers, strict;
	const char *part; /* NULL: all */
	unsigned int rounds, calls, seconds;
	const char *tools[MAX_TOOLS];
	char *words[MAX_TOOLS]; /* of the tools' commands; the lanes point there */
	unsigned int nr_tools;
};

static void interrupt(int signal)
{
	(void)signal;
	interrupted = 1;
}

/* --- options --- */

static bool parse_number(const char *text, unsigned int *ret)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*end || end == text || !n || n > MICRO_MAX_CALLS)
		return false;
	*ret = n;
	return true;
}

static bool parse_one(struct options *o, int option)
{
	switch (option) {
	case 'q':
		o->quick = true;
		o->peers = false;
		o->rounds = 2;
		o->calls = 200;
		return true;
	case 'r':
		return parse_number(optarg, &o->rounds);
	case 'c':
		return parse_number(optarg, &o->calls);
	case 's':
		return parse_number(optarg, &o->seconds);
	case 't':
		if (o->nr_tools == MAX_TOOLS)
			return false;
		o->tools[o->nr_tools++] = optarg;
		return true;
	case 'P':
		o->peers = false;
		return true;
	case 'S':
		o->strict = true;
		return true;
	case 'p':
		o->part = optarg;
		return !strcmp(optarg, "micro") || !strcmp(optarg, "programs") ||
		       !strcmp(optarg, "user") || !strcmp(optarg, "check") ||
		       !strcmp(optarg, "names");
	case 'h':
		fputs(usage, stdout);
		exit(0);
	}
	return false;
}

/* clang-format off */
static const struct option longs[] = {
	{"quick",	no_argument,		NULL, 'q'},
	{"rounds",	required_argument,	NULL, 'r'},
	{"calls",	required_argument,	NULL, 'c'},
	{"seconds",	required_argument,	NULL, 's'},
	{"tool",	required_argument,	NULL, 't'},
	{"no-peers",	no_argument,		NULL, 'P'},
	{"strict",	no_argument,		NULL, 'S'},
	{"part",	required_argument,	NULL, 'p'},
	{"help",	no_argument,		NULL, 'h'},
	{NULL,		0,			NULL, 0},
};
/* clang-format on */

static int parse(int argc, char **argv, struct options *o)
{
	int option;

	while ((option = getopt_long(argc, argv, "qr:c:s:t:h", longs, NULL)) >= 0)
		if (!parse_one(o, option))
			return -EINVAL;
	if (optind < argc)
		return -EINVAL;
	if (!o->nr_tools)
		o->tools[o->nr_tools++] = "./memleak-bpf";
	if (!o->quick && o->rounds < LEAST_ROUNDS)
		o->rounds = LEAST_ROUNDS;
	return 0;
}

/* --- lanes --- */

/* Split @text, which is changed, at its blanks. */
static void split(char *text, const char *words[LANES_MAX_WORDS])
{
	char *save = NULL, *word;
	size_t n = 0;

	for (word = strtok_r(text, " ", &save); word && n < LANES_MAX_WORDS - 1;
	     word = strtok_r(NULL, " ", &save))
		words[n++] = word;
}

static int add_tools(struct lanes *l, struct options *o)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < o->nr_tools && !err; i++) {
		const char *slash = strrchr(o->tools[i], '/');
		struct lanes_way way = {.measure_free = true, .checked = true};

		o->words[i] = strdup(o->tools[i]);
		if (!o->words[i])
			return -ENOMEM;
		way.name = slash ? slash + 1 : o->tools[i];
		split(o->words[i], way.tool);
		err = lanes__add(l, &way);
	}
	return err;
}

/* Modes in which the first tool wants next to none of the blocks. */
static const char *const unwanted_modes[][2] = {{"-z1G"}, {"-s1000000"}, {"--sample-bytes=1G"}};

/* The first tool again in these modes; those that it does not know are left out, and named. */
static int add_unwanted(struct lanes *l)
{
	size_t i;
	int err = 0;

	for (i = 0; i < ARRAY_SIZE(unwanted_modes) && !err; i++) {
		struct lanes_way way = l->list.items[FIRST_TOOL].way;
		size_t n = 0;

		while (n < LANES_MAX_WORDS - 2 && way.tool[n])
			n++;
		if (!child__knows_mode(way.tool, unwanted_modes[i])) {
			printf("%s %s: not measured, this build does not know it\n", way.name,
			       unwanted_modes[i][0]);
			continue;
		}
		way.tool[n] = unwanted_modes[i][0];
		way.name = unwanted_modes[i][0];
		way.checked = false;
		way.unwanted = true;
		err = lanes__add(l, &way);
	}
	return err;
}

/* The first tool again on workloads with the library that is beside it: all told, and samples. */
static int add_preloaded(struct lanes *l)
{
	static char library[PATH_MAX + 16];
	const struct lanes_way *tool = &l->list.items[FIRST_TOOL].way;
	struct lanes_way exact = *tool, sampled = *tool;
	const char *slash = strrchr(tool->tool[0], '/');
	char path[PATH_MAX], whole[PATH_MAX];
	size_t n = 0;
	int err;

	snprintf(path, sizeof(path), "%.*slibmemleak.so",
		 slash ? (int)(slash - tool->tool[0] + 1) : 0, tool->tool[0]);
	if (!slash || !realpath(path, whole)) {
		printf("--preload: not measured, %s is not there\n", path);
		return 0;
	}
	snprintf(library, sizeof(library), "LD_PRELOAD=%s", whole);
	exact.under[0] = sampled.under[0] = "env";
	exact.under[1] = sampled.under[1] = library;
	sampled.under[2] = "MEMLEAK_SAMPLE_BYTES=512K";
	while (sampled.tool[n])
		n++;
	sampled.tool[n] = "--sample-bytes=512K";
	exact.name = "--preload";
	sampled.name = "  --sample-bytes 512K";
	sampled.checked = false;
	err = lanes__add(l, &exact);
	return err ? err : lanes__add(l, &sampled);
}

/* What cannot be started is left out, with a line that says why. */
static void add_peers(struct lanes *l, const char *scratch)
{
	static char file[4096];
	const char *bcc = getenv("PEER_MEMLEAK");
	const struct lanes_way valgrind = {
		.name = "valgrind",
		.measure_free = true,
		.under = {"valgrind", "--quiet", "--log-file=/dev/null"},
	};
	const struct lanes_way heaptrack = {
		.name = "heaptrack",
		.measure_free = true,
		.under = {"heaptrack", "--output", file},
	};

	snprintf(file, sizeof(file), "%s/heaptrack.$$", scratch);
	if (bcc && *bcc) {
		const struct lanes_way way = {
			.name = "bcc memleak", .bcc = bcc, .measure_free = true};

		if (lanes__add(l, &way))
			lanes__drop_last(l);
	}
	if (!interrupted && child__is_on_path("heaptrack") && lanes__add(l, &heaptrack))
		lanes__drop_last(l);
	if (!interrupted && child__is_on_path("valgrind") && lanes__add(l, &valgrind))
		lanes__drop_last(l);
}

static int add_lanes(struct lanes *l, struct options *o)
{
	size_t i;
	int err = 0;

	for (i = 0; i < FIRST_TOOL && !err; i++)
		err = interrupted ? -EINTR : lanes__add(l, &own_ways[i]);
	if (!err)
		err = add_tools(l, o);
	if (!err && !interrupted)
		err = add_preloaded(l);
	if (!err && !o->quick)
		err = add_unwanted(l);
	if (!err && o->peers)
		add_peers(l, l->options.scratch);
	return err;
}

/* --- the output --- */

static void print_head(const struct lanes *l, const struct options *o)
{
	struct utsname u;
	size_t i, j;

	uname(&u);
	printf("Linux %s %s, glibc %s, %ld processors; processor time, %u calls a sample\n",
	       u.release, u.machine, gnu_get_libc_version(), sysconf(_SC_NPROCESSORS_ONLN),
	       o->calls);
	printf("%s; code there:", probes__have_session(l->options.probes)
					  ? "session links"
					  : "no session links: one for entries, one for returns");
	for (i = 0; i < 2; i++) {
		printf(" %s", i ? ", free" : "malloc");
		for (j = 0; j < sizeof(l->code[i]); j++)
			printf(" %02x", l->code[i][j]);
	}
	putchar('\n');
}

static void print_table(const struct lanes *l, enum lanes_measure measure)
{
	static const char *const titles[MEASURES] = {"malloc", "free", "malloc and free"};
	static const char *const bases[MEASURES] = {
		"empty session", "empty entry", "empty session on malloc and empty entry on free"};
	const struct lane *base =
		&l->list.items[measure == MEASURE_FREE ? LANE_ENTRY : LANE_SESSION];
	unsigned int build, depth;
	size_t i;

	table__print_head(titles[measure], bases[measure], lanes_builds, l->options.builds);
	for (i = 0; i < l->list.count; i++) {
		const struct lane *lane = &l->list.items[i];

		if (measure != MEASURE_MALLOC && !lane->way.measure_free)
			continue;
		for (depth = 0; depth < l->options.depths; depth++) {
			table__print_name(depth ? "" : lane->way.name, lanes_depths[depth]);
			for (build = 0; build < l->options.builds; build++)
				table__print_cell(&lane->samples[build][depth][measure],
						  &base->samples[build][depth][measure]);
			table__end_row();
		}
	}
}

/* The goals of one lane in one build; true if they are reached. */
static bool print_lane_goals(const struct lanes *l, const struct lane *lane, enum lanes_build build)
{
	const struct samples *s = lane->samples[build][GOAL_DEPTH];
	const struct samples *entry = l->list.items[LANE_ENTRY].samples[build][GOAL_DEPTH];
	const struct samples *session = l->list.items[LANE_SESSION].samples[build][GOAL_DEPTH];
	const struct samples *first = l->list.items[LANE_FIRST].samples[build][GOAL_DEPTH];
	const char *name = lanes_builds[build];
	char what[128];
	bool reached;

	if (lane->way.unwanted) {
		snprintf(what, sizeof(what), "%s, malloc / empty entry", lane->way.name);
		return table__print_goal(what, name, &s[MEASURE_MALLOC], &entry[MEASURE_MALLOC],
					 1.05);
	}
	reached = table__print_goal("malloc and free / empty session on first bytes", name,
				    &s[MEASURE_PAIR], &first[MEASURE_PAIR], 0.6);
	reached &= table__print_goal("malloc with unwinding / empty session", name,
				     &s[MEASURE_MALLOC], &session[MEASURE_MALLOC], 1.5);
	reached &= table__print_goal("free / empty entry at its place", name, &s[MEASURE_FREE],
				     &entry[MEASURE_FREE], 1.15);
	return reached;
}

/* True if all are reached. */
static bool print_goals(const struct lanes *l, const struct options *o)
{
	unsigned int build;
	bool reached = true;
	size_t i;

	printf("\ngoals at depth %u: median of the ratios (ratio of the minima)\n",
	       lanes_depths[GOAL_DEPTH]);
	for (i = FIRST_TOOL; i < l->list.count; i++) {
		const struct lane *lane = &l->list.items[i];

		if (!lane->way.tool[0])
			continue;
		if (o->nr_tools > 1)
			printf("%s\n", lane->way.name);
		for (build = 0; build < l->options.builds; build++)
			reached &= print_lane_goals(l, lane, build);
	}
	return reached;
}

/* --- the run --- */

static int run_rounds(struct lanes *l, const struct options *o)
{
	time_t end = time(NULL) + o->seconds;
	unsigned int i;
	int err = lanes__run_round(l, false); /* fills caches and tables */

	for (i = 0; i < o->rounds && !err && !interrupted; i++) {
		if (i >= LEAST_ROUNDS && time(NULL) >= end)
			break;
		err = lanes__run_round(l, true);
	}
	if (interrupted)
		return -EINTR;
	if (!err)
		printf("%u rounds\n", i);
	return err;
}

/* The first and the last processor that this process may use: tools there, workloads here. */
static void choose_cpus(struct lanes_options *o)
{
	cpu_set_t set;
	int cpu;

	o->workload_cpu = o->tool_cpu = -1;
	if (sched_getaffinity(0, sizeof(set), &set))
		return;
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &set))
			continue;
		if (o->tool_cpu < 0)
			o->tool_cpu = cpu;
		o->workload_cpu = cpu;
	}
	CPU_ZERO(&set);
	CPU_SET(o->tool_cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static int measure_micro(struct lanes *l, struct options *o, bool *reached)
{
	unsigned int measure;
	int err = add_lanes(l, o);

	if (err)
		return err;
	print_head(l, o);
	err = run_rounds(l, o);
	if (err)
		return err;
	for (measure = 0; measure < MEASURES; measure++)
		print_table(l, measure);
	*reached &= print_goals(l, o);
	return lanes__check(l);
}

static int run_micro(struct lanes *l, struct options *o, bool *reached)
{
	int err = measure_micro(l, o, reached);

	lanes__release(l);
	return err;
}

/* The first tool's words. */
static int run_programs(const struct lanes_options *l, const struct options *o,
			const char *const *tool)
{
	const struct programs_options p = {
		.scratch = l->scratch,
		.tool = tool,
		.workload_cpu = l->workload_cpu,
		.tool_cpu = l->tool_cpu,
		.peers = o->peers,
		.quick = o->quick,
		.seconds = PROGRAMS_SECONDS,
	};

	return programs__run(&p, &interrupted);
}

static int run_user(const struct lanes_options *l, const struct options *o, const char *const *tool,
		    bool *reached)
{
	char many[4200];
	const struct user_options u = {
		.many = many,
		.tool = tool,
		.workload_cpu = l->workload_cpu,
		.tool_cpu = l->tool_cpu,
		.quick = o->quick,
	};

	snprintf(many, sizeof(many), "%s/../programs/many", l->directory);
	return user__run(&u, reached);
}

static int run_check(const struct lanes_options *l, const struct options *o,
		     const char *const *tool, bool *reached)
{
	char bulk[4200];
	const struct check_options c = {
		.bulk = bulk,
		.tool = tool,
		.workload_cpu = l->workload_cpu,
		.quick = o->quick,
	};

	snprintf(bulk, sizeof(bulk), "%s/../programs/bulk", l->directory);
	return check__run(&c, reached);
}

static bool wants(const struct options *o, const char *part)
{
	return !o->part || !strcmp(o->part, part);
}

/* The part that began at *@begin took so long; the next one begins. */
static void print_time(const char *part, time_t *begin)
{
	time_t now = time(NULL);

	printf("\n(%s: %ld s)\n", part, (long)(now - *begin));
	*begin = now;
}

static int run(struct lanes *l, struct options *o, bool *reached)
{
	CLEANUP_FREE char *command = strdup(o->tools[0]);
	const char *tool[LANES_MAX_WORDS] = {NULL};
	time_t begin = time(NULL);
	int err = command ? probes__create(&l->options.probes) : -ENOMEM;

	if (err == -EPERM || err == -EACCES) {
		printf("skipped: the kernel refuses BPF here: %s\n", strerror(-err));
		return SKIPPED;
	}
	if (err) {
		fprintf(stderr, "bench: cannot load the empty programs: %s\n", strerror(-err));
		return err;
	}
	split(command, tool);
	if (wants(o, "micro")) {
		err = run_micro(l, o, reached);
		print_time("micro", &begin);
	}
	if (!err && wants(o, "programs")) {
		err = run_programs(&l->options, o, tool);
		print_time("programs", &begin);
	}
	if (!err && wants(o, "user")) {
		err = run_user(&l->options, o, tool, reached);
		print_time("user", &begin);
	}
	if (!err && wants(o, "check")) {
		err = run_check(&l->options, o, tool, reached);
		print_time("check", &begin);
	}
	if (!err && wants(o, "names")) {
		err = names__run(&(struct names_options){tool[0], o->quick}, reached);
		print_time("names", &begin);
	}
	return err;
}

/* Where this program lies, and the workload beside it. */
static int find_directory(char *directory, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", directory, size - 1);

	if (n < 0) {
		fprintf(stderr, "bench: cannot read /proc/self/exe: %s\n", strerror(errno));
		return -errno;
	}
	directory[n] = 0;
	*strrchr(directory, '/') = 0;
	return 0;
}

static void catch_signals(void)
{
	const struct sigaction action = {.sa_handler = interrupt};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

int main(int argc, char **argv)
{
	struct options options = {.peers = true, .rounds = 25, .calls = 500, .seconds = 80};
	struct lanes lanes = {.options = {.builds = BUILDS, .depths = LANES_DEPTHS}};
	const char *tmp = getenv("TMPDIR");
	char directory[4096], scratch[4096];
	bool reached = true;
	unsigned int i;
	int err;

	if (argc && strcmp(argv[0], SANDBOX_NAME) == 0)
		return helper();
	if (argc > 1 && strcmp(argv[1], CHILD_TIME) == 0)
		return child__time(argv + 2);
	if (parse(argc, argv, &options)) {
		fputs(usage, stderr);
		return 2;
	}
	if (options.quick) {
		lanes.options.builds = 1;
		lanes.options.depths = 2;
	}
	if (find_directory(directory, sizeof(directory)))
		return 2;
	snprintf(scratch, sizeof(scratch), "%s/memleak-bench.XXXXXX", tmp && *tmp ? tmp : "/tmp");
	if (!mkdtemp(scratch)) {
		fprintf(stderr, "bench: cannot make %s: %s\n", scratch, strerror(errno));
		return 2;
	}
	lanes.options.directory = directory;
	lanes.options.scratch = scratch;
	lanes.options.calls = options.calls;
	choose_cpus(&lanes.options);
	catch_signals();
	setvbuf(stdout, NULL, _IOLBF, 0);
	err = run(&lanes, &options, &reached);
	probes__destroy(lanes.options.probes);
	lanes__delete(scratch);
	for (i = 0; i < options.nr_tools; i++)
		free(options.words[i]);
	if (err)
		return err == SKIPPED ? SKIPPED : 2;
	return options.strict && !reached;
}
