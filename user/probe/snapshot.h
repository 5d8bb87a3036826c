/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_PROBE_SNAPSHOT_H
#define MEMLEAK_PROBE_SNAPSHOT_H

/*
 * The blocks of one process, read while it was stopped, and what a leak check said of each. A
 * report shows them in place of what the table holds by then.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "bpf/memleak.h"
#include "probe/probe.h"
#include "profile/profile.h"
#include "util/vector.h"

struct snapshot_block {
	uint64_t addr;
	struct memleak_block block;
	uint32_t type;	 /* in types; PROFILE_NONE: unknown */
	uint8_t verdict; /* enum profile_verdict */
	bool cycle;
};

struct snapshot {
	struct memleak_process process; /* its counters at that moment */
	uint64_t now_ns;		/* CLOCK_MONOTONIC */
	double pause_ms;		/* how long the process was stopped */
	bool at_exit;
	VECTOR(struct snapshot_block) blocks; /* in no order */
	uint32_t *order;		      /* indexes of blocks by address */
	VECTOR(char *) types;		      /* class names, each owned */
	/* Private: for sorting; room for as many as blocks have. */
	struct snapshot_item *items, *spare;
	size_t max_items;
};

/*
 * A snapshot of the process @pid, which need not be stopped yet: what it holds now, with room for
 * some more. 0, -ESRCH where it is not followed, or -errno.
 */
int snapshot__create(const struct probe *p, pid_t pid, struct snapshot **ret);
void snapshot__destroy(struct snapshot *s);

/* Now that the process is stopped, make it exact; quick where the process did nothing to its heap
 * since: then *@changed is false. 0 or -errno. */
int snapshot__read(struct snapshot *s, const struct probe *p, bool *changed);

#endif
