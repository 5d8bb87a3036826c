/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_PROBE_SNAPSHOT_PRIVATE_H
#define MEMLEAK_PROBE_SNAPSHOT_PRIVATE_H

/* What snapshot.c and snapshot_deferred.c share. */

#include "probe/snapshot.h"

/* Room for @n places in the order of addresses. 0 or -ENOMEM. */
int snapshot__make_room(struct snapshot *s, size_t n);

/* Bring what has changed, s->changed, into the order, as the table has it now. 0 or -errno. */
int snapshot__merge_changes(struct snapshot *s);

/* Leave out what is freed and not told to be, and correct what has come again; where it @counts,
 * add what is new, and count what was not told. 0 or -errno. */
int snapshot__apply_deferred(struct snapshot *s, bool counts);

#endif
