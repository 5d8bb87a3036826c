/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_PROFILE_PPROF_LABELS_H
#define MEMLEAK_PROFILE_PPROF_LABELS_H

/* What both directions of pprof.h share. */

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum pprof_value {
	PPROF_INUSE_OBJECTS,
	PPROF_INUSE_SPACE,
	PPROF_ALLOC_OBJECTS,
	PPROF_ALLOC_SPACE,
	PPROF_VALUES
};

static const struct {
	const char *type, *unit;
} pprof_values[PPROF_VALUES] = {
	{"inuse_objects", "count"},
	{"inuse_space", "bytes"},
	{"alloc_objects", "count"},
	{"alloc_space", "bytes"},
};

enum pprof_label {
	PPROF_LABEL_PID,
	PPROF_LABEL_PROCESS,
	PPROF_LABEL_COMM,
	PPROF_LABEL_FAMILY,
	PPROF_LABEL_VERDICT,
	PPROF_LABEL_CYCLE,
	PPROF_LABEL_CYCLE_CLASSES,
	PPROF_LABEL_SUPPRESSED,
	PPROF_LABEL_RESOURCE,
	PPROF_LABEL_TYPE,
	PPROF_LABEL_OLDEST,
	PPROF_LABEL_NEWEST,
	PPROF_LABEL_GROWTH,
	PPROF_LABEL_PATH,
	PPROF_LABEL_TREND,
	PPROF_LABEL_TREND_SINCE,
	PPROF_LABEL_GENERATIONS,
	PPROF_LABEL_ERROR_BLOCKS,
	PPROF_LABEL_ERROR_BYTES,
	PPROF_LABEL_TRUNCATED,
	PPROF_LABEL_BROKEN,
	PPROF_LABEL_BY_FRAME_POINTER,
	PPROF_LABEL_INTERRUPTED,
	PPROF_LABEL_OFFSETS,
	PPROF_LABEL_BLOCK_ADDR,
	PPROF_LABEL_BLOCK_BYTES,
	PPROF_LABEL_BLOCK_AGE,
	PPROF_LABEL_HISTORY,
	PPROF_LABEL_WRONG,
	PPROF_LABEL_WRONG_SIDE,
	PPROF_LABEL_WRONG_COUNT,
	PPROF_LABEL_WRONG_ADDR,
	PPROF_LABEL_WRONG_BYTES,
	PPROF_LABEL_WRONG_DELETED,
	PPROF_LABEL_WRONG_FAMILY,
	PPROF_LABELS
};

static const char *const pprof_labels[PPROF_LABELS] = {
	[PPROF_LABEL_PID] = "pid",
	[PPROF_LABEL_PROCESS] = "process",
	[PPROF_LABEL_COMM] = "comm",
	[PPROF_LABEL_FAMILY] = "family",
	[PPROF_LABEL_VERDICT] = "verdict",
	[PPROF_LABEL_CYCLE] = "cycle",
	[PPROF_LABEL_CYCLE_CLASSES] = "cycle_classes",
	[PPROF_LABEL_SUPPRESSED] = "suppressed",
	[PPROF_LABEL_RESOURCE] = "resource",
	[PPROF_LABEL_TYPE] = "type",
	[PPROF_LABEL_OLDEST] = "oldest",
	[PPROF_LABEL_NEWEST] = "newest",
	[PPROF_LABEL_GROWTH] = "growth_bytes_per_s",
	[PPROF_LABEL_PATH] = "path",
	[PPROF_LABEL_TREND] = "trend",
	[PPROF_LABEL_TREND_SINCE] = "trend_since",
	[PPROF_LABEL_GENERATIONS] = "generations",
	[PPROF_LABEL_ERROR_BLOCKS] = "standard_error_blocks",
	[PPROF_LABEL_ERROR_BYTES] = "standard_error_bytes",
	[PPROF_LABEL_TRUNCATED] = "truncated",
	[PPROF_LABEL_BROKEN] = "broken",
	[PPROF_LABEL_BY_FRAME_POINTER] = "by_frame_pointer",
	[PPROF_LABEL_INTERRUPTED] = "interrupted",
	[PPROF_LABEL_OFFSETS] = "offsets",
	[PPROF_LABEL_BLOCK_ADDR] = "block_addr",
	[PPROF_LABEL_BLOCK_BYTES] = "block_bytes",
	[PPROF_LABEL_BLOCK_AGE] = "block_age",
	[PPROF_LABEL_HISTORY] = "history",
	[PPROF_LABEL_WRONG] = "wrong_free",
	[PPROF_LABEL_WRONG_SIDE] = "wrong_free_side",
	[PPROF_LABEL_WRONG_COUNT] = "wrong_free_count",
	[PPROF_LABEL_WRONG_ADDR] = "wrong_free_addr",
	[PPROF_LABEL_WRONG_BYTES] = "wrong_free_bytes",
	[PPROF_LABEL_WRONG_DELETED] = "deleted_bytes",
	[PPROF_LABEL_WRONG_FAMILY] = "free_family",
};

/* A wrong free is two samples or three, of no value: one for each stack. The first one, that of the
 * free, says what there is to say. */
#define PPROF_SIDE_FREE	   "free"
#define PPROF_SIDE_ALLOC   "alloc"
#define PPROF_SIDE_FIRST   "first_free"

#define PPROF_KIND	   "memleak-bpf" /* what a comment says by this member */
#define PPROF_KIND_HEAD	   "head"
#define PPROF_KIND_PROCESS "process"
#define PPROF_HISTORY	   "history" /* a member of the latter */

/* The name of a function that has none. */
static inline void pprof_unknown_name(char *buf, size_t size, const char *path, uint64_t pc)
{
	const char *slash = strrchr(path, '/');

	snprintf(buf, size, "%s+0x%" PRIx64, slash && slash[1] ? slash + 1 : path, pc);
}

/* Longer file names are no file names. */
#define PPROF_UNKNOWN_SIZE 4200

#endif
