/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A library that allocates before main. */
#include <stdlib.h>

void *ctor_block;

__attribute__((noipa)) static void *ctor_leak(void)
{
	void *p = malloc(1234);

	__asm__ volatile("" ::: "memory"); /* no tail call */
	return p;
}

__attribute__((constructor)) static void at_start(void)
{
	void *volatile p = malloc(99);

	free(p);
	ctor_block = ctor_leak();
}
