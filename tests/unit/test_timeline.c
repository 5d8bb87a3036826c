// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "probe/timeline.h"
#include "util/cleanup.h"

#define PROCESS(image_, bytes_)                                                                    \
	{                                                                                          \
		.image = (image_), .whole = true, .bytes = (bytes_)                                \
	}
#define HOLDS(image_, stack_, bytes_)                                                              \
	{                                                                                          \
		.image = (image_), .stack = (stack_), .bytes = (bytes_)                            \
	}

#define ADD(t, at, peek, ...)                                                                      \
	do {                                                                                       \
		struct timeline_row rows_[] = {__VA_ARGS__};                                       \
                                                                                                   \
		assert_int_equal(timeline__add((t), (at), (peek), rows_, ARRAY_SIZE(rows_)), 0);   \
	} while (0)

static const struct timeline_series *find(const struct timeline *t, uint32_t image, bool whole,
					  uint64_t stack)
{
	size_t i;

	for (i = 0; i < t->series.count; i++) {
		const struct timeline_series *s = &t->series.items[i];

		if (s->key.image == image && s->key.whole == whole && s->key.stack == stack)
			return s;
	}
	return NULL;
}

static uint64_t last(const struct timeline_series *s)
{
	assert_non_null(s);
	return s->points.items[s->points.count - 1].bytes;
}

static void rows_of_one_stack_add_up(void **state)
{
	CLEANUP(timeline__release) struct timeline t = {0};
	struct timeline_row other = HOLDS(1, 5, 4);

	(void)state;
	other.family = 2;
	ADD(&t, 1, false, HOLDS(1, 5, 10), PROCESS(2, 7), HOLDS(1, 5, 20), PROCESS(1, 99), other,
	    HOLDS(2, 5, 7));
	assert_int_equal(t.series.count, 5);
	assert_int_equal(last(find(&t, 1, true, 0)), 99);
	assert_int_equal(last(find(&t, 2, true, 0)), 7);
	assert_int_equal(last(find(&t, 2, false, 5)), 7);
	assert_int_equal(last(&t.series.items[1]) + last(&t.series.items[2]), 34);
}

/* A stack joins among the first ten, stays among the first twenty, and is forgotten then, unless it
 * was among the ten largest ever. */
static void the_largest_are_followed(void **state)
{
	CLEANUP(timeline__release) struct timeline t = {0};
	struct timeline_row rows[61];
	uint64_t round, i, bytes;

	(void)state;
	for (round = 0; round < 4; round++) {
		rows[60] = (struct timeline_row)PROCESS(1, 1000);
		for (i = 0; i < 60; i++)
			rows[i] = (struct timeline_row)HOLDS(1, i, 1000 - i);
		/* Numbers 3 and 9 become less and less, 20 to 29 were larger than 9 once. */
		rows[3].bytes = 997 - round * 7;
		rows[9].bytes = 991 - round * 7;
		for (i = 20; i < 30; i++)
			rows[i].bytes += round == 1 ? 500 : 0;
		assert_int_equal(timeline__add(&t, round, false, rows, 61), 0);
		assert_true(t.series.count <= 31);
		assert_int_equal(find(&t, 1, true, 0)->points.count, round + 1);
		assert_int_equal(find(&t, 1, false, 0)->points.count, round + 1);
		assert_int_equal(!find(&t, 1, false, 9), round > 0);
		assert_int_equal(!find(&t, 1, false, 25), round < 1);
		assert_null(find(&t, 1, false, 35));
	}
	bytes = last(find(&t, 1, false, 25));
	assert_int_equal(bytes, 975);
	assert_int_equal(find(&t, 1, false, 25)->most, 1475);
	assert_int_equal(find(&t, 1, false, 25)->start, 1);
}

static void what_was_freed_and_what_ended_is_kept(void **state)
{
	CLEANUP(timeline__release) struct timeline t = {0};

	(void)state;
	ADD(&t, 1, false, PROCESS(1, 10), HOLDS(1, 5, 10), PROCESS(2, 20), HOLDS(2, 6, 20));
	ADD(&t, 2, false, PROCESS(2, 0));
	ADD(&t, 3, false, PROCESS(2, 0));
	assert_int_equal(find(&t, 2, false, 6)->points.count, 3);
	assert_int_equal(last(find(&t, 2, false, 6)), 0);
	assert_int_equal(find(&t, 2, true, 0)->points.count, 3);
	assert_int_equal(find(&t, 1, true, 0)->points.count, 1);
	assert_int_equal(last(find(&t, 1, false, 5)), 10);
}

static void a_peek_leaves_no_point(void **state)
{
	CLEANUP(timeline__release) struct timeline t = {0};
	const struct timeline_series *s;

	(void)state;
	ADD(&t, 1, false, PROCESS(1, 10));
	ADD(&t, 1.5, true, PROCESS(1, 15));
	assert_int_equal(last(find(&t, 1, true, 0)), 15);
	ADD(&t, 1.6, true, PROCESS(1, 16));
	ADD(&t, 2, false, PROCESS(1, 20));
	s = find(&t, 1, true, 0);
	assert_int_equal(s->points.count, 2);
	assert_true(s->points.items[0].at_s == 1 && s->points.items[1].at_s == 2);
}

