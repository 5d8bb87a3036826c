// SPDX-License-Identifier: GPL-2.0-or-later
/* The chances and weights of sampling, as both sides compute them. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bpf/sample.h"

#define RUNS	    200
#define ALLOCATIONS 400000

/* splitmix64 (Steele, Lea, Flood 2014): the same numbers in every run of the test. */
static uint64_t random_state;

static uint32_t random_bits(void)
{
	uint64_t z = random_state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return (z ^ (z >> 31)) >> 32;
}

/* Sizes as programs have them: many small ones, few large ones. */
static uint64_t size_of(unsigned int i)
{
	return i % 100 == 99 ? 10000 + i % 7 * 3000 : 16 + i % 50 * 40;
}

static double chance_of(struct sample s, uint64_t size)
{
	return s.mean ? -expm1(-(double)(size ? size : 1) / s.mean) : 1.0 / s.rate;
}

static void chance_is_that_of_a_poisson_process(void **state)
{
	static const uint32_t means[] = {1, 2, 1000, 4096, 524288, 1 << 30, UINT32_MAX};
	double size, wanted, is;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(means) / sizeof(*means); i++) {
		struct sample s = {.rate = 1, .mean = means[i]};

		for (size = 1; size < 0x1p48; size = floor(size * 1.07) + 1) {
			wanted = chance_of(s, size);
			is = sample_chance(s, size) / 0x1p32;
			/* Rounded to 32 bits a few times, and never to 0. */
			if (fabs(is - wanted) > 0x1p-30)
				fail_msg("%.0f of %u: %.12f, not %.12f", size, means[i], is,
					 wanted);
			assert_true(is > 0 && is <= 1);
		}
	}
}

static void all_of_them_weigh_one(void **state)
{
	const struct sample all = {.rate = 1};
	struct sample_weight w = sample_weigh(all, UINT64_MAX);

	(void)state;
	assert_true(sample_draw(all, 0, UINT32_MAX));
	assert_true(w.blocks == SAMPLE_WEIGHT_ONE);
	assert_true(w.bytes == UINT64_MAX);
}

static void weight_is_the_inverse_of_the_chance(void **state)
{
	struct sample s = {.rate = 1, .mean = 524288};
	struct sample_weight w;
	uint64_t size;

	(void)state;
	for (size = 1; size < 1ULL << 40; size = size * 9 / 8 + 1) {
		double inverse = 0x1p32 / sample_chance(s, size);

		w = sample_weigh(s, size);
		assert_true(fabs(w.blocks / 0x1p16 - inverse) <= 0x1p-16);
		assert_true(fabs(w.bytes - size * inverse) <= 1 + size * 1e-6);
	}
	s.mean = 0;
	s.rate = 100;
	w = sample_weigh(s, 12345);
	assert_true(w.blocks == 100 * SAMPLE_WEIGHT_ONE);
	assert_true(w.bytes == 1234500);
}

/* Of every chance the numbers right below and above it, and some that are far away. */
static void drawn_is_what_is_below_the_chance(void **state)
{
	const struct sample samples[] = {
		{.rate = 1},
		{.rate = 2},
		{.rate = 3},
		{.rate = 100},
		{.rate = 1000000},
		{.rate = UINT32_MAX},
		{.rate = 1, .mean = 1},
		{.rate = 1, .mean = 4096},
		{.rate = 1, .mean = 524289},
		{.rate = 1, .mean = ~0U},
		{.rate = 1, .weight = 513},
	};
	size_t i, k;

	(void)state;
	for (i = 0; i < sizeof(samples) / sizeof(*samples); i++) {
		uint64_t size;

		for (size = 0; size < 1ULL << 42; size = size * 5 / 4 + 1) {
			uint64_t chance = sample_chance(samples[i], size);
			uint32_t random[] = {0,		 1,	     chance - 2,    chance - 1,
					     chance,	 chance + 1, random_bits(), chance * 2,
					     chance / 2, UINT32_MAX};

			for (k = 0; k < sizeof(random) / sizeof(*random); k++)
				if (sample_draw(samples[i], size, random[k]) !=
				    (random[k] < chance))
					fail_msg("rate %u, mean %u, size %llu, random %u",
						 samples[i].rate, samples[i].mean,
						 (unsigned long long)size, random[k]);
		}
	}
}

static void expect_near(const char *what, double is, double wanted, double limit)
{
	if (fabs(is / wanted - 1) > limit)
		fail_msg("%s: %g, expected %g", what, is, wanted);
}

/*
 * Over 200 runs the mean of the estimates is the truth, their spread is the one of theory, and so
 * is the error that is stated. The limits are about four standard deviations of each.
 */
static void expect_unbiased(struct sample s)
{
	double truth = 0, variance = 0, sum = 0, squares = 0, stated = 0;
	unsigned int run, i;

	for (i = 0; i < ALLOCATIONS; i++) {
		double size = size_of(i), p = chance_of(s, size);

		truth += size;
		variance += size * size * (1 - p) / p;
	}
	for (run = 0; run < RUNS; run++) {
		double estimate = 0;

		random_state = run * 1000003;
		for (i = 0; i < ALLOCATIONS; i++) {
			uint64_t size = size_of(i);
			struct sample_weight w;
			double weight;

			if (!sample_draw(s, size, random_bits()))
				continue;
			w = sample_weigh(s, size);
			weight = (double)w.blocks / SAMPLE_WEIGHT_ONE;
			estimate += w.bytes;
			stated += size * size * (weight * weight - weight) / RUNS;
		}
		sum += estimate;
		squares += (estimate - truth) * (estimate - truth);
	}
	expect_near("mean", sum / RUNS, truth, 0.01);
	expect_near("spread", sqrt(squares / RUNS), sqrt(variance), 0.2);
	expect_near("stated error", sqrt(stated), sqrt(variance), 0.02);
}

static void estimates_are_unbiased(void **state)
{
	(void)state;
	expect_unbiased((struct sample){.rate = 2});
	expect_unbiased((struct sample){.rate = 100});
	expect_unbiased((struct sample){.rate = 1, .mean = 4096});
	expect_unbiased((struct sample){.rate = 1, .mean = 524288});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chance_is_that_of_a_poisson_process),
		cmocka_unit_test(all_of_them_weigh_one),
		cmocka_unit_test(weight_is_the_inverse_of_the_chance),
		cmocka_unit_test(drawn_is_what_is_below_the_chance),
		cmocka_unit_test(estimates_are_unbiased),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
