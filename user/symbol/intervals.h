/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_SYMBOL_INTERVALS_H
#define MEMLEAK_SYMBOL_INTERVALS_H

/*
 * Address ranges that may overlap, made into disjoint ones in ascending order, so that a look-up is
 * one binary search whatever a damaged or hostile file says.
 */

#include <stddef.h>
#include <stdint.h>

#include "util/vector.h"

#define INTERVALS_NONE UINT32_MAX

struct interval {
	uint64_t start, end; /* [start, end) */
	uint32_t value;	     /* what the range stands for; not INTERVALS_NONE */
};

struct intervals {
	VECTOR(struct interval) v;
};

/* Which range an address belongs to that lies in several. */
enum intervals_rule {
	INTERVALS_INNERMOST, /* the one that starts last, of those the one that ends first */
	INTERVALS_LATEST,    /* the one added last */
};

/* Add [start, end); empty ranges are left out. 0 or -ENOMEM. */
int intervals__add(struct intervals *s, uint64_t start, uint64_t end, uint32_t value);

/* Make them disjoint and sorted; once, after the last was added. 0 or -ENOMEM with nothing in it.
 */
int intervals__settle(struct intervals *s, enum intervals_rule rule);

/* The value of the range that holds @addr, or INTERVALS_NONE. */
uint32_t intervals__find(const struct intervals *s, uint64_t addr);

/* Free everything; it is empty afterwards. */
void intervals__release(struct intervals *s);

#endif
