// SPDX-License-Identifier: GPL-2.0-or-later
#include "util/number.h"

#include <string.h>

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* strtoul and strtod take white space, signs, hexadecimal, "nan" and the decimal comma of some
 * locales; a command line that means something else by them is better refused. */
static enum number_fault number_fault(const char *text)
{
	return text[0] == '-' && (is_digit(text[1]) || text[1] == '.') ? NUMBER_NEGATIVE
								       : NUMBER_MALFORMED;
}

enum number_fault number__whole(const char *text, bool suffixes, uint64_t *ret)
{
	static const char letters[] = "kmg";
	const char *c = text;
	const char *letter;
	uint64_t n = 0;
	bool huge = false;

	if (!is_digit(*c))
		return number_fault(text);
	for (; is_digit(*c); c++)
		huge |= __builtin_mul_overflow(n, 10, &n) ||
			__builtin_add_overflow(n, (uint64_t)(*c - '0'), &n);
	letter = suffixes && *c ? strchr(letters, *c | 0x20) : NULL;
	if (letter) {
		huge |= __builtin_mul_overflow(n, UINT64_C(1024) << (10 * (letter - letters)), &n);
		c++;
	}
	if (*c)
		return NUMBER_MALFORMED;
	if (huge)
		return NUMBER_HUGE;
	*ret = n;
	return NUMBER_GOOD;
}

enum number_fault number__decimal(const char *text, double *ret)
{
	const char *c = text;
	double n = 0, weight = 1;

	for (; is_digit(*c); c++)
		n = n * 10 + (*c - '0');
	if (*c == '.' && (c > text || is_digit(c[1])))
		for (c++; is_digit(*c); c++)
			n += (*c - '0') * (weight /= 10);
	if (*c || c == text)
		return number_fault(text);
	*ret = n;
	return NUMBER_GOOD;
}
