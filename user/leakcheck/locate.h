/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_LEAKCHECK_LOCATE_H
#define MEMLEAK_LEAKCHECK_LOCATE_H

/* Which block holds an address: as judge__find, but for millions of addresses. */

#include <stdint.h>

#include "leakcheck/judge.h"

struct locator;

/* For the @nr blocks, sorted by address and not overlapping, borrowed. 0 or -ENOMEM. */
int locator__create(const struct judge_block *blocks, uint32_t nr, struct locator **ret);
void locator__destroy(struct locator *l);

/* Index of the block that holds @addr, or UINT32_MAX. */
uint32_t locator__find(const struct locator *l, uint64_t addr);

#endif
