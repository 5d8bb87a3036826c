// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "report/format.h"
#include "util/utf8.h"
#include "util/cleanup.h"

#define KI (UINT64_C(1) << 10)
#define MI (UINT64_C(1) << 20)

static void bytes_are_exact_while_small(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} rows[] = {
		{0, "0 B"},
		{1023, "1,023 B"},
		{10239, "10,239 B"},
		{10240, "10.0 KiB"},
		{12390, "12.1 KiB"},
		{MI - 52, "1023.9 KiB"}, /* 1023.949 */
		{MI - 1, "1.0 MiB"},
		{MI, "1.0 MiB"},
		{1023 * KI, "1023.0 KiB"},
		{1536 * MI, "1.5 GiB"},
		{UINT64_MAX, "16.0 EiB"},
	};
	char buf[FORMAT_SIZE];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(rows); i++)
		assert_string_equal(format__bytes(buf, rows[i].bytes), rows[i].text);
}

static void changes_have_a_sign(void **state)
{
	static const struct {
		double bytes;
		const char *text;
	} rows[] = {
		{0, "0 B"},
		{-0.0, "0 B"},
		{0.4, "0 B"},
		{-0.4, "0 B"},
		{0.5, "+1 B"},
		{300, "+300 B"},
		{-1258291.2, "-1.2 MiB"},
		{1e300, "+16.0 EiB"},
		{-__builtin_inf(), "-16.0 EiB"},
		{__builtin_nan(""), "0 B"},
	};
	char buf[FORMAT_SIZE];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(rows); i++)
		assert_string_equal(format__change(buf, rows[i].bytes), rows[i].text);
}

static void numbers_have_separators(void **state)
{
	char buf[FORMAT_SIZE];

	(void)state;
	assert_string_equal(format__number(buf, 0), "0");
	assert_string_equal(format__number(buf, 999), "999");
	assert_string_equal(format__number(buf, 1024), "1,024");
	assert_string_equal(format__number(buf, 123456), "123,456");
	assert_string_equal(format__number(buf, UINT64_MAX), "18,446,744,073,709,551,615");
	assert_string_equal(format__count(buf, 999999), "999,999");
	assert_string_equal(format__count(buf, 1000000), "1.0M");
	assert_string_equal(format__count(buf, 12149999), "12.1M");
	assert_string_equal(format__count(buf, 999999999), "1.0G");
	assert_string_equal(format__count(buf, UINT64_MAX), "18.4E");
}

static void ages_suit_a_reader(void **state)
{
	static const struct {
		double ms;
		const char *text;
	} rows[] = {
		{-1, "0 ms"},
		{__builtin_nan(""), "0 ms"},
		{510.9, "510 ms"},
		{999, "999 ms"},
		{4800, "4.8 s"},
		{59999, "59.9 s"},
		{725000, "12m05s"},
		{3 * 3600e3 + 5 * 60e3, "3h05m"},
		{(2 * 24 + 3) * 3600e3, "2d03h"},
	};
	char buf[FORMAT_SIZE];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(rows); i++)
		assert_string_equal(format__age(buf, rows[i].ms), rows[i].text);
	format__age(buf, __builtin_inf());
}

static void decimals_are_the_same_everywhere(void **state)
{
	char buf[FORMAT_SIZE];

	(void)state;
	assert_string_equal(format__decimal(buf, 5.0021, 3), "5.002");
	assert_string_equal(format__decimal(buf, 1258291.2, 1), "1258291.2");
	assert_string_equal(format__decimal(buf, -20.55, 1), "-20.6");
	assert_string_equal(format__decimal(buf, -0.01, 1), "0.0");
	assert_string_equal(format__decimal(buf, 0.99951, 3), "1.000");
	assert_string_equal(format__decimal(buf, __builtin_nan(""), 3), "0.000");
	assert_string_equal(format__decimal(buf, __builtin_inf(), 1), "0.0");
	assert_string_equal(format__decimal(buf, 1e300, 9), "18446744073.709551615");
}

static void times_are_right(void **state)
{
	char buf[FORMAT_SIZE];

	(void)state;
	assert_string_equal(format__iso_time(buf, 1795389600123), "2026-11-22T23:20:00.123Z");
	assert_string_equal(format__iso_time(buf, 0), "1970-01-01T00:00:00.000Z");
	assert_string_equal(format__iso_time(buf, -1), "1969-12-31T23:59:59.999Z");
	format__iso_time(buf, INT64_MAX);
	format__iso_time(buf, INT64_MIN);
	assert_string_equal(format__clock(buf, 1795389600123, false), "00:20:00");
	assert_string_equal(format__clock(buf, 1795389600123, true), "00:20:00.123");
}

