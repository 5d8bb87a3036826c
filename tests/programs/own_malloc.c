/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A program that brings its own malloc. One call is left by longjmp: it never returned a block. */
#include <setjmp.h>

#include "expect.h"

#undef malloc
#undef free
#undef calloc
#undef realloc

static char arena[1 << 20] __attribute__((aligned(16)));
static size_t used;
static jmp_buf out;

__attribute__((noipa)) void *malloc(size_t n)
{
	char *p = arena + used;

	if (n == 667)
		longjmp(out, 1);
	if (n > sizeof(arena) - used - 16)
		return NULL;
	used += (n + 15) & ~(size_t)15;
	return p;
}

__attribute__((noipa)) void free(void *p)
{
	(void)p;
	__asm__ volatile("" ::: "memory");
}

__attribute__((noipa)) void *calloc(size_t n, size_t m)
{
	return malloc(n * m);
}

__attribute__((noipa)) void *realloc(void *old, size_t n)
{
	char *p = malloc(n);

	for (size_t i = 0; p && old && i < n; i++)
		p[i] = ((char *)old)[i];
	return p;
}

NOIPA static void leak_own(void)
{
	void *p = EXPECT_NOTE(malloc(123), 123);

	p = EXPECT_MOVE(p, realloc(p, 456), 456);
	EXPECT_NOTE(calloc(3, 7), 21);
	p = EXPECT_NOTE(malloc(64), 64);
	expect_del(p);
	free(p);
}

NOIPA static void leave_early(void)
{
	*(volatile char *)malloc(667) = 1;
	abort();
}

int main(void)
{
	for (volatile int i = 0; i < 100; i++)
		if (!setjmp(out))
			leave_early();
	leak_own();
	return expect_done(0);
}
