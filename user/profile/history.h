/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_PROFILE_HISTORY_H
#define MEMLEAK_PROFILE_HISTORY_H

/* A history as text, "5.002:4096,10.004:8192": seconds and bytes. */

#include "profile/profile.h"

/* free() it; NULL without memory. */
char *history__text(const struct profile *p, const struct profile_history *history);

/* Append the points of @text, who ever wrote it, to those of @p: at most PROFILE_POINTS_MAX, up to
 * the first that is none or goes back in time. 0 or -ENOMEM. */
int history__read(struct profile *p, const char *text, struct profile_history *ret);

#endif
