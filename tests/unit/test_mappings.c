// SPDX-License-Identifier: GPL-2.0-or-later
/* The table of mappings: parts, overlaps, replacement, a failed munmap; at the end against a model.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "probe/mappings.h"

#define PAGE ((uint64_t)sysconf(_SC_PAGESIZE))
#define BASE 0x10000000ULL

static void map(struct mappings *m, uint32_t image, uint64_t page, uint64_t size)
{
	struct mapping x = {.image = image, .start = BASE + page * PAGE};

	x.asked_end = x.start + size;
	assert_int_equal(mappings__map(m, &x), 0);
}

static void unmap(struct mappings *m, uint32_t image, uint64_t page, uint64_t pages)
{
	assert_int_equal(mappings__unmap(m, image, BASE + page * PAGE, pages * PAGE, 1), 0);
}

static uint64_t bytes(const struct mappings *m, uint32_t image, size_t *count)
{
	uint64_t sum = 0;
	size_t i;

	*count = 0;
	for (i = 0; i < m->list.count; i++) {
		if (m->list.items[i].image != image)
			continue;
		sum += m->list.items[i].asked_end - m->list.items[i].start;
		(*count)++;
	}
	return sum;
}

#define assert_holds(m, image, expected_count, expected_bytes)                                     \
	do {                                                                                       \
		size_t count_;                                                                     \
		uint64_t bytes_ = bytes(m, image, &count_);                                        \
		assert_int_equal(count_, expected_count);                                          \
		assert_int_equal(bytes_, expected_bytes);                                          \
	} while (0)

static void test_parts(void **state)
{
	struct mappings m = {0};

	(void)state;
	map(&m, 1, 0, 16 * PAGE);
	unmap(&m, 1, 8, 8); /* the tail half */
	assert_holds(&m, 1, 1, 8 * PAGE);
	unmap(&m, 1, 0, 1); /* the first page */
	assert_holds(&m, 1, 1, 7 * PAGE);
	unmap(&m, 1, 3, 2); /* a hole */
	assert_holds(&m, 1, 2, 5 * PAGE);
	unmap(&m, 1, 0, 100); /* all pieces at once */
	assert_holds(&m, 1, 0, 0);
	mappings__release(&m);
}

static void test_sizes_asked_for(void **state)
{
	struct mappings m = {0};

	(void)state;
	map(&m, 1, 0, PAGE + 100);
	assert_holds(&m, 1, 1, PAGE + 100);
	unmap(&m, 1, 1, 1); /* the page that was asked for in part */
	assert_holds(&m, 1, 1, PAGE);
	map(&m, 1, 10, 100);
	assert_int_equal(mappings__unmap(&m, 1, BASE + 10 * PAGE, 1, 1), 0);
	assert_holds(&m, 1, 1, PAGE);
	mappings__release(&m);
}

static void test_replacement_and_images(void **state)
{
	struct mappings m = {0};

	(void)state;
	map(&m, 1, 0, 4 * PAGE);
	map(&m, 2, 0, 4 * PAGE);
	map(&m, 1, 1, 2 * PAGE); /* MAP_FIXED into the middle */
	assert_holds(&m, 1, 3, 4 * PAGE);
	assert_holds(&m, 2, 1, 4 * PAGE);
	mappings__drop_image(&m, 1);
	assert_holds(&m, 1, 0, 0);
	assert_holds(&m, 2, 1, 4 * PAGE);
	mappings__release(&m);
}

static void test_failed_munmap(void **state)
{
	struct mappings m = {0};

	(void)state;
	map(&m, 1, 0, 4 * PAGE);
	unmap(&m, 1, 1, 1);
	assert_holds(&m, 1, 2, 3 * PAGE);
	assert_int_equal(mappings__undo_unmap(&m, 2), 0); /* another thread's */
	assert_holds(&m, 1, 2, 3 * PAGE);
	assert_int_equal(mappings__undo_unmap(&m, 1), 0);
	assert_holds(&m, 1, 3, 4 * PAGE);
	assert_int_equal(mappings__unmap(&m, 1, BASE + 1, PAGE, 1), 0); /* the kernel refuses it */
	assert_int_equal(mappings__unmap(&m, 1, BASE, 0, 1), 0);
	assert_holds(&m, 1, 3, 4 * PAGE);
	mappings__release(&m);
}

static void test_moves(void **state)
{
	struct mappings m = {0};
	struct mapping fresh = {.image = 1, .start = BASE + 20 * PAGE, .time_ns = 5};
	struct mapping meanwhile = {.image = 1, .start = BASE + PAGE, .time_ns = 6};

	(void)state;
	map(&m, 1, 0, 4 * PAGE);
	fresh.asked_end = fresh.start + 2 * PAGE;
	assert_int_equal(mappings__move(&m, BASE + PAGE, 2 * PAGE, &fresh), 0);
	assert_holds(&m, 1, 3, 4 * PAGE);
	/* Nothing is moved away where the old size is 0: both pieces are what they were. */
	fresh.start += 10 * PAGE;
	fresh.asked_end = fresh.start + PAGE;
	assert_int_equal(mappings__move(&m, BASE + 21 * PAGE, 0, &fresh), 0);
	assert_holds(&m, 1, 4, 5 * PAGE);
	/* Another thread was given the place before this one's return. */
	meanwhile.asked_end = meanwhile.start + PAGE;
	assert_int_equal(mappings__map(&m, &meanwhile), 0);
	assert_holds(&m, 1, 5, 6 * PAGE);
	fresh.start += 10 * PAGE;
	fresh.asked_end = fresh.start + PAGE;
	assert_int_equal(mappings__move(&m, BASE, 2 * PAGE, &fresh), 0);
	assert_holds(&m, 1, 5, 6 * PAGE);
	mappings__release(&m);
}

/* Random calls against an array of pages. */
static void test_against_model(void **state)
{
	enum { PAGES = 64 };
	struct mappings m = {0};
	bool model[3][PAGES] = {{0}};

	(void)state;
	srand(1);
	for (int round = 0; round < 20000; round++) {
		uint32_t image = 1 + rand() % 2;
		uint64_t at = rand() % PAGES, n = 1 + rand() % 8;
		bool mapping = rand() % 2;
		uint64_t want = 0;
		size_t count;

		if (at + n > PAGES)
			n = PAGES - at;
		if (mapping)
			map(&m, image, at, n * PAGE);
		else
			unmap(&m, image, at, n);
		for (uint64_t i = at; i < at + n; i++)
			model[image][i] = mapping;
		for (int i = 0; i < PAGES; i++)
			want += model[image][i] ? PAGE : 0;
		assert_int_equal(bytes(&m, image, &count), want);
	}
	mappings__release(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_sizes_asked_for),
		cmocka_unit_test(test_replacement_and_images),
		cmocka_unit_test(test_failed_munmap),
		cmocka_unit_test(test_moves),
		cmocka_unit_test(test_against_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
