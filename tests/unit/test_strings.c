// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "util/strings.h"

static void each_string_once(void **state)
{
	struct strings pool = {0};
	char text[16];
	uint32_t i, n, first;
	const char *address;

	(void)state;
	assert_int_equal(strings__add(&pool, "", &first), 0);
	address = pool.list.items[first];
	for (i = 0; i < 1000; i++) {
		snprintf(text, sizeof(text), "%u", i);
		assert_int_equal(strings__add(&pool, text, &n), 0);
		assert_int_equal(n, i + 1);
		assert_string_equal(pool.list.items[n], text);
	}
	for (i = 0; i < 1000; i++) {
		snprintf(text, sizeof(text), "%u", i);
		assert_int_equal(strings__add(&pool, text, &n), 0);
		assert_int_equal(n, i + 1);
	}
	assert_int_equal(pool.list.count, 1001);
	assert_ptr_equal(pool.list.items[first], address);
	strings__release(&pool);
	assert_int_equal(pool.list.count, 0);
	assert_int_equal(strings__add(&pool, "again", &n), 0);
	assert_int_equal(n, 0);
	strings__release(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_string_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
