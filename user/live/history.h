/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_LIVE_HISTORY_H
#define MEMLEAK_LIVE_HISTORY_H

/*
 * What was outstanding at the last reports: one number a report for each stack and each process,
 * the last HISTORY_POINTS of them. What has not been there for that long is forgotten.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/hash.h"
#include "util/vector.h"

#define HISTORY_POINTS 32

struct history_series {
	uint64_t key;
	uint64_t first, last; /* reports, by their number here */
	uint64_t points[HISTORY_POINTS];
};

/* All zero is an empty one. */
struct history {
	uint64_t now; /* number of the report; 0: none yet */
	VECTOR(struct history_series) series;
	struct hash index;
};

void history__release(struct history *h);

/* A new report begins. 0 or -ENOMEM. */
int history__begin(struct history *h);

/* Add @value to what @key holds in this report. 0 or -ENOMEM. */
int history__add(struct history *h, uint64_t key, uint64_t value);

/*
 * The last values of @key, at most @n, oldest first, from its first report on; 0 where it was not
 * there. Returns how many.
 */
size_t history__get(const struct history *h, uint64_t key, uint64_t *ret, size_t n);

#define HISTORY_SPARK_SIZE (3 * HISTORY_POINTS + 1)

/*
 * The last values of @key as a line of @columns (at most HISTORY_POINTS) characters, newest on the
 * right: blocks of eight heights, or with @utf8 false ASCII. What changes by less than a hundredth
 * is drawn flat.
 */
char *history__spark(const struct history *h, uint64_t key, size_t columns, bool utf8,
		     char buf[static HISTORY_SPARK_SIZE]);

#endif
