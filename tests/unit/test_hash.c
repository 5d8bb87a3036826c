// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "util/hash.h"

static void empty_one_has_nothing(void **state)
{
	struct hash h = {0};

	(void)state;
	assert_int_equal(hash__get(&h, 0, 0), HASH_NONE);
	hash__remove(&h, 0, 0);
	hash__release(&h);
	hash__release(&h);
}

static void set_replaces(void **state)
{
	struct hash h = {0};

	(void)state;
	assert_int_equal(hash__set(&h, 1, 2, 3), 0);
	assert_int_equal(hash__set(&h, 1, 2, 4), 0);
	assert_int_equal(hash__get(&h, 1, 2), 4);
	assert_int_equal(hash__get(&h, 2, 1), HASH_NONE);
	assert_int_equal(h.count, 1);
	hash__release(&h);
	assert_int_equal(hash__get(&h, 1, 2), HASH_NONE);
	assert_int_equal(hash__set(&h, 1, 2, 5), 0);
	assert_int_equal(hash__get(&h, 1, 2), 5);
	hash__release(&h);
}

static void grows_and_keeps_all(void **state)
{
	struct hash h = {0};
	uint32_t i;

	(void)state;
	for (i = 0; i < 100000; i++)
		assert_int_equal(hash__set(&h, i * 4096ULL, i % 7, i), 0);
	assert_int_equal(h.count, 100000);
	assert_true(h.count * 2 <= h.mask + 1);
	for (i = 0; i < 100000; i++)
		assert_int_equal(hash__get(&h, i * 4096ULL, i % 7), i);
	hash__release(&h);
}

/* Against an array, which needs no cleverness: many keys in few slots, so that runs are long. */
static void removes_from_the_middle_of_runs(void **state)
{
	enum { KEYS = 512 };
	uint32_t expected[KEYS];
	struct hash h = {0};
	uint32_t seed = 1, round, key;

	(void)state;
	for (key = 0; key < KEYS; key++)
		expected[key] = HASH_NONE;
	for (round = 0; round < 200000; round++) {
		seed = seed * 1664525 + 1013904223;
		key = (seed >> 8) % KEYS;
		if (seed >> 31) {
			assert_int_equal(hash__set(&h, key, ~(uint64_t)key, round), 0);
			expected[key] = round;
		} else {
			hash__remove(&h, key, ~(uint64_t)key);
			expected[key] = HASH_NONE;
		}
		if (round % 1000 == 0)
			for (key = 0; key < KEYS; key++)
				assert_int_equal(hash__get(&h, key, ~(uint64_t)key), expected[key]);
	}
	for (key = 0; key < KEYS; key++)
		hash__remove(&h, key, ~(uint64_t)key);
	assert_int_equal(h.count, 0);
	hash__release(&h);
}

/* The published test vectors of 64-bit FNV-1a. */
static void bytes_are_fnv1a(void **state)
{
	(void)state;
	assert_true(hash__bytes("", 0) == 0xcbf29ce484222325ULL);
	assert_true(hash__bytes("a", 1) == 0xaf63dc4c8601ec8cULL);
	assert_true(hash__bytes("foobar", 6) == 0x85944171f73967e8ULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_one_has_nothing),
		cmocka_unit_test(set_replaces),
		cmocka_unit_test(grows_and_keeps_all),
		cmocka_unit_test(removes_from_the_middle_of_runs),
		cmocka_unit_test(bytes_are_fnv1a),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
