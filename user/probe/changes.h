/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_PROBE_CHANGES_H
#define MEMLEAK_PROBE_CHANGES_H

/*
 * Which blocks of one image come and go, while somebody wants to know: so a table that was read
 * while the process ran can be made exact once it is stopped, without reading all of it again. Of
 * one image at a time.
 */

#include <stdbool.h>
#include <stdint.h>

#include "probe/probe.h"

struct changes {
	struct probe_tables tables;
	uint64_t *ring; /* mapped; NULL: nothing is watched */
	uint64_t done;	/* as many were taken */
};

/* Watch @image. 0 or -errno. */
int changes__begin(struct changes *c, const struct probe *p, uint32_t image);

/* No longer; harmless where nothing is watched. */
void changes__end(struct changes *c);

/* How many there are to take. */
uint64_t changes__pending(const struct changes *c);

/* The next one (MEMLEAK_CHANGE) into *@ret; false where there is none that is written in full. */
bool changes__take(struct changes *c, uint64_t *ret);

/*
 * The process is stopped, and all were taken that could be: whether they are all that there were.
 * They are not where more came than the ring holds.
 */
bool changes__are_complete(const struct changes *c);

#endif
