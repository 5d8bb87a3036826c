/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_UTIL_UTF8_H
#define MEMLEAK_UTIL_UTF8_H

/* Text that need not be UTF-8, for formats that want it to be. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UTF8_NONE UINT32_MAX

/*
 * Read one character at @s, which does not point at the NUL, into *@code. Returns its bytes: 1 with
 * UTF8_NONE where no well-formed sequence starts (Unicode 15, table 3-7: no overlong forms, no
 * surrogates, nothing above U+10FFFF).
 */
size_t utf8__decode(const char *s, uint32_t *code);

bool utf8__is_valid(const char *s);

/* @s with U+FFFD for each byte that is no UTF-8; free() it. NULL without memory. */
char *utf8__clean(const char *s);

#endif
