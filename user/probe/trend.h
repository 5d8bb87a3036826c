/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_PROBE_TREND_H
#define MEMLEAK_PROBE_TREND_H

/*
 * What successive reports say about the blocks of one stack: how many of those that were there last
 * time are gone, and how many that are there now came since. Blocks that come and go between two
 * reports are not seen: what grows is what stays.
 */

#include <stdint.h>

#include "profile/profile.h"

#define TREND_REPORTS 8

struct trend {
	uint64_t alive;				/* blocks at the last report */
	uint64_t seq;				/* of that report; 0: none yet */
	uint64_t free_ns;			/* report after which no block was gone any more */
	uint64_t first_birth_ns, last_birth_ns; /* reports that showed new blocks since then */
	uint32_t gone;				/* reports that missed some */
	uint32_t births;			/* how many of those */
	uint32_t quiet;			 /* reports in a row with nothing new and nothing gone */
	uint32_t nr;			 /* reports in the history, the last one last */
	uint64_t history[TREND_REPORTS]; /* blocks */
};

/* What is seen of one stack in a report. */
struct trend_look {
	uint64_t now_ns, last_ns; /* of this report and the one before; the latter 0: none */
	uint64_t seq;
	uint64_t alive; /* blocks that came up to now */
	uint64_t old;	/* those of them that were there at the report before */
};

/* Learn of one more report. */
void trend__look(struct trend *t, const struct trend_look *look);

/* What can be said at @now_ns, and since when (CLOCK_MONOTONIC). */
enum profile_trend trend__judge(const struct trend *t, uint64_t now_ns, uint64_t *since_ns);

#endif
