// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "probe/recall.h"

static uint64_t before(const struct recall *r, uint64_t key)
{
	const uint64_t *value = recall__before(r, key, 7);

	return value ? *value : 0;
}

/* A report sees what the one before has noted, and nothing else. */
static void two_reports(void **state)
{
	struct recall r;
	uint64_t i, value;

	(void)state;
	recall__init(&r, sizeof(value));
	assert_int_equal(before(&r, 1), 0);
	for (i = 1; i <= 1000; i++) {
		value = 10 * i;
		assert_int_equal(recall__note(&r, i, 7, &value), 0);
	}
	assert_int_equal(before(&r, 1), 0);
	recall__turn(&r);
	value = 5;
	assert_int_equal(recall__note(&r, 3, 7, &value), 0);
	value = 6;
	assert_int_equal(recall__note(&r, 3, 7, &value), 0);
	for (i = 1; i <= 1000; i++)
		assert_int_equal(before(&r, i), 10 * i);
	recall__turn(&r);
	assert_int_equal(before(&r, 3), 6);
	assert_int_equal(before(&r, 4), 0);
	recall__turn(&r);
	assert_int_equal(before(&r, 3), 0);
	recall__release(&r);
}

/* However many keys come and go, what is kept is that of two reports. */
static void bounded(void **state)
{
	struct recall r;
	uint64_t report, i;

	(void)state;
	recall__init(&r, sizeof(i));
	for (report = 0; report < 1000; report++) {
		for (i = 0; i < 100; i++)
			assert_int_equal(recall__note(&r, report, i, &i), 0);
		recall__turn(&r);
		assert_true(r.pages[0].index.count + r.pages[1].index.count <= 200);
	}
	recall__release(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_reports),
		cmocka_unit_test(bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
