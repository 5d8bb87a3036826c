/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_UNWIND_TABLE_WIRE_H
#define MEMLEAK_UNWIND_TABLE_WIRE_H

/* An unwind table in a message, from the helper that compiled it. */

#include "sandbox/wire.h"
#include "unwind/table.h"

void unwind_table__put(const struct unwind_table *t, struct wire *w);

/* The table in the message, if it holds every invariant of bpf/unwind.h. 0, -EPROTO, -ENOMEM. */
int unwind_table__get(struct wire *w, struct unwind_table **ret);

#endif
