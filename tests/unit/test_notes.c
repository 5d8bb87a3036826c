// SPDX-License-Identifier: GPL-2.0-or-later
#include "target/notes.h"

#include <elf.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "util/cleanup.h"

#define CONSTANT MEMLEAK_ARGUMENT_CONSTANT
#define REGISTER MEMLEAK_ARGUMENT_REGISTER
#define MEMORY	 MEMLEAK_ARGUMENT_MEMORY
#define NONE	 0xff

struct expected {
	const char *text;
	struct memleak_argument is; /* kind NONE: not understood */
};

#define ARGUMENT(k, o, b, i, s, n, sign)                                                           \
	{                                                                                          \
		.kind = k, .offset = o, .base = b, .index = i, .scale = s, .bits = n,              \
		.is_signed = sign                                                                  \
	}

static void check(uint16_t machine, const struct expected *list, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		const char *text = list[i].text;
		struct memleak_argument a = {0};
		bool known = notes__parse_argument(machine, &text, &a);

		if (known != (list[i].is.kind != MEMLEAK_ARGUMENT_NONE) ||
		    (known && memcmp(&a, &list[i].is, sizeof(a)) != 0))
			fail_msg("'%s'", list[i].text);
	}
}

static void x86_operands_are_parsed(void **state)
{
	static const struct expected list[] = {
		{"8@%rdi", ARGUMENT(REGISTER, 0, 14, NONE, 0, 64, 0)},
		{"-4@%r13d", ARGUMENT(REGISTER, 0, 2, NONE, 0, 32, 1)},
		{"2@%bp", ARGUMENT(REGISTER, 0, 4, NONE, 0, 16, 0)},
		{"1@%sil", ARGUMENT(REGISTER, 0, 13, NONE, 0, 8, 0)},
		{"8@%rsp", ARGUMENT(REGISTER, 0, 19, NONE, 0, 64, 0)},
		{"-4@$-7", ARGUMENT(CONSTANT, -7, 0, NONE, 0, 32, 1)},
		{"8@$0x20", ARGUMENT(CONSTANT, 32, 0, NONE, 0, 64, 0)},
		{"8@(%rax)", ARGUMENT(MEMORY, 0, 10, NONE, 0, 64, 0)},
		{"8@-24(%rbp)", ARGUMENT(MEMORY, -24, 4, NONE, 0, 64, 0)},
		{"-1@-96(%rbp,%rax,8)", ARGUMENT(MEMORY, -96, 4, 10, 3, 8, 1)},
		{"8@(%r8,%r9)", ARGUMENT(MEMORY, 0, 9, 8, 0, 64, 0)},
		/* Not there, or nothing that a register tells. */
		{.text = ""},
		{.text = "8"},
		{.text = "8@"},
		{.text = "%rdi"},
		{.text = "3@%rdi"},
		{.text = "16@%rdi"},
		{.text = "-9223372036854775808@%rdi"},
		{.text = "8@%rip"},
		{.text = "1@%ah"},
		{.text = "8@%xmm0"},
		{.text = "8@%rdix"},
		{.text = "8@%rdi)"},
		{.text = "8@counter(%rip)"},
		{.text = "8@%fs:0(%rax)"},
		{.text = "8@(%rax,%rbx,3)"},
		{.text = "8@(%rax"},
		{.text = "8@99999999999999999999(%rax)"},
	};

	(void)state;
	check(EM_X86_64, list, ARRAY_SIZE(list));
}

static void arm64_operands_are_parsed(void **state)
{
	static const struct expected list[] = {
		{"8@x0", ARGUMENT(REGISTER, 0, 0, NONE, 0, 64, 0)},
		{"-4@w30", ARGUMENT(REGISTER, 0, 30, NONE, 0, 32, 1)},
		{"8@sp", ARGUMENT(REGISTER, 0, 31, NONE, 0, 64, 0)},
		{"-4@5", ARGUMENT(CONSTANT, 5, 0, NONE, 0, 32, 1)},
		{"8@[x19]", ARGUMENT(MEMORY, 0, 19, NONE, 0, 64, 0)},
		{"8@[sp, 24]", ARGUMENT(MEMORY, 24, 31, NONE, 0, 64, 0)},
		{"8@[x29,-16]", ARGUMENT(MEMORY, -16, 29, NONE, 0, 64, 0)},
		{"4@[x1, x2]", ARGUMENT(MEMORY, 0, 1, 2, 0, 32, 0)},
		{"8@[x1, x2, lsl 3]", ARGUMENT(MEMORY, 0, 1, 2, 3, 64, 0)},
		{.text = "8@x31"},
		{.text = "8@x123"},
		{.text = "8@d0"},
		{.text = "8@[x0"},
		{.text = "8@[x0, w1, sxtw 3]"},
		{.text = "8@[x0, x1, lsl 4]"},
		{.text = "8@%rdi"},
	};

	(void)state;
	check(EM_AARCH64, list, ARRAY_SIZE(list));
}

