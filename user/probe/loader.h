/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_PROBE_LOADER_H
#define MEMLEAK_PROBE_LOADER_H

/* Loading the programs, for the best kind of link that the kernel has. */

#include "probe/probe.h"

struct memleak;

/*
 * Load the skeleton as @o says. 0 with *@skeleton, which memleak__destroy() frees, its *@blocks,
 * which blocks__close() does, and *@link, which is never AUTO; or -errno after the lines that say
 * why and what to do.
 */
int loader__load(const struct probe_options *o, struct blocks *blocks, struct memleak **skeleton,
		 enum probe_link *link);

/*
 * Programs that few processes need, apart: the verifier takes as long for some as for all that are
 * common.
 */
enum loader_part {
	LOADER_COMMON,
	LOADER_RETURNS,	   /* of functions that may throw, and of the user's */
	LOADER_SITES,	   /* but for allocations: */
	LOADER_SITE_ALLOC, /* ... where each free is told at once, */
	LOADER_SITE_PUT,   /* ... or some are deferred */
	LOADER_PARTS,
};

/*
 * Load @part beside @skeleton, loaded for @link, with its maps. 0 with *@ret, which
 * memleak__destroy() frees before @skeleton; or -errno after the lines that say why.
 */
int loader__load_part(const struct probe_options *o, enum probe_link link,
		      const struct memleak *skeleton, enum loader_part part, struct memleak **ret);

/* Watch processes start and end; @fds gets LOADER_LIFECYCLE descriptors; on failure, fewer, the
 * rest is left as it was. 0, or -errno after a line that says why. */
#define LOADER_LIFECYCLE 3
int loader__watch_processes(struct memleak *skeleton, int *fds);

/*
 * Whether a process that ends still has its memory when the kernel side hears of it: since Linux
 * 6.16, where the tracepoint got a record of its own ("exit: move and extend sched_process_exit()
 * tracepoint").
 */
bool loader__sees_end(void);

/* Whether, as on the kernel side, only a part of what is allocated is followed with @o. */
bool loader__is_partial(const struct probe_options *o);

/* "auto", "session", "multi", "perf". */
const char *loader__link_name(enum probe_link link);

#endif
