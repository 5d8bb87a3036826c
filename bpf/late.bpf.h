/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MEMLEAK_BPF_LATE_BPF_H
#define MEMLEAK_BPF_LATE_BPF_H

/* Stacks that a process names, and blocks that were new (bpf/deferred.h): these are told of late,
 * or found when the process ends, and nobody can walk the stack then. */

#include "bpf/deferred.bpf.h"

/* How a process knows a stack, and a stack that it knows so: others cannot be named by guessing. */
static __always_inline __u64 hide_stack(__u64 stack)
{
	return stack ^ trail_secret;
}

/* A time that a process has told: its clock may be set to another time. */
static __always_inline __u64 not_later(__u64 time_ns, __u64 now)
{
	return time_ns < now ? time_ns : now;
}

#endif
