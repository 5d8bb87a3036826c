/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_PROBE_DEFERRED_H
#define MEMLEAK_PROBE_DEFERRED_H

/* Frees that a process has not told of so far (bpf/deferred.h), read from its memory. */

#include <stdint.h>

#include "bpf/memleak.h"
#include "util/vector.h"

typedef VECTOR(uint64_t) deferred_list;

/*
 * The addresses of blocks that @p has freed and not told of, added to @ret: none where it defers no
 * frees, or has ended. A deferrable block of the table with one of them is gone. Exact while the
 * process is stopped. 0, or -errno: its memory cannot be read.
 */
int deferred__read(const struct memleak_process *p, deferred_list *ret);

void deferred__release(deferred_list *list);

#endif
