/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_PROBE_TRAILS_H
#define MEMLEAK_PROBE_TRAILS_H

/* What a process is told (bpf/deferred.h), written to its memory: trails, and whose what is new
 * there is. Another tool does not write at the same time. */

#include <stdint.h>
#include <sys/types.h>

#include "bpf/deferred.h"
#include "bpf/memleak.h"
#include "probe/deferred.h"

/*
 * Write the trail that a process has asked @tool for into its memory, or that one of its cells is
 * on none. Nothing is done where the process has ended, or another program is in its place; what
 * has not come is asked for again.
 */
void trails__answer(const struct deferred_tool *tool, const struct memleak_trail_answer *a);

/*
 * From now on process @pid is to tell of each block that is not in the table of @tool, which has
 * just been attached to it: libmemleak.so has the semaphore of its site `put` at @semaphore there.
 * 0 or -errno.
 */
int trails__begin_epoch(const struct deferred_tool *tool, pid_t pid, uint64_t semaphore);

/* No trail that @p has is one any more. Nothing is done where it has ended. */
void trails__end(const struct memleak_process *p);

/* @tool hears of @p no longer: what is new there is nobody's. Nothing is done where it has ended.
 */
void trails__leave(const struct deferred_tool *tool, const struct memleak_process *p);

#endif
