// SPDX-License-Identifier: GPL-2.0-or-later
#include "util/text.h"

#include <string.h>

/* Length of the UTF-8 character at @s, which is not ASCII, by table 3-7 of the Unicode standard: 0
 * where it is none or a control character. */
static size_t character_length(const unsigned char *s)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t n, i;

	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	n = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (s[0] == 0xc2 || s[0] == 0xe0)
		low = 0xa0; /* controls; longer than needed */
	else if (s[0] == 0xed)
		high = 0x9f; /* surrogates */
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f;
	if (s[1] < low || s[1] > high)
		return 0;
	for (i = 2; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

void text__clean(char *s, size_t max)
{
	unsigned char *p = (unsigned char *)s;
	size_t size = strnlen(s, max);
	size_t i = 0;

	s[size] = '\0';
	while (i < size) {
		size_t n = p[i] < 0x80 ? p[i] >= 0x20 && p[i] != 0x7f : character_length(&p[i]);

		if (!n) {
			p[i] = '?';
			n = 1;
		}
		i += n;
	}
}
