/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_UTIL_STRINGS_H
#define MEMLEAK_UTIL_STRINGS_H

/* A pool of strings, each once: equal ones have one number, and one address. */

#include "util/hash.h"
#include "util/vector.h"

/* All zero is an empty one. Strings stay where they are until the pool is released. */
struct strings {
	VECTOR(char *) list; /* by number */
	struct hash index;   /* private */
};

/* The number of the string that is equal to @s, a copy of which is added if there is none yet. 0 or
 * -ENOMEM. */
int strings__add(struct strings *pool, const char *s, uint32_t *ret);

void strings__release(struct strings *pool);

#endif
