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
#include "probe/changes.h"
#include "probe/deferred.h"
#include "probe/path.h"
#include "probe/probe.h"
#include "profile/profile.h"
#include "util/vector.h"

struct snapshot_block {
	uint64_t addr;
	struct memleak_block block;
	uint32_t type;	 /* in types; PROFILE_NONE: unknown */
	uint8_t verdict; /* enum profile_verdict */
	bool cycle;
	uint16_t classes; /* of its cycle's shared_ptrs: number in cycles, from 1; 0: none */
};

/* A block's place in the order of addresses. */
struct snapshot_item {
	uint64_t addr;
	uint32_t index; /* in blocks */
};

struct snapshot {
	struct memleak_process process; /* its counters at that moment */
	uint64_t now_ns;		/* CLOCK_MONOTONIC */
	double pause_ms;		/* how long the process was stopped */
	double judge_ms;		/* how long the verdicts took */
	bool at_exit;
	VECTOR(struct snapshot_block) blocks; /* also some that are gone: go by `items` */
	struct snapshot_item *items;	      /* the blocks that there are, by address */
	size_t nr;			      /* of them */
	VECTOR(char *) types;		      /* class names, each owned */
	VECTOR(char *) cycles;		      /* "Parent, Child": see check_cycles.h; each owned */
	VECTOR(struct path *) paths;	      /* one for each stack and family, owned */
	/* Private. */
	struct snapshot_item *spare; /* for sorting and merging */
	size_t max_items;	     /* room in both */
	struct changes changes;
	VECTOR(uint64_t) changed;
	bool merged;		  /* something, since it was created */
	struct deferred deferred; /* what it had not told of, as last read */
};

/*
 * A snapshot of the process @pid, which need not be stopped yet: what it holds now, with room for
 * some more. 0, -ESRCH where it is not followed, or -errno.
 */
int snapshot__create(const struct probe *p, pid_t pid, struct snapshot **ret);
void snapshot__destroy(struct snapshot *s);

/* Follow what the process has done meanwhile, so that little is left to do when it is stopped. 0
 * or -errno. */
int snapshot__catch_up(struct snapshot *s);

/* Now that the process is stopped, make it exact: *@changed is false where nothing came or went
 * since it was created. 0 or -errno. */
int snapshot__read(struct snapshot *s, const struct probe *p, bool *changed);

/* It stays as it is: let go of the room for more. Of processes that end there may be many, until a
 * report shows them. */
void snapshot__fit(struct snapshot *s);

#endif
