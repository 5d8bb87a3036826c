/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_PROBE_COLLECT_BUILDING_H
#define MEMLEAK_PROBE_COLLECT_BUILDING_H

/*
 * What becomes of a pass: collect_build.c makes the profile, with its processes and what they
 * allocated; collect_entry.c the entries, with what is known of them from the reports before.
 */

#include "probe/collect_pass.h"

/* The groups of one stack and family together, whatever a leak check said of their blocks. */
struct whole_stack {
	uint64_t stack, key;
	uint64_t now, before; /* bytes */
	bool known;	      /* what was before */
};

/* What turns the groups of one pass into entries. */
struct building {
	struct collector *collector;
	const struct pass *pass;
	struct profile *profile;
	struct hash process_of;	   /* (image, 0) to profile.processes */
	VECTOR(uint32_t) entry_of; /* by group; HASH_NONE: none */
	VECTOR(struct whole_stack) wholes;
	struct hash whole_index; /* (stack, image and family) to wholes */
	struct hash site_index;	 /* (process and stack, family) to profile.sites */
	VECTOR(struct timeline_row) rows;
};

/* A weighed number of blocks as a number of blocks. */
static inline uint64_t whole(uint64_t weighed)
{
	return (weighed + SAMPLE_WEIGHT_ONE / 2) / SAMPLE_WEIGHT_ONE;
}

/* --- collect_entry.c --- */

/* Of @n groups, but for images in @ended: their stacks as wholes, which entries need. 0 or -ENOMEM.
 */
int building__add_wholes(struct building *b, const struct group *groups, size_t n,
			 const struct hash *ended);

/* Make an entry of @g and add it to its process; the number of the entry into *@ret, HASH_NONE
 * where it has none. 0 or -errno. */
int building__add_entry(struct building *b, const struct group *g, uint32_t *ret);

#endif
