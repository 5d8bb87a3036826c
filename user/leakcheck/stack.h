/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_LEAKCHECK_STACK_H
#define MEMLEAK_LEAKCHECK_STACK_H

/* Which part of a stack is in use. */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "leakcheck/memory.h"
#include "leakcheck/regions.h"

struct stack_finder {
	const struct regions *regions;
	const struct memory_thread *threads; /* all that live */
	size_t nr_threads;
	pid_t pid, reader; /* the process, and a live thread of it */
	int mem_fd;	   /* /proc/TID/mem of @reader */
	uint64_t red_zone; /* bytes below a stack pointer that are in use */
};

/*
 * Where the words of the region with this index begin that the program can still reach: its start,
 * unless it is a stack: then what lies below a living thread's stack pointer is left out, and of a
 * thread that has ended everything but its control block, which holds its result. Only the first
 * thread's stack and those that glibc made are known for what they are.
 */
uint64_t stack__used_start(const struct stack_finder *f, size_t region);

#endif
