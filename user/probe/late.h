/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_PROBE_LATE_H
#define MEMLEAK_PROBE_LATE_H

/*
 * What was probed too late. A file that is probed already has its probes in whoever maps it next:
 * the kernel sees to that. One that nobody had mapped before is probed when its process has been
 * heard of, and what its functions gave out until then is not known. How much that is cannot be
 * said, but how often it happened, and for how long.
 */

#include <stdint.h>
#include <sys/types.h>

#include "util/hash.h"

struct late {
	uint64_t count;	     /* files, once for each process that had one mapped */
	uint64_t longest_ns; /* until the probes were in */
	struct hash known;   /* (pid, file): counted */
};

/*
 * The process @pid could run code of file @id from @could_ns on, and its probes were in at
 * @probed_ns (CLOCK_MONOTONIC). Counts it if that was later, once. 0 or -ENOMEM.
 */
int late__note(struct late *l, pid_t pid, uint32_t id, uint64_t could_ns, uint64_t probed_ns);
void late__release(struct late *l);

#endif
