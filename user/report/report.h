/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_REPORT_REPORT_H
#define MEMLEAK_REPORT_REPORT_H

/* One reporter a format. A reporter sees a sorted, symbolized profile and a FILE, nothing else. */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "profile/profile.h"

struct report_options {
	uint64_t top;	  /* stacks per process */
	bool show_allocs; /* list the blocks under each stack */
	bool color;
	bool heap_summary;   /* end a final report with Valgrind's HEAP SUMMARY, once per process */
	uint32_t leak_kinds; /* a bit for each enum profile_verdict: what a final text report shows
				of processes that were checked */
	bool gen_suppressions; /* text: an entry for --suppressions under each loss */
};

/*
 * Write one report of @p, profile__sort()ed, the locations of the first `top` entries of each
 * process symbolized, and flush. 0, or -errno of the stream (-EPIPE: the reader is gone) or
 * -ENOMEM.
 */
int report__text(const struct profile *p, const struct report_options *o, FILE *out);

/* The same as one JSON object on one line, schema "memleak-bpf/1". */
int report__json(const struct profile *p, const struct report_options *o, FILE *out);

/*
 * One line a stack: its frames joined by `;`, the outermost first, and the bytes that it holds.
 * Heap alone; of differences only what grew. A stack that lacks its outermost frames begins with
 * [truncated] or [broken].
 */
int report__folded(const struct profile *p, const struct report_options *o, FILE *out);

/*
 * A flame graph of the heap as one picture, the outermost functions on top: legible without script,
 * each name and number in the text that a pointer brings up. Of differences it shows what grew and
 * what shrank.
 */
int report__svg(const struct profile *p, const struct report_options *o, FILE *out);

/* A page that needs nothing but a browser: flame graph, table of stacks, outstanding bytes over
 * time. */
int report__html(const struct profile *p, const struct report_options *o, FILE *out);

/* One allocator event as it happened, for --trace. */
struct report_event {
	int64_t time_ms; /* since 1970-01-01 UTC */
	uint32_t pid, tid;
	const char *comm;
	const char *operation; /* "alloc", "free", "mmap", "munmap" */
	const char *family;
	uint64_t addr, bytes;
	const char *caller; /* module+0xoff of the allocator's caller; NULL where unknown */
};

/* One line an event, text or JSON ("event" is the operation). Same result as the others. */
int report__event_text(const struct report_event *e, const struct report_options *o, FILE *out);
int report__event_json(const struct report_event *e, const struct report_options *o, FILE *out);

#endif
