/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The classic: one block of ten bytes, lost by func. Without a table of blocks, so that the source
 * is what a user would write. */
#include "expect.h"

NOIPA static void func(void)
{
	char *p = malloc(10);

	p[0] = 'x';
}

int main(void)
{
	func();
	return expect_done(0);
}
