/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two call sites of one function are two stacks; a wrapper is the caller, whoever called it. */
#include "expect.h"

NOIPA static void leak_twice(void)
{
	for (int i = 0; i < 4; i++)
		malloc(30);
	for (int i = 0; i < 6; i++)
		malloc(31);
}

NOIPA static void *xmalloc(size_t n)
{
	void *p = malloc(n);

	if (!p)
		abort();
	return p;
}

NOIPA static void user_a(void)
{
	*(volatile char *)xmalloc(200) = 0;
}

NOIPA static void user_b(void)
{
	*(volatile char *)xmalloc(300) = 0;
}

int main(void)
{
	leak_twice();
	user_a();
	user_b();
	return expect_done(0);
}
