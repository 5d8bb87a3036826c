// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "leakcheck/suppress.h"

static void test_glob(void **state)
{
	char hostile[4096], text[4096];
	size_t i;

	(void)state;
	assert_true(suppressions__glob("", ""));
	assert_true(suppressions__glob("*", ""));
	assert_true(suppressions__glob("malloc", "malloc"));
	assert_true(suppressions__glob("m?l*", "malloc"));
	assert_true(suppressions__glob("*/lib*.so*", "/usr/lib/libx.so.6"));
	assert_true(suppressions__glob("f(char*)", "f(char*)"));
	assert_false(suppressions__glob("malloc", "mallocs"));
	assert_false(suppressions__glob("?", ""));
	assert_false(suppressions__glob("*x", "xy"));
	/* The time is bounded: the product of the lengths. */
	for (i = 0; i < sizeof(hostile) - 2; i++)
		hostile[i] = i % 2 ? 'a' : '*';
	strcpy(hostile + i, "b");
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	assert_false(suppressions__glob(hostile, text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_glob),
	};

	return cmocka_run_group_tests_name("suppress", tests, NULL, NULL);
}
