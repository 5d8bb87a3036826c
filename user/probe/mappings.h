/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_PROBE_MAPPINGS_H
#define MEMLEAK_PROBE_MAPPINGS_H

/*
 * The mappings that programs made with the mmap family, as intervals: munmap may end a part of one
 * or several at once, mmap may replace what was there, mremap moves.
 */

#include <stddef.h>
#include <stdint.h>

#include "util/vector.h"

struct mapping {
	uint32_t image;
	uint64_t start, end; /* whole pages */
	uint64_t asked_end;  /* start plus the size that was asked for */
	uint64_t stack;
	uint64_t time_ns;
};

struct mappings {
	VECTOR(struct mapping) list; /* by image, then start; never overlapping in one image */
	struct {
		VECTOR(struct mapping) pieces;
		uint32_t tid;
	} undo; /* what the last munmap ended */
};

/* All zero is empty. */
void mappings__release(struct mappings *m);

/* Add [@addr, @addr + @size) with the rest of the last page, replacing what was there. 0 or
 * -ENOMEM. */
int mappings__map(struct mappings *m, const struct mapping *fresh);

/* End all of @image's in [@start, @start + @size), rounded up to pages. 0 or -ENOMEM. */
int mappings__unmap(struct mappings *m, uint32_t image, uint64_t start, uint64_t size,
		    uint32_t tid);

/*
 * The mapping at [@start, @start + @size) has become @fresh by an mremap that began at
 * @fresh->time_ns: what others have mapped there since stays. 0 or -ENOMEM.
 */
int mappings__move(struct mappings *m, uint64_t start, uint64_t size, const struct mapping *fresh);

/* The last munmap of @tid failed after all: what it ended is there again. 0 or -ENOMEM. */
int mappings__undo_unmap(struct mappings *m, uint32_t tid);

/* The image is over. */
void mappings__drop_image(struct mappings *m, uint32_t image);

#endif
