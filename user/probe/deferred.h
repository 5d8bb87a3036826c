/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_PROBE_DEFERRED_H
#define MEMLEAK_PROBE_DEFERRED_H

/* What a process has not told of so far (bpf/deferred.h), read from its memory. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "bpf/deferred.h"
#include "bpf/memleak.h"
#include "util/vector.h"

/* What a tool is known by to processes, and where what it has of them is. */
struct deferred_tool {
	int processes_fd;
	uint32_t session;
	uint64_t secret; /* of the stacks that it has given processes */
};

/* A block whose free is deferred, or may be; or which is new. */
struct deferred_block {
	uint64_t addr;
	uint64_t time_ns;   /* when it came again last, CLOCK_MONOTONIC; 0: as the table has it */
	uint8_t generation; /* of the block: its `deferrable` in the table, or it is another one */
	bool freed;	    /* whatever the table says */
	bool is_new;	    /* it is as in `block`; the table may have it by now */
	uint8_t pad[5];
	struct memleak_block block;
};

struct deferred_numbers {
	/* Blocks that have come again or have passed, which is an allocation and a free each, and
	 * their bytes; weighed, as in a process; without those that the kernel side has not seen.
	 */
	uint64_t again, again_bytes;
	uint64_t peak_bytes; /* what it had at most since the kernel side looked last; 0: no more */
};

struct deferred {
	VECTOR(struct deferred_block) blocks;
	struct deferred_numbers numbers;
	bool has_new; /* the new ones there are the tool's */
};

/*
 * What @p has in its cells, freed or not, and new if it is @tool's: added to the blocks of @ret,
 * whose numbers are set. Nothing, and 0, where it defers no frees, or has ended (then the kernel
 * side has read them). Exact while the process is stopped. It is warned of where the memory cannot
 * be read of a process that the kernel side has still. 0 or -ENOMEM.
 */
int deferred__read(const struct deferred_tool *tool, const struct memleak_process *p,
		   struct deferred *ret);

/* Add what has come again to the numbers of @p, as they were at that time, and the peak. */
void deferred__count(const struct deferred_numbers *d, struct memleak_process *p, uint64_t now_ns);

void deferred__release(struct deferred *d);

#endif
