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
#include "expect.h"

#define DIGITS 5

NOIPA static void many_leak(long stack, long blocks)
{
	for (; blocks > 0; blocks--)
		malloc(1 + stack % 100);
}

typedef void digit_fn(int left, long rest, long stack, long blocks);
static digit_fn *const digits[10];

#define DIGIT(n)                                                                                   \
	NOIPA static void digit_##n(int left, long rest, long stack, long blocks)                  \
	{                                                                                          \
		if (left)                                                                          \
			digits[rest % 10](left - 1, rest / 10, stack, blocks);                     \
		else                                                                               \
			many_leak(stack, blocks);                                                  \
		asm volatile(""); /* no tail call */                                               \
	}

DIGIT(0) DIGIT(1) DIGIT(2) DIGIT(3) DIGIT(4) DIGIT(5) DIGIT(6) DIGIT(7) DIGIT(8) DIGIT(9)

static digit_fn *const digits[10] = {
	digit_0, digit_1, digit_2, digit_3, digit_4, digit_5, digit_6, digit_7, digit_8, digit_9,
};

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
	for (i = 0; i < stacks; i++)
		digits[i % 10](DIGITS - 1, i / 10, i, blocks / stacks);
	if (write(STDOUT_FILENO, "ok\n", 3) != 3)
		return 1;
	read_line();
	return expect_done(0);
}
