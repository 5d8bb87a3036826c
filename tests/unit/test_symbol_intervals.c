// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/test_symbol.h"

#include "symbol/intervals.h"

#define SPAN 300 /* addresses in the random tests */

static void test_empty(void **state)
{
	struct intervals s = {0};

	(void)state;
	assert_int_equal(intervals__settle(&s, INTERVALS_INNERMOST), 0);
	assert_int_equal(intervals__find(&s, 0), INTERVALS_NONE);
	assert_int_equal(intervals__add(&s, 5, 5, 1), 0);
	assert_int_equal(intervals__add(&s, 9, 3, 1), 0);
	assert_int_equal(intervals__settle(&s, INTERVALS_LATEST), 0);
	assert_int_equal(intervals__find(&s, 5), INTERVALS_NONE);
	intervals__release(&s);
}

static void test_limits(void **state)
{
	struct intervals s = {0};

	(void)state;
	assert_int_equal(intervals__add(&s, 0, 1, 1), 0);
	assert_int_equal(intervals__add(&s, UINT64_MAX - 1, UINT64_MAX, 2), 0);
	assert_int_equal(intervals__settle(&s, INTERVALS_INNERMOST), 0);
	assert_int_equal(intervals__find(&s, 0), 1);
	assert_int_equal(intervals__find(&s, 1), INTERVALS_NONE);
	assert_int_equal(intervals__find(&s, UINT64_MAX - 1), 2);
	assert_int_equal(intervals__find(&s, UINT64_MAX), INTERVALS_NONE);
	intervals__release(&s);
}

struct range {
	uint64_t start, end;
};

/* Which range holds @addr, by looking at all of them. */
static uint32_t find_slowly(const struct range *r, size_t n, uint64_t addr,
			    enum intervals_rule rule)
{
	uint32_t best = INTERVALS_NONE;
	size_t i;

	for (i = 0; i < n; i++) {
		if (addr < r[i].start || addr >= r[i].end)
			continue;
		if (best == INTERVALS_NONE || rule == INTERVALS_LATEST ||
		    r[i].start > r[best].start ||
		    (r[i].start == r[best].start && r[i].end <= r[best].end))
			best = i;
	}
	return best;
}

static void compare_random(enum intervals_rule rule)
{
	unsigned int seed = 7, round;

	for (round = 0; round < 500; round++) {
		struct range r[60];
		struct intervals s = {0};
		size_t n = rand_r(&seed) % ARRAY_SIZE(r), i;
		uint64_t addr;

		for (i = 0; i < n; i++) {
			r[i].start = rand_r(&seed) % SPAN;
			r[i].end = r[i].start + rand_r(&seed) % (round % 2 ? 20 : SPAN);
			assert_int_equal(intervals__add(&s, r[i].start, r[i].end, i), 0);
		}
		assert_int_equal(intervals__settle(&s, rule), 0);
		assert_true(s.v.count <= 2 * n + 1);
		for (addr = 0; addr < 2 * SPAN; addr++)
			assert_int_equal(intervals__find(&s, addr), find_slowly(r, n, addr, rule));
		intervals__release(&s);
	}
}

static void test_innermost(void **state)
{
	(void)state;
	compare_random(INTERVALS_INNERMOST);
}

static void test_latest(void **state)
{
	(void)state;
	compare_random(INTERVALS_LATEST);
}

/* Nested a hundred thousand deep: nothing here may be quadratic. */
static void test_deep(void **state)
{
	struct intervals s = {0};
	uint32_t i, n = 100000;

	(void)state;
	for (i = 0; i < n; i++)
		assert_int_equal(intervals__add(&s, i, 2 * n - i, i), 0);
	assert_int_equal(intervals__settle(&s, INTERVALS_INNERMOST), 0);
	for (i = 0; i < n; i++) {
		assert_int_equal(intervals__find(&s, i), i);
		assert_int_equal(intervals__find(&s, 2 * n - 1 - i), i);
	}
	intervals__release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),	  cmocka_unit_test(test_limits),
		cmocka_unit_test(test_innermost), cmocka_unit_test(test_latest),
		cmocka_unit_test(test_deep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
