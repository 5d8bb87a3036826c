/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Processes that live briefly, some at a time: each loses three blocks and a mapping, and ends.
 * Usage: brief [CHILDREN]
 */
#include <sys/mman.h>
#include <sys/wait.h>

#include "expect.h"

#define AT_A_TIME 8

NOIPA static void lose(int n)
{
	for (int i = 0; i < 3; i++)
		malloc(100 + n);
}

NOIPA static int live(int n)
{
	expect_reset();
	if (mmap(NULL, 65536, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
		return 1;
	expect_mmap("live", 1, 65536);
	lose(n);
	return expect_done(0);
}

int main(int argc, char **argv)
{
	int children = argc > 1 ? atoi(argv[1]) : 200;

	for (int i = 0; i < children; i++) {
		if (i >= AT_A_TIME)
			wait(NULL);
		if (!fork())
			_exit(live(i));
	}
	while (wait(NULL) > 0)
		;
	return expect_done(0);
}
