/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DIGITS_H
#define DIGITS_H

/*
 * Up to 100,000 different stacks: the way down to digits_end(), which the program defines, spells a
 * number, a function for each decimal digit, the last one first.
 */
#include "expect.h"

#define DIGITS 5

static void digits_end(long stack);

typedef void digit_fn(int left, long rest, long stack);
static digit_fn *const digits[10];

#define DIGIT(n)                                                                                   \
	NOIPA static void digit_##n(int left, long rest, long stack)                               \
	{                                                                                          \
		if (left)                                                                          \
			digits[rest % 10](left - 1, rest / 10, stack);                             \
		else                                                                               \
			digits_end(stack);                                                         \
		asm volatile(""); /* no tail call */                                               \
	}

DIGIT(0) DIGIT(1) DIGIT(2) DIGIT(3) DIGIT(4) DIGIT(5) DIGIT(6) DIGIT(7) DIGIT(8) DIGIT(9)

static digit_fn *const digits[10] = {
	digit_0, digit_1, digit_2, digit_3, digit_4, digit_5, digit_6, digit_7, digit_8, digit_9,
};

static void digits_spell(long stack)
{
	digits[stack % 10](DIGITS - 1, stack / 10, stack);
}

#endif
