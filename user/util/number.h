/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_UTIL_NUMBER_H
#define MEMLEAK_UTIL_NUMBER_H

/* Numbers as people write them on a command line, the same in every locale. */

#include <stdbool.h>
#include <stdint.h>

enum number_fault { NUMBER_GOOD, NUMBER_MALFORMED, NUMBER_NEGATIVE, NUMBER_HUGE };

/* A whole number of digits alone; with @suffixes one of k, m, g (of 1024) in either case may
 * follow. *@ret is written where it is good. */
enum number_fault number__whole(const char *text, bool suffixes, uint64_t *ret);

/* Digits, perhaps a point and digits. *@ret is written where it is good. */
enum number_fault number__decimal(const char *text, double *ret);

#endif
