// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "golden.h"
#include "util/replace.h"

static char folder[] = "/tmp/memleak-test-replace-XXXXXX";
static char path[64];

static int make_folder(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/file", folder);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(folder); /* fails where something was left behind */
}

static int write_text(void *context, FILE *out)
{
	fputs(context, out);
	return 0;
}

static int fail_midway(void *context, FILE *out)
{
	fputs(context, out);
	return -EDOM;
}

static int write_much(void *context, FILE *out)
{
	int i;

	(void)context;
	for (i = 0; i < 100000; i++)
		fputs("0123456789", out);
	return ferror(out) ? -EFBIG : 0;
}

static void check_contents(const char *expected)
{
	CLEANUP_FREE char *text = golden_read(path);

	assert_string_equal(text, expected);
}

static void all_or_nothing(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(replace__file(path, fail_midway, "half"), -EDOM);
	assert_int_equal(stat(path, &st), -1);
	assert_int_equal(replace__file(path, write_text, "one"), 0);
	check_contents("one");
	assert_int_equal(replace__file(path, fail_midway, "half"), -EDOM);
	check_contents("one");
	assert_int_equal(replace__file(path, write_text, "two"), 0);
	check_contents("two");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0111, 0);
	assert_int_equal(st.st_mode & 0400, 0400);
}

static void a_limit_is_an_error(void **state)
{
	struct rlimit limit, small;

	(void)state;
	assert_int_equal(replace__file(path, write_text, "before"), 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	small = limit;
	small.rlim_cur = 100000;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_int_equal(replace__file(path, write_much, NULL), -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	check_contents("before");
}

static void what_cannot_be_written(void **state)
{
	(void)state;
	assert_int_equal(replace__check(path), 0);
	assert_int_equal(replace__check("/nowhere/to/be/found"), -ENOENT);
	assert_int_equal(replace__check(folder), -EISDIR);
	unlink(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(replace__check(path), -EINVAL);
	assert_int_equal(replace__file("/nowhere/to/be/found", write_text, ""), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_or_nothing),
		cmocka_unit_test(a_limit_is_an_error),
		cmocka_unit_test(what_cannot_be_written),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
