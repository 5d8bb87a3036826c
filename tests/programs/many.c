/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * many [BLOCKS [STACKS]]: so many live blocks (1,000,000) from so many stacks (10,000, at most
 * 100,000), evenly, and no other. Each stack has a size of its own among 100, so that a block that is
 * charged to another one shows. The way down to the allocation spells the stack's number, a
 * function for each digit.
 *
 * Begins when its standard input gives a line or ends, answers "ok" when all blocks are there, and
 * ends, with all of them, at the end of its input.
 */
#define EXPECT_BLOCKS (1 << 21)
#include "digits.h"

static long blocks_of_each;

NOIPA static void many_leak(long stack)
{
	long i;

	for (i = 0; i < blocks_of_each; i++)
		malloc(1 + stack % 100);
}

static void digits_end(long stack)
{
	many_leak(stack);
}

/* A number of the command line, or @otherwise where there is none. */
static long number(char **argv, int argc, int i, long otherwise)
{
	return i < argc ? atol(argv[i]) : otherwise;
}

/* Wait for a line or the end of the input, without stdio. */
static void read_line(void)
{
	char c;

	while (read(STDIN_FILENO, &c, 1) == 1 && c != '\n')
		;
}

int main(int argc, char **argv)
{
	long blocks = number(argv, argc, 1, 1000000), stacks = number(argv, argc, 2, 10000), i;

	if (stacks < 1 || stacks > 100000 || blocks < stacks || blocks % stacks ||
	    blocks >= EXPECT_BLOCKS)
		return 2;
	read_line();
	blocks_of_each = blocks / stacks;
	for (i = 0; i < stacks; i++)
		digits_spell(i);
	if (write(STDOUT_FILENO, "ok\n", 3) != 3)
		return 1;
	read_line();
	return expect_done(0);
}
