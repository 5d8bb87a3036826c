/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_REPORT_DIFF_H
#define MEMLEAK_REPORT_DIFF_H

#include "profile/profile.h"

/*
 * What changed from @base to @p, as a profile of differences (profile.diff) with one process, named
 * after the largest of @p; growth is per second between the two. Not sorted; the caller owns it.
 *
 * Stacks are matched by build-id and address, where a module's build-id occurs in both profiles,
 * and by the names of functions elsewhere, so that a program that was restarted, or built anew,
 * compares with itself; processes, verdicts and types do not matter. What did not change is left
 * out. 0 or -ENOMEM.
 */
int diff__create(const struct profile *base, const struct profile *p, struct profile **ret);

#endif
