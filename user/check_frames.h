/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_CHECK_FRAMES_H
#define MEMLEAK_CHECK_FRAMES_H

/*
 * Which function's frame a word of a thread's stack is in. Stacks are copied while the process is
 * stopped, and walked later, where somebody asks. A thread within an allocator's call may have a
 * return address that the kernel has replaced: its walk ends there.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "leakcheck/memory.h"
#include "probe/files.h"

struct frames;
struct sandbox;
struct unwind_tables;

/* The tables of files that were needed so far, compiled by @sandbox, borrowed. 0 or -ENOMEM. */
int unwind_tables__create(struct sandbox *sandbox, struct unwind_tables **ret);
void unwind_tables__destroy(struct unwind_tables *t);

/* Copy the stacks of the @nr stopped @threads, whose process's mappings @m has the names of. All is
 * borrowed for the life of *@ret. 0 or -ENOMEM. */
int frames__create(struct unwind_tables *tables, const struct files *files, struct memory *m,
		   const struct memory_thread *threads, size_t nr, struct frames **ret);
void frames__destroy(struct frames *f);

struct frame {
	uint32_t file;	  /* its number */
	uint64_t pc;	  /* in the file: as profile_location has it */
	bool interrupted; /* the same */
};

/* The frame that holds the word at @place of the stack of thread number @thread: 0; 1 where it is
 * not known; -ENOMEM. */
int frames__find(struct frames *f, size_t thread, uint64_t place, struct frame *ret);

#endif
