/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MEMLEAK_BPF_SAMPLE_H
#define MEMLEAK_BPF_SAMPLE_H

/*
 * Sampling: which allocations are followed, and what a followed one counts for. Pure functions that
 * both sides share, so that what the kernel adds up and what user space adds up are the same
 * numbers.
 *
 * Every allocation is drawn for by itself: with a chance p that depends on nothing but its size. A
 * followed one stands for 1/p allocations (the Horvitz-Thompson estimator, 1952): all sums made so
 * are unbiased, and the sum of y^2 (1 - p) / p^2 over the followed ones estimates their variance
 * without bias.
 *
 *   --sample-rate N    p = 1 / N
 *   --sample-bytes B   p = 1 - exp(-size / B): the chance that a Poisson process with one event
 *                      every B bytes has one in this block
 *
 * The inverse is taken of the chance as it is computed here, in 32 bits, so that its rounding adds
 * no bias.
 */

#ifdef __bpf__
#include "vmlinux/vmlinux.h"
#else
#include <linux/types.h>
#include <stdbool.h>
#endif

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

/* All allocations: rate 1 and mean 0. At most one of the two is set. */
struct sample {
	__u32 rate;   /* one in so many; 1: all */
	__u32 mean;   /* bytes; 0: not by size */
	__u64 weight; /* bytes that a block stands for that the process drew itself; 0: it has not
		       */
};

#define SAMPLE_ONE	   (1ULL << 32)	 /* the chance of what is certain */
#define SAMPLE_WEIGHT_ONE  (1ULL << 16)	 /* the weight of what stands for itself */
#define SAMPLE_LARGE_MEANS 22		 /* 1 - exp(-22) is 1 in 32 bits */
#define SAMPLE_INVERSE_E   1580030169ULL /* 2^32 / e */

/* 2^32 (1 - exp(-f / 2^32)) for f < 2^32, by its series: f (1 - f/2 (1 - f/3 (1 - ...))). */
static __always_inline __u64 sample_one_minus_exp(__u64 f)
{
	__u64 sum = SAMPLE_ONE;

#define SAMPLE_TERM(i) sum = SAMPLE_ONE - ((((f * sum) >> 32) * (SAMPLE_ONE / (i))) >> 32)
	SAMPLE_TERM(12);
	SAMPLE_TERM(11);
	SAMPLE_TERM(10);
	SAMPLE_TERM(9);
	SAMPLE_TERM(8);
	SAMPLE_TERM(7);
	SAMPLE_TERM(6);
	SAMPLE_TERM(5);
	SAMPLE_TERM(4);
	SAMPLE_TERM(3);
	SAMPLE_TERM(2);
#undef SAMPLE_TERM
	return (f * sum) >> 32;
}

/* The inverse of the weight: for variances, so a few bits less do no harm. */
static __always_inline __u64 sample_chance_of_weight(__u64 size, __u64 weight)
{
	__u64 chance;

	if (size >= weight)
		return SAMPLE_ONE;
	while (weight >> 31) {
		weight >>= 1;
		size >>= 1;
	}
	chance = (size << 32) / weight;
	return chance ? chance : 1;
}

/* The chance of a block of @size bytes, 1 to SAMPLE_ONE. malloc(0) counts as a byte. */
static __always_inline __u64 sample_chance(struct sample s, __u64 size)
{
	__u64 means, chance, rest = SAMPLE_ONE;
	int i;

	if (s.weight)
		return sample_chance_of_weight(size, s.weight);
	if (!s.mean)
		return (SAMPLE_ONE + s.rate - 1) / s.rate;
	size = size ? size : 1;
	means = size / s.mean;
	if (means >= SAMPLE_LARGE_MEANS)
		return SAMPLE_ONE;
	chance = sample_one_minus_exp(((size % s.mean) << 32) / s.mean);
	if (!means)
		return chance ? chance : 1;
	for (i = 0; i < SAMPLE_LARGE_MEANS && i < (int)means; i++)
		rest = (rest * SAMPLE_INVERSE_E) >> 32;
	return SAMPLE_ONE - ((rest * (SAMPLE_ONE - chance)) >> 32);
}

/*
 * Whether @random, 32 random bits, say that a block of @size bytes is followed: whether they are
 * below its chance. Nearly all are told without a division, as 1 - exp(-x) is below x.
 */
static __always_inline bool sample_draw(struct sample s, __u64 size, __u32 random)
{
	if (!s.weight && !s.mean)
		return (__u64)random * s.rate < SAMPLE_ONE;
	if (!s.weight && size && size < SAMPLE_ONE && (__u64)random * s.mean >= size << 32)
		return false;
	return random < sample_chance(s, size);
}

/* What a followed block stands for. */
struct sample_weight {
	__u64 blocks; /* in 1/SAMPLE_WEIGHT_ONE */
	__u64 bytes;
};

static __always_inline struct sample_weight sample_weigh(struct sample s, __u64 size)
{
	struct sample_weight w = {.blocks = SAMPLE_WEIGHT_ONE, .bytes = size};
	__u64 chance;

	if (s.weight) {
		/* With 0 bytes a block counts as one when it is drawn, and as none in the sum. */
		w.blocks = s.weight * SAMPLE_WEIGHT_ONE / (size ? size : 1);
		w.bytes = size ? s.weight : 0;
		return w;
	}
	if (!s.mean) {
		/* What a person asked for; its inverse differs by less than one in 2^32 / rate. */
		w.blocks *= s.rate;
		w.bytes *= s.rate;
		return w;
	}
	chance = sample_chance(s, size);
	if (chance == SAMPLE_ONE)
		return w;
	w.blocks = (SAMPLE_WEIGHT_ONE << 32) / chance;
	/* A chance below one means a size below 22 times a mean of 32 bits: less than 2^37. */
	w.bytes = size >> 31 ? (((size >> 8) << 32) / chance) << 8 : (size << 32) / chance;
	return w;
}

#endif
