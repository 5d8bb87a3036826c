/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_PROFILE_FILTER_H
#define MEMLEAK_PROFILE_FILTER_H

/* --focus and --ignore: only some of the stacks. */

#include "profile/profile.h"

/*
 * Drop the entries of @p with no frame that matches @focus, and those with one that matches
 * @ignore: POSIX extended regular expressions, valid ones, on the names of functions, their source
 * files and modules; NULL leaves it out. Sums stay what they are. @p is sorted, has the lines of
 * all its locations, and must be sorted again. 0 or -ENOMEM.
 */
int filter__stacks(struct profile *p, const char *focus, const char *ignore);

/* 0 where @regex is valid; otherwise -EINVAL or -ENOMEM with the reason in @why, of @size bytes. */
int filter__check(const char *regex, char *why, size_t size);

#endif
