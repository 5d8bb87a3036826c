// SPDX-License-Identifier: GPL-2.0-or-later
/* Suppressions, which the helper reads: this program is its own. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "helper.h"
#include "leakcheck/suppress.h"
#include "leakcheck/suppress_list.h"
#include "sample_profile.h"
#include "sandbox/sandbox.h"
#include "util/cleanup.h"

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

/* Load @text, by a helper that goes wrong as @fault says: what came of it, and in @said of @size
 * bytes what was said of it. */
static int load(const char *text, size_t length, const char *fault, struct suppressions *s,
		char *said, size_t size)
{
	char path[] = "/tmp/test_suppress.XXXXXX", sink[] = "/tmp/test_suppress.XXXXXX";
	int fd = mkstemp(path), to = mkstemp(sink), saved = dup(STDERR_FILENO), err;
	struct sandbox *sandbox;
	ssize_t n;

	assert_true(fd >= 0 && to >= 0 && saved >= 0);
	assert_int_equal(write(fd, text, length), length);
	close(fd);
	if (fault)
		setenv("MEMLEAK_BPF_READER_FAULT", fault, 1);
	else
		unsetenv("MEMLEAK_BPF_READER_FAULT");
	assert_int_equal(sandbox__create(&sandbox), 0);
	dup2(to, STDERR_FILENO);
	err = suppressions__load(s, sandbox, path);
	dup2(saved, STDERR_FILENO);
	sandbox__destroy(sandbox);
	unlink(path);
	unlink(sink);
	n = pread(to, said, size - 1, 0);
	assert_true(n >= 0);
	said[n] = 0;
	close(to);
	close(saved);
	return err;
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
	struct suppressions *s;
	char said[256];
	size_t i;

	(void)state;
	assert_int_equal(suppressions__create(&s), 0);
	assert_int_equal(load(text, strlen(text), NULL, s, said, sizeof(said)), 0);
	assert_string_equal(said, "");
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

/* What is wrong is said with its line; nothing of it is taken. */
static void test_faults(void **state)
{
	static const struct {
		const char *text, *said;
	} cases[] = {
		{"name\n", ":1: expected '{'\n"},
		{"# one\n\n{\n name\n Memcheck\n}\n",
		 ":5: expected TOOL:KIND, such as Memcheck:Leak\n"},
		{"{\nx\nMemcheck:Leak\nmatch-leak-kinds: all,lost\nfun:x\n}",
		 ":4: unknown leak kind\n"},
		{"{\r\nx\r\nMemcheck:Leak\r\nfan:x\r\n}", ":4: neither fun:, obj:, src: nor ...\n"},
		{"{\nx\nMemcheck:Leak\n}\n{", ":4: an entry without frames\n"},
		{"{\nx\nMemcheck:Leak\nfun:x\n\n", ":5: an entry has no end ('}')\n"},
		{"{\nx\nMemcheck:Addr4\nfun:x", ":4: an entry has no end ('}')\n"},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct suppressions *s;
		char said[256];

		assert_int_equal(suppressions__create(&s), 0);
		assert_int_equal(
			load(cases[i].text, strlen(cases[i].text), NULL, s, said, sizeof(said)),
			-EINVAL);
		assert_non_null(strchr(said, '/'));
		assert_string_equal(strpbrk(strchr(said, '/'), ":"), cases[i].said);
		suppressions__destroy(s);
	}
}

/* Names come as reports show them, by the helper; a NUL ends its line alone. */
static void test_names(void **state)
{
	static const char text[] =
		"{\n a\n Memcheck:Leak\n fun:_ZN1a1bEv\0no\n fun:_Z*\n obj:*\n ...\n}";
	static const struct {
		enum suppress_frame kind;
		const char *text;
	} expected[] = {{SUPPRESS_FUNCTION, "a::b()"},
			{SUPPRESS_FUNCTION, "_Z*"},
			{SUPPRESS_OBJECT, "*"},
			{SUPPRESS_ANY, NULL}};
	struct suppressions *s;
	char said[256];
	size_t i;

	(void)state;
	assert_int_equal(suppressions__create(&s), 0);
	assert_int_equal(load(text, sizeof(text) - 1, NULL, s, said, sizeof(said)), 0);
	assert_int_equal(load("", 0, NULL, s, said, sizeof(said)), 0);
	assert_int_equal(s->list.count, 1);
	assert_int_equal(s->list.items[0].patterns.count, ARRAY_SIZE(expected));
	for (i = 0; i < ARRAY_SIZE(expected); i++) {
		const struct suppress_pattern *p = &s->list.items[0].patterns.items[i];

		assert_int_equal(p->kind, expected[i].kind);
		if (expected[i].text)
			assert_string_equal(p->text, expected[i].text);
	}
	suppressions__destroy(s);
}

/* The helper's end costs the run, and says so once. */
static void test_deaths(void **state)
{
	static const char text[] = "{\n a\n Memcheck:Leak\n fun:f\n}\n";
	static const char *const faults[] = {"4:die", "4:open", "4:eat"};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(faults); i++) {
		struct suppressions *s;
		char said[256];

		assert_int_equal(suppressions__create(&s), 0);
		assert_int_equal(load(text, strlen(text), faults[i], s, said, sizeof(said)),
				 -EOWNERDEAD);
		assert_non_null(strstr(said, "cannot read '/tmp/test_suppress."));
		assert_non_null(strstr(said, "the process that reads files"));
		assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1);
		assert_int_equal(s->list.count, 0);
		suppressions__destroy(s);
	}
}

/* A helper that is somebody else's by now. */
static void test_hostile_answers(void **state)
{
	static const char text[] =
		"{\n a\n Memcheck:Leak\n match-leak-kinds: definite\n fun:f\n ...\n}\n"
		"{\n b\n Memcheck:Free\n obj:*lib*\n src:x.c\n}\n";
	CLEANUP(wire__release) struct wire request = {0}, good = {0};
	unsigned int seed = 1, line, taken = 0, i;
	struct profile *p = sample_usual();
	enum suppress_fault fault;

	(void)state;
	wire__put_number(&request, sizeof(text) - 1);
	wire__put(&request, text, sizeof(text) - 1);
	assert_int_equal(suppressions__serve(strndup, &request, &good), 0);
	for (i = 0; i < 5000; i++) {
		CLEANUP(suppressions__release) struct suppressions s = {0};
		CLEANUP(wire__release) struct wire w = {0};

		wire__put(&w, good.bytes, i % 4 ? good.size : rand_r(&seed) % good.size);
		if (i % 4)
			w.bytes[rand_r(&seed) % w.size] ^= 1 << rand_r(&seed) % 8;
		if (suppressions__get(&w, &s, &fault, &line) == 0) {
			taken++;
			suppressions__apply(&s, p);
		}
	}
	assert_in_range(taken, 1, 4999);
	profile__destroy(p);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_glob),   cmocka_unit_test(test_wrong_frees),
		cmocka_unit_test(test_faults), cmocka_unit_test(test_names),
		cmocka_unit_test(test_deaths), cmocka_unit_test(test_hostile_answers),
	};

	if (argc && strcmp(argv[0], SANDBOX_NAME) == 0)
		return helper();

	return cmocka_run_group_tests_name("suppress", tests, NULL, NULL);
}
