/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_REPORT_HINT_H
#define MEMLEAK_REPORT_HINT_H

#include "profile/profile.h"

#define HINT_SIZE 160

/*
 * What reports have seen of the blocks of @e, in a plain sentence; NULL where there is nothing to
 * say. It tells what was seen and draws no conclusion: "grows steadily, nothing freed since
 * 14:02:11". The result is @buf, or NULL.
 */
const char *hint__text(const struct profile_entry *e, char buf[static HINT_SIZE]);

#endif