static void names_are_fit_for_a_terminal(void **state)
{
	static const struct {
		const char *name, *text;
		size_t columns;
	} rows[] = {
		{"", "", 0},
		{"plain", "plain", 5},
		{"\033[31m\r\n\t\x7f", "\\x1b[31m\\x0d\\x0a\\x09\\x7f", 24},
		{"caf\xc3\xa9", "caf\xc3\xa9", 4},
		{"\xc2\x9b", "\\u009b", 6},			  /* CSI as one character */
		{"\xe2\x80\xae", "\\u202e", 6},			  /* right-to-left override */
		{"\xff", "\\xff", 4},				  /* no UTF-8 at all */
		{"\xc0\x80", "\\xc0\\x80", 8},			  /* overlong */
		{"\xe0\x80\x80", "\\xe0\\x80\\x80", 12},	  /* overlong */
		{"\xed\xa0\x80", "\\xed\\xa0\\x80", 12},	  /* surrogate */
		{"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80", 16}, /* above U+10FFFF */
		{"\xe2\x82", "\\xe2\\x82", 8},			  /* cut off */
		{"\xf0\x9f\x90\x9b", "\xf0\x9f\x90\x9b", 1},
	};
	char buf[FORMAT_NAME_SIZE];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(format__name(buf, rows[i].name, 64), rows[i].columns);
		assert_string_equal(buf, rows[i].text);
	}
}

/* A character that has to be looked at changes nothing but its own place. */
static void plain_names_are_cut_as_others(void **state)
{
	char plain[64], other[80], buf[FORMAT_NAME_SIZE], expected[FORMAT_NAME_SIZE];
	size_t n, columns;

	(void)state;
	for (n = 1; n < 60; n++) {
		memset(plain, 0, sizeof(plain));
		memset(plain, 'x', n);
		snprintf(other, sizeof(other), "\xc3\xa9%s", plain + 1);
		for (columns = 6; columns < 60; columns++) {
			size_t taken = format__name(expected, other, columns);

			assert_int_equal(format__name(buf, plain, columns), taken);
			assert_string_equal(buf + 1, expected + 2);
		}
	}
}

static void long_names_lose_their_middle(void **state)
{
	static const char *const fills[] = {"x", "\xf0\x9f\x90\x9b", "\033", "\xe2\x80\xae"};
	CLEANUP_FREE char *name = malloc(4 * 10000 + 1);
	char buf[FORMAT_NAME_SIZE];
	size_t i, n, columns;

	(void)state;
	assert_int_equal(format__name(buf, "0123456789abcdef", 16), 16);
	assert_string_equal(buf, "0123456789abcdef");
	assert_int_equal(format__name(buf, "0123456789abcdefg", 16), 16);
	assert_string_equal(buf, "01234567...cdefg");
	for (i = 0; i < ARRAY_SIZE(fills); i++) {
		for (n = 0; n < 10000; n++)
			strcpy(name + n * strlen(fills[i]), fills[i]);
		columns = format__name(buf, name, FORMAT_NAME_COLUMNS);
		assert_in_range(columns, FORMAT_NAME_COLUMNS - 12, FORMAT_NAME_COLUMNS);
		assert_true(strlen(buf) < sizeof(buf));
		assert_non_null(strstr(buf, "..."));
	}
}

static void basenames_are_never_empty(void **state)
{
	(void)state;
	assert_string_equal(format__basename("/usr/lib/libc.so.6"), "libc.so.6");
	assert_string_equal(format__basename("app"), "app");
	assert_string_equal(format__basename("dir/"), "dir/");
	assert_string_equal(format__basename("/"), "/");
	assert_string_equal(format__basename(""), "");
}

static void utf8_is_made_valid(void **state)
{
	static const char *const rows[][2] = {
		{"", ""},
		{"caf\xc3\xa9 \x1b", "caf\xc3\xa9 \x1b"},
		{"\xff\xfe", "\xef\xbf\xbd\xef\xbf\xbd"},
		{"a\xe2\x82", "a\xef\xbf\xbd\xef\xbf\xbd"},
		{"\xed\xbf\xbfz", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz"},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		CLEANUP_FREE char *text = utf8__clean(rows[i][0]);

		assert_string_equal(text, rows[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_are_exact_while_small),
		cmocka_unit_test(changes_have_a_sign),
		cmocka_unit_test(numbers_have_separators),
		cmocka_unit_test(ages_suit_a_reader),
		cmocka_unit_test(decimals_are_the_same_everywhere),
		cmocka_unit_test(times_are_right),
		cmocka_unit_test(names_are_fit_for_a_terminal),
		cmocka_unit_test(plain_names_are_cut_as_others),
		cmocka_unit_test(long_names_lose_their_middle),
		cmocka_unit_test(basenames_are_never_empty),
		cmocka_unit_test(utf8_is_made_valid),
	};

	setenv("TZ", "ONE-1", 1); /* an hour east of UTC */
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
