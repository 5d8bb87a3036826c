/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_PROBE_TIMELINE_H
#define MEMLEAK_PROBE_TIMELINE_H

/*
 * What was outstanding at each report: of every process, and of those of its stacks that hold most.
 *
 * It is bounded. No series has more than PROFILE_POINTS_MAX points: when they are that many, every
 * other one goes, and from then on every other report leaves one; what has ended stays as it is,
 * and packed. A stack joins when it is among the TIMELINE_JOIN largest of its process, and is
 * forgotten when it is not among the TIMELINE_LEAVE largest any more, nor among the TIMELINE_JOIN
 * that were largest ever.
 */

#include "profile/profile.h"
#include "util/packed.h"

#define TIMELINE_JOIN  10
#define TIMELINE_LEAVE 20

/* What a process or one of its stacks holds. */
struct timeline_row {
	uint32_t image;
	bool whole; /* the process: stack and family are 0 */
	bool ended; /* the process has, and this is what it held then */
	uint8_t family;
	uint8_t pad;
	uint64_t stack;
	uint64_t bytes;
};

struct timeline_series {
	struct timeline_row key; /* without its bytes */
	uint32_t start;		 /* number of its first point among those of the timeline */
	bool done;		 /* it gets no other */
	uint8_t pad[3];
	uint64_t added; /* when its last point was */
	size_t rank;	/* how many stacks of its process held more then */
	uint64_t most;	/* bytes of any of its points */
	VECTOR(struct profile_point) points;
};

struct timeline {
	VECTOR(struct timeline_series) series; /* but for those that are done */
	VECTOR(struct packed *) done;	       /* that became so at one point */
	struct hash index;		       /* key to series */
	uint32_t count;			       /* points so far */
	uint64_t adds;
	uint64_t reports, stride;
	bool provisional; /* the last point is of a moment that is not to be kept */
};

/* All zero is an empty one. */
void timeline__release(struct timeline *t);

/*
 * Add what the @nr @rows say, which are reordered; rows of one stack and family add up. Processes
 * have a row each, those that ended have one for the last time. @peek: the point goes when the next
 * one comes. 0 or -ENOMEM.
 */
int timeline__add(struct timeline *t, double at_s, bool peek, struct timeline_row *rows, size_t nr);

typedef int timeline_fn(void *context, const struct timeline_series *s);

/* Call @fn for each series. 0, -ENOMEM, or what @fn returned. */
int timeline__for_each(const struct timeline *t, timeline_fn *fn, void *context);

/*
 * Add the points of @s to those of @p, as @history. Where that has some already, of a stack of the
 * kernel that is the same in @p, they add up: both end at the same moment. 0 or -ENOMEM.
 */
int timeline__copy(const struct timeline_series *s, struct profile *p,
		   struct profile_history *history);

#endif
