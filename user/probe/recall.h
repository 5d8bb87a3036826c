/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_PROBE_RECALL_H
#define MEMLEAK_PROBE_RECALL_H

/*
 * What a report remembers for the next one: values under keys of two words. Those of two reports
 * are kept, and no others: what is no longer met takes no memory.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/hash.h"
#include "util/vector.h"

struct recall_page {
	struct hash index; /* to values */
	VECTOR(char) values;
};

struct recall {
	size_t size; /* of a value, bytes */
	unsigned int now;
	struct recall_page pages[2]; /* of this report, and of the one before */
};

/* Nothing is remembered yet; values have @size bytes. */
void recall__init(struct recall *r, size_t size);
void recall__release(struct recall *r);

/* What the report before has noted under (@a, @b), for as long as this one lasts; NULL: nothing. */
const void *recall__before(const struct recall *r, uint64_t a, uint64_t b);

/* Note a copy of @value under (@a, @b), in place of what this report has noted there. 0 or -ENOMEM.
 */
int recall__note(struct recall *r, uint64_t a, uint64_t b, const void *value);

/* Of values that are numbers: what the report before has noted, into *@before (0: nothing, and not
 * *@known), and note @now, but for a peek, which notes nothing. 0 or -ENOMEM. */
int recall__exchange(struct recall *r, uint64_t a, uint64_t b, uint64_t now, bool peek,
		     uint64_t *before, bool *known);

/* The next report begins. */
void recall__turn(struct recall *r);

#endif