static void one_argument_follows_another(void **state)
{
	const char *text = "8@%rdi -4@$16 8@-24(%rbp)";
	struct memleak_argument a;

	(void)state;
	assert_true(notes__parse_argument(EM_X86_64, &text, &a));
	assert_true(notes__parse_argument(EM_X86_64, &text, &a));
	assert_int_equal(a.offset, 16);
	assert_true(notes__parse_argument(EM_X86_64, &text, &a));
	assert_int_equal(a.offset, -24);
	assert_string_equal(text, "");
}

/* A note of "p:n" with the arguments "a", and one of another owner before it. */
static const unsigned char section[] = {
	4,   0, 0, 0, 3,   0, 0,   0, 3, 0, 0, 0, 'G', 'N', 'U', 0,   1,   2,	3,   0, /* */
	8,   0, 0, 0, 30,  0, 0,   0, 3, 0, 0, 0, 's', 't', 'a', 'p', 's', 'd', 't', 0, /* */
	1,   0, 0, 0, 0,   0, 0,   0, 2, 0, 0, 0, 0,   0,   0,	 0,   3,   0,	0,   0,
	0,   0, 0, 0, 'p', 0, 'n', 0, /* */
	'a', 0, 0, 0,
};

static void notes_of_sites_are_found(void **state)
{
	struct notes_note n;
	size_t at = 0;

	(void)state;
	assert_true(notes__next(section, sizeof(section), &at, &n));
	assert_int_equal(n.address, 1);
	assert_int_equal(n.base, 2);
	assert_int_equal(n.semaphore, 3);
	assert_string_equal(n.provider, "p");
	assert_string_equal(n.name, "n");
	assert_string_equal(n.arguments, "a");
	assert_false(notes__next(section, sizeof(section), &at, &n));
}

static void what_is_cut_off_is_no_note(void **state)
{
	struct notes_note n;
	size_t size;

	(void)state;
	for (size = 0; size < sizeof(section) - 2; size++) {
		unsigned char *cut = malloc(size + 1);
		size_t at = 0;

		/* On the heap, so that Valgrind and ASan see what is read beyond the end. */
		memcpy(cut, section, size);
		assert_false(notes__next(cut, size, &at, &n));
		free(cut);
	}
}

static void our_own_library_has_its_sites(void **state)
{
	notes_sites sites = {0};
	bool seen[NOTES_KINDS] = {false};
	struct object *o;
	uint64_t at[3];
	Elf *elf;
	size_t i;

	(void)state;
	elf_version(EV_CURRENT);
	assert_int_equal(
		object__create(open("libmemleak.so", O_RDONLY | O_CLOEXEC), "libmemleak.so", &o),
		0);
	if (!o->machine) {
		object__destroy(o);
		skip(); /* started elsewhere than in the tree */
	}
	elf = elf_begin(o->fd, ELF_C_READ, NULL);
	assert_int_equal(notes__read(o, elf, &sites), 0);
	assert_int_equal(sites.count, NOTES_KINDS);
	for (i = 0; i < sites.count; i++) {
		const struct notes_site *s = &sites.items[i];

		assert_true(s->own && s->semaphore && !seen[s->kind]);
		seen[s->kind] = true;
		assert_true(notes__place(o, s, PLACEMENT_NOPS_OLD, &at[0]));
		assert_true(notes__place(o, s, PLACEMENT_NOPS_10, &at[1]));
		assert_true(notes__place(o, s, PLACEMENT_NOPS_5, &at[2]));
		if (o->machine != EM_X86_64)
			continue;
		/* Of every kind of nop one, and none over the end of a page. */
		assert_int_equal(at[1], at[0] + 1);
		assert_int_equal(at[2], at[0] + 11);
		assert_int_equal(at[0] / 4096, (at[2] + 4) / 4096);
	}
	elf_end(elf);
	vector_release(&sites);
	object__destroy(o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(x86_operands_are_parsed),
		cmocka_unit_test(arm64_operands_are_parsed),
		cmocka_unit_test(one_argument_follows_another),
		cmocka_unit_test(notes_of_sites_are_found),
		cmocka_unit_test(what_is_cut_off_is_no_note),
		cmocka_unit_test(our_own_library_has_its_sites),
	};

	return cmocka_run_group_tests_name("notes", tests, NULL, NULL);
}
