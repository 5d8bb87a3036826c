/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_LEAKCHECK_MEMORY_H
#define MEMLEAK_LEAKCHECK_MEMORY_H

/*
 * The memory of a stopped process: which mappings there are, what of them was ever touched, and
 * their words. Nothing that is read is trusted; what vanishes meanwhile is left out.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "leakcheck/regions.h"
#include "leakcheck/scan.h"

struct memory;

/* What is known of a stopped thread. */
struct memory_thread {
	pid_t tid;
	uint64_t sp;	     /* stack pointer */
	uint64_t tls;	     /* thread pointer; 0: unknown */
	uint64_t ip, fp, lr; /* where it is; see unwind_regs */
};

/*
 * Prepare for reading process @pid, of which @reader is a live thread (the process itself, or
 * another one where its first thread has ended). Nothing of it need be stopped yet: buffers are
 * touched here, so that the stop is short. 0 or -errno.
 */
int memory__create(pid_t pid, pid_t reader, struct memory **ret);
void memory__destroy(struct memory *m);

/* Learn what the process has mapped, for memory__class without a memory__scan. 0 or -errno. */
int memory__read_regions(struct memory *m);

/*
 * Look at all memory of the process that may hold pointers, now that it is stopped with the
 * @nr_threads @threads, and tell @s of it. With @complete, every block of its heap is known, so
 * that gaps in it need not be roots; with @at_exit it will not run again. 0 or -errno.
 */
int memory__scan(struct memory *m, const struct memory_thread *threads, size_t nr_threads,
		 bool complete, bool at_exit, struct scan *s);

/* Before that: have the names of mappings too. */
void memory__keep_names(struct memory *m);

/* After it: the mappings there were. */
const struct regions *memory__regions(const struct memory *m);

/* Read up to @size bytes at @addr, also when the process runs again. Returns how many. */
size_t memory__read(const struct memory *m, uint64_t addr, void *buf, size_t size);

/* For judge_memory, with the memory as context: both also when the process runs again. */
bool memory__word(void *context, uint64_t addr, uint64_t *ret);
bool memory__is_vtable(void *context, uint64_t addr);

/* The words at @nr addresses into @ret, 0 where one cannot be read: many in one call. */
void memory__words(struct memory *m, const uint64_t *addrs, size_t nr, uint64_t *ret);

/*
 * The class that the vtable at @vptr (what an object's first word holds) belongs to, by the type
 * information beside it: its mangled name, as in "7Session", freed with free(). NULL where @vptr is
 * no vtable, or without memory.
 */
char *memory__class(struct memory *m, uint64_t vptr);

/* Bytes read by memory__scan, and bytes that could not be read. */
uint64_t memory__bytes_read(const struct memory *m);
uint64_t memory__bytes_unread(const struct memory *m);

#endif
