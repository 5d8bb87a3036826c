/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_LEAKCHECK_REGIONS_H
#define MEMLEAK_LEAKCHECK_REGIONS_H

/* The mappings of a process, and what of them was ever touched. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/vector.h"

struct region {
	uint64_t start, end;
	uint64_t offset; /* in its file */
	char *name;	 /* as /proc/PID/maps has it; NULL: not asked for, or none */
	bool readable, writable, executable, shared;
	uint64_t inode; /* as /proc/PID/maps has it; 0: it is of no file */
	bool brk;	/* [heap] */
	bool stack;	/* [stack] */
};

struct regions {
	VECTOR(struct region) list;		   /* by address */
	uint64_t trampoline_start, trampoline_end; /* the kernel's, of its uprobes; 0: none */
};

void regions__release(struct regions *r);

/* Those of @reader, a live thread of the process, with or without their names. Once. 0 or -errno.
 */
int regions__read(struct regions *r, pid_t reader, bool names);

/* Index of the one that holds @addr; -1 where none does. */
ssize_t regions__find(const struct regions *r, uint64_t addr);

/* Pages that were touched. */
struct range {
	uint64_t start, end;
};

struct touched {
	int fd;	      /* of the pagemap, borrowed */
	bool no_scan; /* the kernel has no PAGEMAP_SCAN */
	uint64_t page;
	VECTOR(struct range) ranges; /* by address */
};

/* Those of @r that may hold what the program wrote, in place of what is there. 0 or -errno. */
int touched__find(struct touched *t, const struct region *r);

#endif
