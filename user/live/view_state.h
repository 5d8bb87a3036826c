/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_LIVE_VIEW_STATE_H
#define MEMLEAK_LIVE_VIEW_STATE_H

/* What the two halves of the view share: view.c knows what is selected and obeys keys, draw.c
 * draws. */

#include "live/history.h"
#include "live/view.h"
#include "report/format.h"
#include "util/hash.h"
#include "util/vector.h"

/* A line of the table of stacks: the stack itself (0), or what stands under it. */
struct view_row {
	uint32_t entry; /* in profile.entries */
	uint32_t line;
};

struct view {
	struct view_options o;
	struct profile *profile;       /* NULL: none yet */
	VECTOR(uint64_t) stack_hashes; /* by stack of the profile: what it is made of */
	struct history history;
	struct hash expanded; /* (series of a stack, 0) */
	VECTOR(struct view_row) rows;
	enum profile_sort sort;
	bool paused, help;
	bool in_processes; /* keys move in the table of processes */
	uint32_t pid;	   /* the process that was chosen; 0: the first */
	bool follows;	   /* the cursor stays with its stack, wherever that goes */
	uint64_t cursor_key, cursor_stack;
	uint32_t cursor_line;
	size_t cursor;		   /* in rows */
	size_t top, process_top;   /* the first that are shown */
	size_t page, process_page; /* how many were shown last */
	char note[FORMAT_NAME_SIZE];
};

/* A line of text under a stack. */
struct view_detail {
	const struct profile_location *location; /* with `line`: a frame */
	const struct profile_line *line;
	const struct profile_block *block; /* a block */
	const char *remark;		   /* anything else */
};

/* Line @n, from 0, under @e; false where there are fewer. */
bool view__detail(const struct view *v, const struct profile_entry *e, uint32_t n,
		  struct view_detail *ret);

/* Index of the process whose stacks are shown; PROFILE_NONE where there is none. */
uint32_t view__process(const struct view *v);

/* Make `rows` and `cursor` fit the profile and what is expanded. */
void view__update_rows(struct view *v);

/* What tells @e from others, in every profile. */
uint64_t view__entry_key(const struct view *v, const struct profile_entry *e);

/* The keys of histories. */
uint64_t view__stack_series(const struct view *v, const struct profile_entry *e);
uint64_t view__process_series(const struct profile_process *process);

/* The name of an order, as --sort has it. */
const char *view__sort_name(enum profile_sort sort);

#endif
