/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_PROBE_SITES_H
#define MEMLEAK_PROBE_SITES_H

/* Which probe sites of a file are linked, where they are, and what they may do. */

#include "bpf/memleak.h"
#include "probe/places.h"
#include "probe/probe.h"
#include "probe/share.h"
#include "util/vector.h"

/* The first three are set by the owner. */
struct sites {
	const struct probe_options *options;
	int arguments_fd; /* of the kernel's table of where arguments are */
	enum placement_nops nops;
	VECTOR(struct memleak_site_arguments) specs; /* as in that table */
	int sees_end; /* loader__sees_end(): 1: yes, -1: no; 0: not asked so far */
};

void sites__release(struct sites *s);

/*
 * Add the sites of @file that are of @kind, with their cookies and semaphores, to @ret. 0; -EINVAL
 * if a note says that there is a site where there is none, which is logged; or another -errno.
 */
int sites__choose(struct sites *s, const struct file *file, const struct share *share,
		  enum notes_kind kind, struct places *ret);

/*
 * Whether the sites of @file may defer frees (bpf/deferred.h). Not where each is to be told at its
 * time, or where not all blocks are known; not on kernels where what a process has not told of when
 * it ends is lost.
 */
bool sites__may_defer(struct sites *s, const struct file *file, const struct share *share);

#endif
