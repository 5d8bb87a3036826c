/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_UTIL_TEXT_H
#define MEMLEAK_UTIL_TEXT_H

/* Names out of files that somebody else made, before they reach a terminal or a report. */

#include <stddef.h>

/*
 * Make @s printable in place: control characters (also those of U+0080 to U+009F) and bytes that
 * are no UTF-8 become '?'. A string longer than @max bytes is cut there.
 */
void text__clean(char *s, size_t max);

#endif
