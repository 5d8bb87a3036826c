// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "leakcheck/suppress.h"
#include "sample_profile.h"

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

static char *same(const char *name, size_t size)
{
	return strndup(name, size);
}

/* Entries of wrong frees go by the stack of the free; those of losses leave them alone. */
static void test_wrong_frees(void **state)
{
	static const char text[] = "{\n a\n Memcheck:Leak\n ...\n}\n"
				   "{\n b\n Memcheck:Free\n fun:_ZdlPv\n fun:drop\n}\n"
				   "{\n c\n Memcheck:Value8\n fun:*\n}\n";
	static const struct {
		const char *family, *function;
		bool suppressed;
	} cases[] = {
		{"delete", "drop", true},
		{"delete[]", "drop", false},
		{"free", "drop", false},
		{"delete", "other", false},
	};
	char path[] = "/tmp/test_suppress.XXXXXX";
	struct suppressions *s;
	size_t i;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	assert_int_equal(suppressions__create(same, &s), 0);
	assert_int_equal(suppressions__load(s, path), 0);
	unlink(path);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct profile *p = sample_new(1, true);
		const struct sample_frame frames[] = {{cases[i].function, 0, NULL, 0, "app", 1, 0}};
		struct profile_wrong_free f = {.kind = PROFILE_WRONG_MISMATCHED,
					       .alloc_family = "new[]",
					       .free_family = cases[i].family,
					       .first_free = PROFILE_NONE};

		sample_process(p, 1, "app", 0, 0);
		f.free_stack = SAMPLE_STACK(p, frames);
		sample_check(vector_push(&p->wrong_frees, f));
		suppressions__apply(s, p);
		assert_int_equal(p->wrong_frees.items[0].suppressed, cases[i].suppressed);
		profile__destroy(p);
	}
	suppressions__destroy(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_glob),
		cmocka_unit_test(test_wrong_frees),
	};

	return cmocka_run_group_tests_name("suppress", tests, NULL, NULL);
}
