// SPDX-License-Identifier: GPL-2.0-or-later
/* Where functions return: this program's own, written so that it is known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <libelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "target/calls.h"

#if defined(__x86_64__)
__asm__(".text\n"
	"two_returns: test %edi, %edi; je 1f; first: ret; 1: call abort@plt; ud2\n"
	"tail_call: test %edi, %edi; jne two_returns; jmp last\n"
	"last: push %rbx; pop %rbx; last_return: repz ret\n"
	"to_itself: 1: dec %edi; jne 1b; its_return: ret $8\n"
	"throws: call abort@plt; .byte 0x06\n" /* behind it, no instruction */
	"computed: jmp *%rax; nop; case_1: ret; nop; case_2: ret\n"
	"computed_end:\n"
	"out_of_object: jmp getpid@plt\n"
	"unknown: .byte 0x06\n"
	"endless: jmp endless\n");

extern char two_returns[], first[], tail_call[], last_return[], to_itself[], its_return[], throws[],
	computed[], case_1[], case_2[], computed_end[], out_of_object[], unknown[], endless[];
extern char __executable_start[];

struct example {
	const char *name;
	const char *function;
	uint64_t size;
	int err;
	const char *returns[3]; /* NULL at the end */
};

static int compare(const void *x, const void *y)
{
	const uint64_t *a = x, *b = y;

	return (*a > *b) - (*a < *b);
}

static void check(const struct calls *c, const struct example *e)
{
	calls_returns found = {0};
	uint64_t base = (uintptr_t)__executable_start, offset;
	size_t n = 0;

	print_message("%s\n", e->name);
	assert_int_equal(calls__find_returns(c, (uintptr_t)e->function - base, e->size, &found),
			 e->err);
	if (found.count)
		qsort(found.items, found.count, sizeof(found.items[0]), compare);
	for (; e->returns[n]; n++) {
		assert_true(n < found.count);
		assert_true(object__vaddr_to_offset(c->object, (uintptr_t)e->returns[n] - base,
						    &offset));
		assert_int_equal(found.items[n], offset);
	}
	assert_int_equal(found.count, n);
	vector_release(&found);
}

static void test_returns(void **state)
{
	const struct example examples[] = {
		{"one, the other way ends", two_returns, 0, 0, {first}},
		{"over a tail call", tail_call, 0, 0, {first, last_return}},
		{"over a loop", to_itself, 0, 0, {its_return}},
		{"what never returns", throws, 0, 0, {NULL}},
		{"an endless loop", endless, 0, 0, {NULL}},
		{"a computed jump out of sight", computed, 0, -ENOTSUP, {NULL}},
		{"a switch", computed, computed_end - computed, 0, {case_1, case_2}},
		{"a tail call into another object", out_of_object, 0, -ENOTSUP, {NULL}},
		{"no instruction", unknown, 0, -ENOTSUP, {NULL}},
	};
	struct object *o;
	struct calls c;
	Elf *elf;
	size_t i;

	(void)state;
	elf_version(EV_CURRENT);
	assert_int_equal(object__create(open("/proc/self/exe", O_RDONLY | O_CLOEXEC), "self", &o),
			 0);
	elf = elf_begin(o->fd, ELF_C_READ, NULL);
	assert_non_null(elf);
	assert_int_equal(calls__read(o, elf, &c), 0);
	/* Those that are stubs are known by name. */
	assert_true(c.slots.count > 10);
	for (i = 0; i < sizeof(examples) / sizeof(examples[0]); i++)
		check(&c, &examples[i]);
	calls__release(&c);
	elf_end(elf);
	object__destroy(o);
}
#else
static void test_returns(void **state)
{
	(void)state;
	skip();
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_returns)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
