// SPDX-License-Identifier: GPL-2.0-or-later
#include "check.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "check_cycles.h"
#include "check_frames.h"
#include "check_paths.h"
#include "check_types.h"
#include "classes.h"
#include "leakcheck/judge.h"
#include "leakcheck/memory.h"
#include "leakcheck/scan.h"
#include "probe/batch.h"
#include "probe/snapshot.h"
#include "target/process.h"
#include "target/registers.h"
#include "util/cleanup.h"
#include "util/hash.h"
#include "util/log.h"

/* Room for pointers that is made before a process is stopped: so many for each block. */
#define EDGES_PER_BLOCK 2
#define MIN_EDGES	65536

struct checker {
	struct checker_options options;
	struct probe *probe;
	struct collector *collector;
	struct tracer *tracer;
	struct hash complete;	      /* (pid, 0): traced since its exec */
	struct unwind_tables *tables; /* NULL: nobody asks for paths */
};

/* What a register holds, and where that stands: see check_paths.h. */
struct found_register {
	uint64_t value, place;
};

/* One check of one process. */
struct check {
	struct checker *checker;
	pid_t pid, reader;
	bool at_exit;
	struct snapshot *snapshot;
	struct memory *memory;
	struct scan *scan;
	struct frames *frames;	    /* NULL: nobody asks for paths */
	struct judge_block *blocks; /* by address */
	size_t max_blocks;
	VECTOR(struct memory_thread) threads;
	VECTOR(struct found_register) registers;
	double stop_ms, table_ms, memory_ms; /* what took how long */
};

static void release_check(struct check *c)
{
	snapshot__destroy(c->snapshot);
	memory__destroy(c->memory);
	scan__destroy(c->scan);
	frames__destroy(c->frames);
	free(c->blocks);
	vector_release(&c->threads);
	vector_release(&c->registers);
}

static void release_threads(tracer_threads *threads)
{
	vector_release(threads);
}

int checker__create(const struct checker_options *options, struct probe *p, struct collector *c,
		    struct tracer *t, struct checker **ret)
{
	struct checker *checker = calloc(1, sizeof(*checker));

	if (!checker)
		return -ENOMEM;
	checker->options = *options;
	checker->probe = p;
	checker->collector = c;
	checker->tracer = t;
	if (options->paths && unwind_tables__create(options->sandbox, &checker->tables)) {
		free(checker);
		return -ENOMEM;
	}
	*ret = checker;
	return 0;
}

void checker__destroy(struct checker *c)
{
	if (!c)
		return;
	hash__release(&c->complete);
	unwind_tables__destroy(c->tables);
	free(c);
}

void checker__program_started(struct checker *c, pid_t pid)
{
	hash__set(&c->complete, pid, 0, 0); /* without memory its gaps are roots */
}

void checker__process_forked(struct checker *c, pid_t pid)
{
	hash__remove(&c->complete, pid, 0);
}

static double elapsed_ms(const struct timespec *from)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - from->tv_sec) * 1e3 + (now.tv_nsec - from->tv_nsec) / 1e6;
}

/* --- while it is stopped --- */

static int read_registers(struct check *c, const tracer_threads *threads)
{
	size_t i, k;
	int err = 0;

	for (i = 0; i < threads->count && !err; i++) {
		struct registers r;

		/* One that has been killed meanwhile uses nothing any more. */
		if (registers__read(threads->items[i], &r))
			continue;
		err = vector_push(&c->threads, ((struct memory_thread){threads->items[i], r.sp,
								       r.tls, r.ip, r.fp, r.lr}));
		/* Who is about to end uses nothing of what it had in hand. */
		if (c->at_exit && threads->items[i] == c->reader)
			continue;
		for (k = 0; k < r.nr_general && !err; k++)
			err = vector_push(
				&c->registers,
				((struct found_register){
					r.general[k],
					paths__register(c->threads.count - 1, false, k)}));
		for (k = 0; k < r.nr_vectors && !err && !c->at_exit; k++)
			err = vector_push(&c->registers,
					  ((struct found_register){
						  r.vectors[k],
						  paths__register(c->threads.count - 1, true, k)}));
	}
	return err;
}

