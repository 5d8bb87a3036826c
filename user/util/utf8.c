// SPDX-License-Identifier: GPL-2.0-or-later
#include "util/utf8.h"

#include <stdlib.h>
#include <string.h>

size_t utf8__decode(const char *s, uint32_t *code)
{
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	const unsigned char *c = (const unsigned char *)s;
	size_t i, n = c[0] < 0x80 ? 1 : c[0] < 0xc2 ? 0 : c[0] < 0xe0 ? 2 : c[0] < 0xf0 ? 3 : 4;
	uint32_t v = n > 1 ? c[0] & (0x7f >> n) : c[0];

	*code = UTF8_NONE;
	if (!n || c[0] > 0xf4)
		return 1;
	for (i = 1; i < n; i++) {
		if ((c[i] & 0xc0) != 0x80)
			return 1;
		v = v << 6 | (c[i] & 0x3f);
	}
	if (n > 1 && (v < smallest[n] || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff)))
		return 1;
	*code = v;
	return n;
}

bool utf8__is_valid(const char *s)
{
	uint32_t code = 0;

	while (*s && code != UTF8_NONE)
		s += utf8__decode(s, &code);
	return code != UTF8_NONE;
}

char *utf8__clean(const char *s)
{
	static const char replacement[] = "\xef\xbf\xbd";
	char *copy = malloc(3 * strlen(s) + 1);
	char *out = copy;
	uint32_t code;
	size_t n;

	if (!copy)
		return NULL;
	for (; *s; s += n) {
		n = utf8__decode(s, &code);
		if (code == UTF8_NONE) {
			out = stpcpy(out, replacement);
		} else {
			memcpy(out, s, n);
			out += n;
		}
	}
	*out = '\0';
	return copy;
}
