// SPDX-License-Identifier: GPL-2.0-or-later
#include "programs.h"

#include <errno.h>
#include <json-c/json.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "child.h"
#include "table.h"
#include "util/cleanup.h"
#include "works.h"

#define CELL_SECONDS   60 /* what takes longer is ended, and said to */
#define SLOW_SECONDS   25 /* what takes longer is measured once */
#define ATTACH_SECONDS 60
#define MAX_ROUNDS     5
#define LARGE_TIMES    3 /* pairs a round of a large program: differences are small */
#define MAX_WORDS      32

/* Where a program's files lie, and how much it is to do. */
struct place {
	const char *scratch;
	unsigned int scale; /* percent */
	char file[4096], output[4096];
};

/* --- the ways to watch them --- */

struct way {
	const char *name;
	const char *mode[2];  /* words of the tool; it is attached */
	bool tool;	      /* this tool */
	bool preload;	      /* started by it, with --preload */
	const char *under[8]; /* the program runs under it; %r: a file for its record */
	const char *bcc;      /* attached as bcc's memleak is */
	bool beside;	      /* measured on large programs, side by side with its base */
	const char *base;     /* the way that its ratio is to; NULL: the first */
};

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

/* --- one run of one program --- */

struct cell {
	struct bench *bench;
	const struct work *program;
	const struct way *way;
	struct place place;
	bool timed; /* somebody beside this one takes the program's time, behind a gate */
	struct child child, tool;
	uint64_t allocs;
};

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
	const char *const *tool = c->bench->o->tool;
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

	snprintf(cpu, sizeof(cpu), "%d", c->bench->o->workload_cpu);
	argv[n++] = strdup(realpath("/proc/self/exe", self) ? self : "");
	argv[n++] = strdup(CHILD_TIME);
	argv[n++] = expand(c, "%r");
	argv[n++] = expand(c, "%g");
	argv[n++] = strdup(cpu);
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
				   c->timed ? c->bench->o->tool_cpu : c->bench->o->workload_cpu,
				   &c->child);
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
 * The same, to its gate: a descriptor, whose close lets it go; or -errno. It has then run with
 * little to do: what a tool learns of files when it first meets them keeps the processors busy, and
 * somebody else's program with them.
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
	return child__start_attached(c->bench->o->tool, words, c->bench->o->tool_cpu,
				     ATTACH_SECONDS, &c->tool);
}

/* It says nothing when it is ready; it opens a file for each probe. */
static int attach_bcc(struct cell *c)
{
	char pid[16];
	char *argv[] = {(char *)c->way->bcc, "-p", pid, "3600", NULL};
	int err;

	snprintf(pid, sizeof(pid), "%d", c->child.pid);
	err = child__start_tool(argv, c->bench->o->tool_cpu, &c->tool);
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
	if (!err && child__run_quietly(benchmark, c->bench->o->tool_cpu))
		err = -EIO;
	/* It ends without an answer: no status to look at. */
	if (!err)
		child__run_quietly(shutdown, c->bench->o->tool_cpu);
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

static int measure(struct cell *c, double *seconds)
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

/*
 * Both at the same time on one processor, which they share by turns of some milliseconds: what
 * makes it slower for a while, and is more than what there is to be seen, does it to both.
 */
static int measure_both(struct cell *a, struct cell *b, double *seconds_a, double *seconds_b)
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

/* To be released. */
static void make_cell(struct bench *b, size_t program, size_t way, struct cell *c)
{
	*c = (struct cell){
		.bench = b,
		.program = &works[program],
		.way = &b->ways[way],
		.timed = b->ways[way].preload || works[program].large,
		.place = {.scratch = b->o->scratch, .scale = b->o->quick ? 4 : 100},
	};
	snprintf(c->place.file, sizeof(c->place.file), "%s/input.%zu", b->o->scratch, program);
	snprintf(c->place.output, sizeof(c->place.output), "%s/output.%zu.%zu", b->o->scratch,
		 program, way);
}

static void release_cell(struct cell *c)
{
	child__stop(&c->child, 0);
	child__stop(&c->tool, SIGINT);
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
	CLEANUP(release_cell) struct cell c = {0};
	time_t begin = time(NULL);
	double seconds;
	int err;

	if (!is_in_time(b, program, way))
		return 0;
	make_cell(b, program, way, &c);
	err = measure(&c, &seconds);
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
	CLEANUP(release_cell) struct cell bare = {0};
	CLEANUP(release_cell) struct cell watched = {0};
	double seconds[2];
	int err;

	if (!is_in_time(b, program, way))
		return 0;
	make_cell(b, program, base, &bare);
	make_cell(b, program, way, &watched);
	err = measure_both(&bare, &watched, &seconds[0], &seconds[1]);
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
