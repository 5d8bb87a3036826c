// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "probe/trend.h"

#define SECOND 1000000000ULL

/* Reports, one each second: so many blocks that the one before knew, and so many new ones. */
struct run {
	struct trend trend;
	uint64_t seq, now_ns, since_ns;
};

static enum profile_trend look(struct run *r, uint64_t old, uint64_t born)
{
	struct trend_look l = {.alive = old + born, .old = old, .last_ns = r->now_ns};

	r->now_ns += SECOND;
	l.now_ns = r->now_ns;
	l.seq = ++r->seq;
	trend__look(&r->trend, &l);
	return trend__judge(&r->trend, r->now_ns, &r->since_ns);
}

static void test_leak(void **state)
{
	struct run r = {.now_ns = 100 * SECOND};
	uint64_t i;

	(void)state;
	assert_int_equal(look(&r, 0, 5), PROFILE_TREND_NONE);
	assert_int_equal(look(&r, 5, 5), PROFILE_TREND_NONE);
	for (i = 2; i < 50; i++) {
		assert_int_equal(look(&r, 5 * i, 5), PROFILE_TREND_GROWS);
		assert_int_equal(r.since_ns, 100 * SECOND);
	}
	/* One is freed: it counts from there. */
	look(&r, 5 * 50 - 1, 5);
	for (i = 0; i < 3; i++)
		look(&r, 254 + 5 * i, 5);
	assert_int_equal(look(&r, 254 + 15, 5), PROFILE_TREND_GROWS);
	assert_int_equal(r.since_ns, 151 * SECOND);
}

/* One block in ten reports is as steady as one in each. */
static void test_slow_leak(void **state)
{
	struct run r = {.now_ns = SECOND};
	uint64_t i;

	(void)state;
	for (i = 0; i < 60; i++) {
		enum profile_trend t = look(&r, (i + 9) / 10, i % 10 == 0);

		if (i >= 20)
			assert_int_equal(t, PROFILE_TREND_GROWS);
	}
}

static void test_settled(void **state)
{
	struct run r = {.now_ns = SECOND};
	uint64_t i;

	(void)state;
	for (i = 0; i < 10; i++)
		look(&r, 7 * i, 7);
	for (i = 0; i < 2; i++)
		look(&r, 70, 0);
	for (i = 0; i < 20; i++) {
		assert_int_equal(look(&r, 70, 0), PROFILE_TREND_UNCHANGED);
		assert_int_equal(r.since_ns, 11 * SECOND);
	}
}

static void test_cache(void **state)
{
	struct run r = {.now_ns = SECOND};
	uint64_t i;

	(void)state;
	for (i = 0; i < 10; i++)
		look(&r, 10 * i, 10); /* it fills */
	for (i = 0; i < 8; i++)
		look(&r, 90, 10);
	for (i = 0; i < 20; i++) {
		assert_int_equal(look(&r, 90, 10), PROFILE_TREND_TURNS_OVER);
		assert_int_equal(r.since_ns, 0);
	}
}

static void test_rising(void **state)
{
	struct run r = {.now_ns = SECOND};
	uint64_t i;

	(void)state;
	for (i = 0; i < 8; i++)
		look(&r, i ? 100 + 5 * (i - 1) - 3 : 0, i ? 8 : 100);
	assert_int_equal(look(&r, 100 + 35 - 3, 8), PROFILE_TREND_RISES);
}

/* A stack that had no blocks for a while begins anew. */
static void test_gap(void **state)
{
	struct run r = {.now_ns = SECOND};
	uint64_t i;

	(void)state;
	for (i = 0; i < 5; i++)
		look(&r, i, 1);
	r.seq++;
	r.now_ns += SECOND;
	assert_int_equal(look(&r, 0, 1), PROFILE_TREND_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_leak),	cmocka_unit_test(test_slow_leak),
		cmocka_unit_test(test_settled), cmocka_unit_test(test_cache),
		cmocka_unit_test(test_rising),	cmocka_unit_test(test_gap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
