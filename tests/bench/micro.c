// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The workload: calls malloc and free at the depth it is told, and says how long that took.
 *
 * Time is the thread's processor time: a trap counts, waiting for a busy core does not. Memory
 * for itself is static, so that nobody else calls malloc. The way down goes through functions with
 * frames of different sizes, as programs have them: one that calls itself is found in every cache.
 */
#include "micro.h"

#include <errno.h>
#include <execinfo.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define BLOCK_SIZE 64
#define NR_LINKS   16
#define WARM_UP	   100 /* calls that are not counted */

#ifdef __clang__
#define NOIPA __attribute__((noinline))
#else
#define NOIPA __attribute__((noipa))
#endif

struct job {
	struct micro_order order;
	struct micro_answer answer;
};

static void *blocks[MICRO_MAX_CALLS];

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

/* What happens at the bottom. */
static NOIPA void work(struct job *job)
{
	uint32_t i, calls = job->order.calls;
	uint64_t start, between;
	void *frames[MICRO_MAX_DEPTH];

	/* Another program has had the caches since the last time. */
	for (i = 0; i < WARM_UP; i++)
		free(malloc(BLOCK_SIZE));
	start = now();
	switch (job->order.what) {
	case MICRO_APART:
		for (i = 0; i < calls; i++)
			blocks[i] = malloc(BLOCK_SIZE);
		between = now();
		for (i = 0; i < calls; i++)
			free(blocks[i]);
		job->answer.free_ns = now() - between;
		job->answer.malloc_ns = between - start;
		break;
	case MICRO_PAIR:
		for (i = 0; i < calls; i++)
			free(malloc(BLOCK_SIZE));
		job->answer.pair_ns = now() - start;
		break;
	case MICRO_KEEP:
		for (i = 0; i < calls; i++)
			blocks[0] = malloc(BLOCK_SIZE);
		job->answer.depth = backtrace(frames, MICRO_MAX_DEPTH);
		break;
	}
}

typedef void link_fn(uint32_t left, struct job *job);
static link_fn *const links[NR_LINKS];

static inline void down(uint32_t left, struct job *job)
{
	if (left)
		links[left % NR_LINKS](left, job);
	else
		work(job);
}

#define LINK(n)                                                                                    \
	static NOIPA void link_##n(uint32_t left, struct job *job)                                 \
	{                                                                                          \
		volatile char room[16 * (n) + 8];                                                  \
                                                                                                   \
		room[0] = 0;                                                                       \
		down(left - 1, job);                                                               \
		room[0]++; /* no tail call */                                                      \
	}

/* clang-format off */
LINK(0) LINK(1) LINK(2) LINK(3) LINK(4) LINK(5) LINK(6) LINK(7)
LINK(8) LINK(9) LINK(10) LINK(11) LINK(12) LINK(13) LINK(14) LINK(15)
	/* clang-format on */

	static link_fn *const links[NR_LINKS] = {
		link_0, link_1, link_2,	 link_3,  link_4,  link_5,  link_6,  link_7,
		link_8, link_9, link_10, link_11, link_12, link_13, link_14, link_15,
};

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static int transfer(ssize_t done, size_t size)
{
	return done == (ssize_t)size ? 0 : -EPIPE;
}

int main(int argc, char **argv)
{
	struct job job = {.order = {.what = MICRO_KEEP}};
	uint32_t least;

	if (argc > 1 && atoi(argv[1]) >= 0)
		pin(atoi(argv[1]));
	/* How deep this function's own callee is; backtrace() allocates when it is first called. */
	down(0, &job);
	least = job.answer.depth;
	while (!transfer(read(MICRO_FD_ORDERS, &job.order, sizeof(job.order)), sizeof(job.order))) {
		job.answer = (struct micro_answer){0};
		if (job.order.calls > MICRO_MAX_CALLS || job.order.depth > MICRO_MAX_DEPTH)
			return 2;
		down(job.order.depth > least ? job.order.depth - least : 0, &job);
		if (transfer(write(MICRO_FD_ANSWERS, &job.answer, sizeof(job.answer)),
			     sizeof(job.answer)))
			return 1;
	}
	return 0;
}
