// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "leakcheck/suppress.h"
#include "leakcheck/suppress_list.h"
#include "sample_profile.h"
#include "sandbox/wire.h"
#include "symbol/demangle.h"
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

/* What the helper would answer of @text. */
static int read_text(const char *text, size_t size, struct suppressions *s,
		     enum suppress_fault *fault, unsigned int *line)
{
	CLEANUP(wire__release) struct wire request = {0}, reply = {0};

	wire__put_number(&request, size);
	wire__put(&request, text, size);
	assert_int_equal(suppressions__serve(demangle, &request, &reply), 0);
	return suppressions__get(&reply, s, fault, line);
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
	enum suppress_fault fault;
	struct suppressions *s;
	unsigned int line;
	size_t i;

	(void)state;
	assert_int_equal(suppressions__create(&s), 0);
	assert_int_equal(read_text(text, strlen(text), s, &fault, &line), 0);
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

/* What is wrong is known with its line; nothing of the text is taken. */
static void test_faults(void **state)
{
	static const struct {
		const char *text;
		enum suppress_fault fault;
		unsigned int line;
	} cases[] = {
		{"name\n", SUPPRESS_FAULT_BRACE, 1},
		{"# one\n\n{\n name\n Memcheck\n}\n", SUPPRESS_FAULT_TOOL, 5},
		{"{\nx\nMemcheck:Leak\nmatch-leak-kinds: all,lost\nfun:x\n}", SUPPRESS_FAULT_KIND,
		 4},
		{"{\r\nx\r\nMemcheck:Leak\r\nfan:x\r\n}", SUPPRESS_FAULT_FRAME, 4},
		{"{\nx\nMemcheck:Leak\n}\n{", SUPPRESS_FAULT_NO_FRAMES, 4},
		{"{\nx\nMemcheck:Leak\nfun:x\n\n", SUPPRESS_FAULT_END, 5},
		{"{\nx\nMemcheck:Leak\nfun:x\n}\n{\nx\nMemcheck:Addr4\nfun:x", SUPPRESS_FAULT_END,
		 9},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		CLEANUP(suppressions__release) struct suppressions s = {0};
		enum suppress_fault fault;
		unsigned int line;

		assert_int_equal(read_text(cases[i].text, strlen(cases[i].text), &s, &fault, &line),
				 -EINVAL);
		assert_int_equal(fault, cases[i].fault);
		assert_int_equal(line, cases[i].line);
		assert_int_equal(s.list.count, 0);
	}
}

/* Names come as reports show them, a NUL ends its line alone. */
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
	CLEANUP(suppressions__release) struct suppressions s = {0};
	enum suppress_fault fault;
	unsigned int line;
	size_t i;

	(void)state;
	assert_int_equal(read_text(text, sizeof(text) - 1, &s, &fault, &line), 0);
	assert_int_equal(read_text("", 0, &s, &fault, &line), 0);
	assert_int_equal(s.list.count, 1);
	assert_int_equal(s.list.items[0].patterns.count, ARRAY_SIZE(expected));
	for (i = 0; i < ARRAY_SIZE(expected); i++) {
		const struct suppress_pattern *p = &s.list.items[0].patterns.items[i];

		assert_int_equal(p->kind, expected[i].kind);
		if (expected[i].text)
			assert_string_equal(p->text, expected[i].text);
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
	assert_int_equal(suppressions__serve(demangle, &request, &good), 0);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_glob),
		cmocka_unit_test(test_wrong_frees),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_hostile_answers),
	};

	return cmocka_run_group_tests_name("suppress", tests, NULL, NULL);
}
