/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_CHECK_CYCLES_H
#define MEMLEAK_CHECK_CYCLES_H

/* Which classes' shared_ptrs a cycle is made of. */

#include "leakcheck/judge.h"
#include "probe/snapshot.h"

/*
 * Say of each block of @s that is in a cycle, by the verdicts in order of its items, what the
 * control blocks in that cycle count: into @s's cycles, by the types that it has already. Cycles
 * beyond the first UINT16_MAX - 1 of different classes stay without. 0 or -ENOMEM.
 */
int cycles__name(struct snapshot *s, const struct judge_verdict *verdicts);

#endif
