/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_HOOK_BYTES_H
#define MEMLEAK_HOOK_BYTES_H

/* The value of MEMLEAK_SAMPLE_BYTES, which the library and the tool must read alike. */

#include <stdint.h>

/* The number of bytes that @text says: 4096, 64K, 1M; 0 where it is no such number. */
static inline uint32_t hook_parse_bytes(const char *text)
{
	uint64_t n = 0;

	for (; *text >= '0' && *text <= '9' && n <= UINT32_MAX; text++)
		n = n * 10 + (*text - '0');
	if (*text == 'K' || *text == 'k') {
		n <<= 10;
		text++;
	} else if (*text == 'M' || *text == 'm') {
		n <<= 20;
		text++;
	}
	return *text || n > UINT32_MAX ? 0 : n;
}

#endif
