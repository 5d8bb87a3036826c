/* SPDX-License-Identifier: GPL-2.0-or-later */
/* realloc: of nothing, growing, moving, shrinking, to nothing. */
#include "expect.h"

NOIPA static char *leak_grown(void)
{
	char *p = NULL;

	for (size_t n = 16; n <= 1 << 20; n *= 2) {
		p = realloc(p, n);
		malloc(24); /* in the way, so that the block has to move */
	}
	return p;
}

NOIPA static void leak_shrunk(void)
{
	char *p = malloc(1 << 19);

	p = realloc(p, 4096);
	p = realloc(p, 33);
}

NOIPA static void end_by_zero(void)
{
	char *p = malloc(77);

	p = realloc(p, 0);
	if (p)
		free(p);
}

int main(void)
{
	leak_grown();
	leak_shrunk();
	end_by_zero();
	return expect_done(0);
}
