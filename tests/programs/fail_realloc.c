/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A failing realloc leaves the old block where it was. */
#include "expect.h"

static volatile size_t huge = SIZE_MAX / 2;

NOIPA static void *leak_old(void)
{
	return malloc(100);
}

NOIPA static void try_to_grow(void *p)
{
	if (realloc(p, huge) || reallocarray(p, huge, 16))
		abort();
}

int main(void)
{
	char *p = leak_old();

	p[99] = 1;
	for (int i = 0; i < 10; i++)
		try_to_grow(p);
	return expect_done(p[99] != 1);
}
