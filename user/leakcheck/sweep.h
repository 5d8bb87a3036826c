/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_LEAKCHECK_SWEEP_H
#define MEMLEAK_LEAKCHECK_SWEEP_H

/*
 * Reading the memory of a stopped process as fast as the machine allows: several threads copy
 * pieces of it, each a piece of its own, and tell the scan of them in turn. So the scan sees one
 * piece after the other, in order of address, each while it is in the cache of the processor that
 * has read it.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "leakcheck/scan.h"

/* The longest piece, bytes: two of them fit into a cache. */
#define SWEEP_PIECE (512UL << 10)

struct sweep_piece {
	uint64_t start,
		end; /* multiples of 8, at most SWEEP_PIECE apart, in no two pages' middle */
	bool begins; /* a mapping: scan__begin with what follows */
	uint64_t mapping_start, mapping_end;
	enum scan_kind kind;
};

/* The next piece: 1; 0 when there is none; or -errno. Called by one thread at a time. */
typedef int sweep_next_fn(void *context, struct sweep_piece *ret);

struct sweep_counts {
	uint64_t read, unread; /* bytes */
};

struct sweep;

/* Make threads and buffers for reading the process of thread @reader, whose /proc/TID/mem is
 * @mem_fd, borrowed. 0 or -errno. */
int sweep__create(pid_t reader, int mem_fd, struct sweep **ret);
void sweep__destroy(struct sweep *s);

/* Once: read all pieces, and tell @scan of them. What cannot be read is zeroes. 0 or -errno. */
int sweep__run(struct sweep *s, sweep_next_fn *next, void *context, struct scan *scan,
	       struct sweep_counts *ret);

/* Read @size bytes at @addr, whatever its protection. Returns the bytes read from the start on. */
size_t sweep__read(pid_t reader, int mem_fd, uint64_t addr, void *buf, size_t size);

#endif
