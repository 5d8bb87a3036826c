/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_PROBE_COLLECT_H
#define MEMLEAK_PROBE_COLLECT_H

/* Reading the kernel's tables into a profile: one pass over the blocks, one hash aggregation. */

#include <stdbool.h>
#include <stdint.h>

#include "probe/batch.h"
#include "probe/probe.h"
#include "probe/snapshot.h"
#include "profile/profile.h"

struct collector;

struct collect_options {
	uint64_t older_ns; /* entries of running processes hold only blocks at least this old */
	bool final;	   /* every process followed so far, not only those of this interval */
	bool blocks;	   /* list the single blocks too */
	bool peek;	   /* between two reports: growth goes on counting from the last one */
};

/* @p is borrowed for the collector's life. @history: final profiles, and those of a peek, say what
 * was outstanding at each report. 0, -ENOMEM, or -errno after saying why. */
int collector__create(struct probe *p, bool history, struct collector **ret);
void collector__destroy(struct collector *c);

/* A new profile, unsorted, owned by the caller. 0 or -errno. */
int collector__run(struct collector *c, const struct collect_options *o, struct profile **ret);

/* Whether a sweep should not wait for the next report. Cheap. */
bool collector__needs_sweep(struct collector *c);

/* Drop the blocks of images that are over, and stacks that no block has any more, so that they
 * fill the tables no longer. For long intervals; collector__run does the same. @blocks as in the
 * options. 0 or -errno. */
int collector__sweep(struct collector *c, bool blocks);

/* A number that is the same as long as no process that is followed allocates, frees, comes or ends.
 * Cheap: blocks are not read. 0 or -errno. */
int collector__activity(struct collector *c, uint64_t *ret);

/*
 * The next profile shows @s, whose ownership passes, for its process; one that was taken at the
 * exit stays until the process has ended. Replaces an earlier one. 0 or -ENOMEM.
 */
int collector__show_snapshot(struct collector *c, struct snapshot *s);

/* Call @fn with a context for each running process, a struct memleak_process. 0, -errno, or what
 * @fn returned. */
int collector__for_each_process(struct collector *c, batch_fn *fn, void *context);

/* What a wrong free of the process @pid met in a block, as yet without a type: its first word. */
typedef int collector_head_fn(void *context, uint64_t head, uint32_t image);

/* Call @fn for each of them. 0, -errno, or what @fn returned. */
int collector__untyped_heads(struct collector *c, pid_t pid, collector_head_fn *fn, void *context);

/* Blocks of @image that begin with @head are of the class @name (NULL: of none). 0 or -ENOMEM. */
int collector__set_type(struct collector *c, uint64_t head, uint32_t image, const char *name);

/* Name a frame for --trace: "module+0xoff" into @buf; false where its file is unknown. */
bool collector__name_frame(const struct collector *c, uint64_t frame, char *buf, size_t size);

#endif
