/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_PROBE_DEFERRED_H
#define MEMLEAK_PROBE_DEFERRED_H

/* Frees that a process has not told of so far (bpf/deferred.h), read from its memory. */

#include <stdbool.h>
#include <stdint.h>

#include "bpf/memleak.h"
#include "util/vector.h"

/* A block whose free is deferred, or may be. */
struct deferred_block {
	uint64_t addr;
	uint8_t generation; /* of the block: its `deferrable` in the table, or it is another one */
	bool freed;	    /* whatever the table says */
	uint8_t pad[6];
};

typedef VECTOR(struct deferred_block) deferred_list;

/*
 * The blocks in the cells of @p, freed or not, added to @ret: none where it defers no frees, or has
 * ended (then the kernel side has read them). Exact while the process is stopped. It is warned of
 * where the memory cannot be read of a process that @processes_fd, the kernel side's table, has
 * still. 0 or -ENOMEM.
 */
int deferred__read(int processes_fd, const struct memleak_process *p, deferred_list *ret);

void deferred__release(deferred_list *list);

#endif
