/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_UTIL_PACKED_H
#define MEMLEAK_UTIL_PACKED_H

/* Vectors that nobody will look at for a long time, deflated (RFC 1951) into one piece of memory.
 */

#include "util/vector.h"

/* A vector of any type without gaps, whose bytes would be anything: PACKED_VECTOR(&v). */
struct packed_vector {
	void **items;
	size_t *count, *capacity;
	size_t size; /* of an element, bytes */
};
#define PACKED_VECTOR(v)                                                                           \
	{                                                                                          \
		(void **)&(v)->items, &(v)->count, &(v)->capacity, sizeof(*(v)->items)             \
	}

struct packed;

/* The elements of the @n vectors, which stay as they are; free() it. 0, -ENOMEM or -E2BIG. */
int packed__create(const struct packed_vector *vectors, size_t n, struct packed **ret);

/* The same elements, into @n empty vectors of the same types, which are the caller's to release
 * also where it fails. 0 or -ENOMEM. */
int packed__open(const struct packed *p, const struct packed_vector *vectors, size_t n);

#endif