/* The snapshot's blocks as the judge and the scan want them, by address. */
static int order_blocks(struct check *c)
{
	const struct snapshot *s = c->snapshot;
	size_t i;

	if (s->nr > c->max_blocks) {
		struct judge_block *grown = reallocarray(c->blocks, s->nr, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		c->blocks = grown;
		c->max_blocks = s->nr;
	}
	for (i = 0; i < s->nr; i++)
		c->blocks[i] = (struct judge_block){s->items[i].addr,
						    s->blocks.items[s->items[i].index].block.size};
	return scan__set_blocks(c->scan, c->blocks, s->nr);
}

static bool is_complete(const struct check *c)
{
	struct probe_tables t;

	probe__tables(c->checker->probe, &t);
	return !c->checker->options.partial &&
	       hash__get(&c->checker->complete, c->pid, 0) != HASH_NONE &&
	       !t.losses[MEMLEAK_LOSS_BLOCK_TABLE] && !t.losses[MEMLEAK_LOSS_BLOCK_MEMORY] &&
	       !t.losses[MEMLEAK_LOSS_BLOCK_THREAD] && !t.losses[MEMLEAK_LOSS_BLOCK_POINTER] &&
	       !t.late->count;
}

static int copy_stacks(struct check *c)
{
	struct probe_tables t;

	probe__tables(c->checker->probe, &t);
	return frames__create(c->checker->tables, t.files, c->memory, c->threads.items,
			      c->threads.count, &c->frames);
}

static int read_process(struct check *c, const tracer_threads *threads)
{
	struct timespec start;
	bool changed;
	size_t i;
	int err = read_registers(c, threads);

	clock_gettime(CLOCK_MONOTONIC, &start);
	if (!err)
		err = snapshot__read(c->snapshot, c->checker->probe, &changed);
	if (!err && changed)
		err = order_blocks(c);
	c->table_ms = elapsed_ms(&start);
	if (err)
		return err;
	err = memory__scan(c->memory, c->threads.items, c->threads.count, is_complete(c),
			   c->at_exit, c->scan);
	/* Variables tell more about what keeps a block than registers do: they come first. */
	for (i = 0; i < c->registers.count && !err; i++)
		err = scan__register(c->scan, c->registers.items[i].value,
				     c->registers.items[i].place);
	if (!err && c->checker->options.paths)
		err = copy_stacks(c);
	c->memory_ms = elapsed_ms(&start) - c->table_ms;
	return err;
}

/* --- verdicts --- */

static int find_paths(struct check *c, struct check_types *types,
		      const struct judge_verdict *verdicts, const struct judge_link *chains)
{
	struct probe_tables t;

	probe__tables(c->checker->probe, &t);
	return paths__find(&(struct paths_input){
		.snapshot = c->snapshot,
		.verdicts = verdicts,
		.chains = chains,
		.scan = c->scan,
		.memory = c->memory,
		.threads = c->threads.items,
		.nr_threads = c->threads.count,
		.files = t.files,
		.frames = c->frames,
		.types = types,
	});
}

static int judge(struct check *c)
{
	CLEANUP_FREE struct judge_verdict *verdicts = NULL;
	CLEANUP_FREE struct judge_link *chains = NULL;
	CLEANUP(check_types__release)
	struct check_types types = {.sandbox = c->checker->options.sandbox,
				    .memory = c->memory,
				    .snapshot = c->snapshot};
	struct judge_memory memory = {c->memory, memory__word, memory__is_vtable};
	struct snapshot *s = c->snapshot;
	size_t n = s->nr, i;
	const judge_edges *edges;
	int err;

	verdicts = calloc(n + 1, sizeof(*verdicts));
	if (c->checker->options.paths)
		chains = calloc(n + 1, sizeof(*chains));
	if (!verdicts || (c->checker->options.paths && !chains))
		return -ENOMEM;
	err = scan__finish(c->scan, &edges);
	if (!err)
		err = judge__run(c->blocks, n, edges, &memory, verdicts, chains);
	if (!err)
		err = check_types__of_lost(&types, c->blocks, verdicts);
	if (!err && chains)
		err = find_paths(c, &types, verdicts, chains);
	for (i = 0; i < n && !err; i++) {
		struct snapshot_block *b = &s->blocks.items[s->items[i].index];

		b->verdict = verdicts[i].verdict;
		b->cycle = verdicts[i].cycle;
	}
	return err ? err : cycles__name(s, verdicts);
}

/* --- one check --- */

/* What takes memory, before the process is stopped. */
static int prepare(struct check *c)
{
	int err = snapshot__create(c->checker->probe, c->pid, &c->snapshot);

	if (err)
		return err;
	c->snapshot->at_exit = c->at_exit;
	c->max_blocks = c->snapshot->blocks.capacity;
	c->blocks = calloc(c->max_blocks, sizeof(*c->blocks));
	if (!c->blocks)
		return -ENOMEM;
	memset(c->blocks, 0, c->max_blocks * sizeof(*c->blocks));
	err = scan__create(c->max_blocks * EDGES_PER_BLOCK + MIN_EDGES, &c->scan);
	if (!err)
		err = order_blocks(c);
	if (!err)
		err = memory__create(c->pid, c->reader, &c->memory);
	if (!err && c->checker->options.paths) {
		scan__keep_places(c->scan);
		memory__keep_names(c->memory);
	}
	return err;
}

static int run(struct check *c)
{
	CLEANUP(release_threads) tracer_threads threads = {0};
	struct timespec start;
	double judged_ms;
	int priority, err = prepare(c);

	if (err)
		return err;
	err = snapshot__catch_up(c->snapshot);
	if (err)
		return err;
	clock_gettime(CLOCK_MONOTONIC, &start);
	err = tracer__stop(c->checker->tracer, c->pid, &threads);
	c->stop_ms = elapsed_ms(&start);
	if (err)
		return err;
	/* The process waits for us. */
	priority = getpriority(PRIO_PROCESS, 0);
	setpriority(PRIO_PROCESS, 0, -20);
	err = read_process(c, &threads);
	setpriority(PRIO_PROCESS, 0, priority);
	c->snapshot->pause_ms = elapsed_ms(&start);
	/* At its exit the memory is gone afterwards. */
	if (!c->at_exit)
		tracer__resume(c->checker->tracer, c->pid);
	clock_gettime(CLOCK_MONOTONIC, &start);
	if (!err)
		err = judge(c);
	judged_ms = c->snapshot->judge_ms = elapsed_ms(&start);
	if (c->at_exit) {
		c->snapshot->pause_ms += judged_ms;
		tracer__resume(c->checker->tracer, c->pid);
	}
	if (err)
		return err;
	log_debug("leak check: stopped %.1f ms, table %.1f ms, memory %.1f ms", c->stop_ms,
		  c->table_ms, c->memory_ms);
	log_info("leak check of process %d: %zu blocks, %zu threads, %llu KiB read, stopped for "
		 "%.1f ms, judged in %.1f ms",
		 c->pid, c->snapshot->nr, threads.count,
		 (unsigned long long)memory__bytes_read(c->memory) / 1024, c->snapshot->pause_ms,
		 judged_ms);
	if (memory__bytes_unread(c->memory))
		log_info("leak check of process %d: %llu KiB could not be read", c->pid,
			 (unsigned long long)memory__bytes_unread(c->memory) / 1024);
	snapshot__fit(c->snapshot);
	return collector__show_snapshot(c->checker->collector, TAKE_PTR(c->snapshot));
}

static int check_process(struct checker *checker, pid_t pid, pid_t reader, bool at_exit)
{
	CLEANUP(release_check)
	struct check c = {.checker = checker, .pid = pid, .reader = reader, .at_exit = at_exit};
	int err = run(&c);

	/* It ended meanwhile: it is in the report as one that has ended. */
	if (err && err != -ENOMEM && !process__is_alive(process__live_thread(pid)))
		return -ESRCH;
	if (err == -ETIMEDOUT)
		log_warning("no leak check of process %d: a thread of it could not be stopped",
			    pid);
	else if (err == -EPERM)
		log_warning("no leak check of process %d: somebody else traces it", pid);
	else if (err && err != -ESRCH)
		log_warning("no leak check of process %d: %s", pid, strerror(-err));
	return err;
}

void checker__run_at_exit(struct checker *c, pid_t pid, pid_t tid)
{
	int err = classes__name_wrong_frees(c->options.sandbox, c->collector, pid, tid);

	if (err)
		log_debug("types of wrong frees of process %d: %s", pid, strerror(-err));
	check_process(c, pid, tid, true);
}

typedef VECTOR(pid_t) pid_list;

static void release_pids(pid_list *pids)
{
	vector_release(pids);
}

static int list_process(void *context, const void *key, const void *value)
{
	const struct memleak_process *p = value;

	(void)key;
	return p->shares ? 0 : vector_push((pid_list *)context, (pid_t)p->tgid);
}

int checker__run_one(struct checker *c, pid_t pid)
{
	return check_process(c, pid, process__live_thread(pid), false);
}

int checker__run(struct checker *c)
{
	CLEANUP(release_pids) pid_list pids = {0};
	struct probe_tables t;
	size_t i;
	int err;

	probe__tables(c->probe, &t);
	err = batch__read(t.processes_fd, sizeof(uint32_t), sizeof(struct memleak_process),
			  list_process, &pids);
	for (i = 0; i < pids.count && err != -ENOMEM; i++)
		err = checker__run_one(c, pids.items[i]);
	return err == -ENOMEM ? err : 0;
}