/* However long a run is: the first point and the last are there, the others at even distances. */
static void long_runs_lose_resolution(void **state)
{
	CLEANUP(timeline__release) struct timeline t = {0};
	const struct timeline_series *s;
	uint32_t n, i;

	(void)state;
	for (n = 0; n < 5 * PROFILE_POINTS_MAX; n++) {
		if (n < 3)
			ADD(&t, n, false, PROCESS(1, n), PROCESS(2, n));
		else if (n < 150)
			ADD(&t, n, false, PROCESS(1, n));
		else
			ADD(&t, n, false, PROCESS(1, n), PROCESS(3, n));
		s = find(&t, 1, true, 0);
		assert_in_range(s->points.count, n < PROFILE_POINTS_MAX ? n + 1 : 100,
				PROFILE_POINTS_MAX);
		assert_true(s->points.items[0].at_s == 0);
		assert_int_equal(last(s), n);
		assert_int_equal(s->points.count, t.count);
	}
	for (i = 1; i + 1 < s->points.count; i++)
		assert_true(s->points.items[i].at_s == 8 * i);
	s = find(&t, 3, true, 0);
	assert_true(s->points.items[0].at_s == 152);
	assert_int_equal(last(s), n - 1);
	/* What has ended keeps its last point. */
	s = find(&t, 2, true, 0);
	assert_int_equal(s->points.count, 2);
	assert_int_equal(last(s), 2);
}

struct sum {
	size_t series, points;
	uint64_t bytes;
};

static int sum_of_last(void *context, const struct timeline_series *s)
{
	struct sum *sum = context;

	sum->series++;
	sum->points += s->points.count;
	sum->bytes += last(s);
	return 0;
}

/* Also at a report that leaves no other point, but not at a peek, after which it is told again. */
static void the_end_stays(void **state)
{
	CLEANUP(timeline__release) struct timeline t = {0};
	struct sum sum = {0};
	struct timeline_row end[] = {PROCESS(2, 77), HOLDS(2, 5, 77), PROCESS(1, 1)};
	uint32_t n;

	(void)state;
	end[0].ended = end[1].ended = true;
	for (n = 0; n <= PROFILE_POINTS_MAX; n++)
		ADD(&t, n, false, PROCESS(1, 1), PROCESS(2, n), HOLDS(2, 5, n));
	assert_int_equal(t.stride, 2);
	assert_int_equal(timeline__add(&t, n, true, end, 3), 0);
	assert_int_equal(timeline__add(&t, n + 1, false, end, 3), 0);
	assert_true(t.provisional);
	for (; n < 5 * PROFILE_POINTS_MAX; n++)
		ADD(&t, n + 2, false, PROCESS(1, 1));
	/* Then it is put away, and not touched any more. */
	assert_null(find(&t, 2, true, 0));
	assert_null(find(&t, 2, false, 5));
	assert_int_equal(timeline__for_each(&t, sum_of_last, &sum), 0);
	assert_int_equal(sum.series, 3);
	assert_int_equal(sum.bytes, 77 + 77 + 1);
	assert_int_equal(sum.points, 102 + 102 + t.count);
}

/* What ended at any moment before everything is halved gets no point after that, and loses none. */
static void ends_before_halving(void **state)
{
	uint32_t end, n;

	(void)state;
	for (end = PROFILE_POINTS_MAX - 3; end <= PROFILE_POINTS_MAX + 3; end++) {
		CLEANUP(timeline__release) struct timeline t = {0};

		for (n = 0; n < PROFILE_POINTS_MAX + 6; n++) {
			if (n < end)
				ADD(&t, n, n % 2, PROCESS(1, n), PROCESS(2, n));
			else
				ADD(&t, n, n % 2, PROCESS(1, n));
		}
		assert_in_range(last(find(&t, 2, true, 0)), end - 2, end - 1);
		for (n = 0; n < PROFILE_POINTS_MAX; n++)
			ADD(&t, 1000 + n, false, PROCESS(1, n));
		assert_in_range(last(find(&t, 2, true, 0)), end - 2, end - 1);
	}
}

static struct profile_point *copied(struct timeline *t, struct profile *p, uint64_t stack,
				    struct profile_history *history)
{
	assert_int_equal(timeline__copy(find(t, 1, false, stack), p, history), 0);
	return &p->points.items[history->first];
}

/* Stacks of the kernel that are one in the profile. */
static void copies_add_up(void **state)
{
	CLEANUP(timeline__release) struct timeline t = {0};
	struct profile *p = profile__create();
	struct profile_history history = {0}, other = {0};
	struct profile_point *points;

	(void)state;
	ADD(&t, 1, false, PROCESS(1, 9), HOLDS(1, 5, 10));
	ADD(&t, 2, false, PROCESS(1, 9), HOLDS(1, 5, 20), HOLDS(1, 6, 5));
	ADD(&t, 3, false, PROCESS(1, 9), HOLDS(1, 5, 30), HOLDS(1, 6, 7));
	points = copied(&t, p, 5, &history);
	assert_int_equal(history.count, 3);
	assert_int_equal(points[2].bytes, 30);
	points = copied(&t, p, 6, &history);
	assert_int_equal(history.count, 3);
	assert_int_equal(points[0].bytes, 10);
	assert_int_equal(points[1].bytes, 25);
	assert_int_equal(points[2].bytes, 37);
	assert_true(points[0].at_s == 1 && points[2].at_s == 3);
	copied(&t, p, 6, &other);
	points = copied(&t, p, 5, &other);
	assert_int_equal(other.count, 3);
	assert_int_equal(points[0].bytes, 10);
	assert_int_equal(points[1].bytes, 25);
	assert_int_equal(points[2].bytes, 37);
	profile__destroy(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_of_one_stack_add_up),
		cmocka_unit_test(the_largest_are_followed),
		cmocka_unit_test(what_was_freed_and_what_ended_is_kept),
		cmocka_unit_test(a_peek_leaves_no_point),
		cmocka_unit_test(copies_add_up),
		cmocka_unit_test(long_runs_lose_resolution),
		cmocka_unit_test(the_end_stays),
		cmocka_unit_test(ends_before_halving),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
