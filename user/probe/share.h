/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_PROBE_SHARE_H
#define MEMLEAK_PROBE_SHARE_H

/*
 * Who tells of which allocations, where a process has sites: each block is to be told of once, and
 * by sites where there are some, because they are cheaper.
 *
 * Sites take the place of the probes in their own object. Those of libmemleak.so also take the
 * place of the probes in all objects behind it, for the functions that it defines itself: it is
 * what those are called through. The program is never behind it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/memleak.h"
#include "probe/files.h"

/* What of a file is probed. */
struct share {
	bool sites;			  /* those in the file, instead of its own heap functions */
	const struct allocator *in_front; /* libmemleak.so; NULL: it is not */
	bool mixed;   /* heap functions are probed beside sites, in this file or in others */
	bool guarded; /* what sites do not tell of was not allocated */
	bool alone;   /* nothing else tells of the heap: frees may be deferred */
	bool drawn;   /* the process draws its samples itself */
};

/* The files of one process. */
struct share_process {
	const struct files *files;
	uint32_t exe;
	uint32_t hook;	/* the one with libmemleak.so's sites; 0: none, or it has stepped aside */
	bool sanitized; /* a sanitizer has the allocator */
	bool mixed;
	bool alone;  /* nothing but the hook's sites tells of allocations, frees and operators */
	bool drawn;  /* libmemleak.so draws its samples; set by whoever knows the process */
	bool unseen; /* an allocator has other names for what the hook defines: calls pass it by */
};

/* Look at the @n mappings @vmas of a process. */
void share__look(const struct files *files, const struct memleak_vma *vmas, size_t n,
		 struct share_process *ret);

/* The share of file @id of the process @p; NULL: of all processes. */
void share__choose(const struct share_process *p, uint32_t id, const struct file *file,
		   struct share *ret);

/* Whether @f has a probe of its own. */
bool share__is_probed(const struct share *share, const struct allocator_function *f);

/* Whether a function of @file has no probe because libmemleak.so is in front of it. */
bool share__is_behind(const struct share *share, const struct file *file);

#endif
