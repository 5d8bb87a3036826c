// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Which blocks are told of where only samples are: those in which a Poisson process has an event,
 * one every hook_mean bytes on average. Its events are as far apart as exponential variables; every
 * thread counts down to its next one. That is the chance of bpf/sample.h, so the weight is that
 * one's too.
 */
#include <pthread.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bpf/sample.h"
#include "hook.h"

uint32_t hook_mean;
bool hook_may_be_quick;

/* Both the mode and the next definitions are to be known: whichever is found last. */
void hook_choose_quick(void)
{
	if (hook_mode == HOOK_SAMPLED && hook_is_over_libc())
		__atomic_store_n(&hook_may_be_quick, true, __ATOMIC_RELEASE);
}

/* splitmix64 (Steele, Lea and Flood, 2014): the state counts up, this makes the number of it. */
#define STEP 0x9e3779b97f4a7c15ULL

static uint64_t scramble(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

static uint64_t next_random(struct hook_thread *t)
{
	return scramble(t->random += STEP);
}

/*
 * Bits that nobody can predict, and that differ in each thread of each process, forked ones too:
 * scrambled, or the numbers of one thread would be the next one's a step later.
 */
static uint64_t seed(void)
{
	const uint64_t *given = (const uint64_t *)getauxval(AT_RANDOM);

	return scramble((given ? given[0] : 0) ^ scramble(syscall(SYS_gettid)));
}

/* -ln(u) for a u of (0, 1] with 53 bits, by 2 artanh((m - 1) / (m + 1)): exact to 1 in 10^13. */
static double exponential(uint64_t random)
{
	union {
		double d;
		uint64_t bits;
	} u = {.d = ((random >> 11) + 1) * 0x1p-53};
	int exponent = (int)(u.bits >> 52) - 1022;
	double t, t2, sum = 0;
	int i;

	u.bits = (u.bits & ((1ULL << 52) - 1)) | 1022ULL << 52; /* [0.5, 1) */
	if (u.d < 0.70710678118654752440) {
		u.d *= 2;
		exponent--;
	}
	t = (u.d - 1) / (u.d + 1);
	t2 = t * t;
	for (i = 17; i > 0; i -= 2)
		sum = sum * t2 + 1.0 / i;
	return -(2 * t * sum + exponent * 0.69314718055994530942);
}

static void draw_next(struct hook_thread *t)
{
	*hook_countdown(t) = 1 + (uint64_t)(exponential(next_random(t)) * hook_mean);
}

bool hook_draw(struct hook_thread *t, size_t size, uint64_t *weight)
{
	struct sample s = {.rate = 1, .mean = hook_mean};

	if (!t->random)
		t->random = seed() | 1;
	if (!*hook_countdown(t)) {
		draw_next(t);
		if (hook_count_down(t, size))
			return false;
	}
	draw_next(t);
	*weight = sample_weigh(s, hook_bytes(size)).bytes;
	return true;
}

static void begin_anew(void)
{
	hook_thread.random = 0;
	*hook_countdown(&hook_thread) = 0;
}

void hook_draw_in_children(void)
{
	/* If there is no memory for it, the chance of each block is what it is all the same. */
	pthread_atfork(NULL, NULL, begin_anew);
}
