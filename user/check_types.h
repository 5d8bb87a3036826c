/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_CHECK_TYPES_H
#define MEMLEAK_CHECK_TYPES_H

/* The C++ classes of blocks, by the vtables that they begin with. */

#include <stdint.h>

#include "leakcheck/judge.h"
#include "leakcheck/memory.h"
#include "probe/snapshot.h"
#include "util/hash.h"

struct sandbox;

struct check_types {
	struct sandbox *sandbox; /* reads the names */
	struct memory *memory;
	struct snapshot *snapshot; /* its types are made */
	struct hash known;	   /* vtable to type */
};

void check_types__release(struct check_types *t);

/* The class whose vtable is at @vptr, in the snapshot's types, or PROFILE_NONE. 0 or -ENOMEM. */
int check_types__find(struct check_types *t, uint64_t vptr, uint32_t *ret);

/* Give the snapshot's blocks that are lost their types; @blocks and @verdicts are in its order. 0
 * or -ENOMEM. */
int check_types__of_lost(struct check_types *t, const struct judge_block *blocks,
			 const struct judge_verdict *verdicts);

#endif
