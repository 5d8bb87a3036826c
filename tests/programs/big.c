/* SPDX-License-Identifier: GPL-2.0-or-later */
/* glibc maps big blocks: they are heap all the same, and the mapping inside is not another one. */
#include "expect.h"

NOIPA static void leak_small(void)
{
	malloc(20);
}

NOIPA static void leak_big(void)
{
	malloc(1 << 20);
}

NOIPA static void leak_big_grown(void)
{
	char *p = malloc(1 << 20);

	p = realloc(p, 5 << 20);
}

NOIPA static void leak_big_zeroed(void)
{
	free(malloc(3 << 20));
	calloc(1 << 10, 1 << 10);
}

int main(void)
{
	leak_small();
	leak_big();
	leak_big_grown();
	leak_big_zeroed();
	return expect_done(0);
}
