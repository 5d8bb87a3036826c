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
 * frees, or has ended (then the kernel side has read them). A deferrable block of the table with
 * one of them is gone. Exact while the process is stopped. It is warned of where the memory cannot
 * be read of a process that @processes_fd, the kernel side's table, has still. 0 or -ENOMEM.
 */
int deferred__read(int processes_fd, const struct memleak_process *p, deferred_list *ret);

void deferred__release(deferred_list *list);

#endif
