/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_PROBE_PLACES_H
#define MEMLEAK_PROBE_PLACES_H

/*
 * Where the probes of a file go, and what their programs are told there (the cookies of
 * bpf/memleak.h).
 */

#include <stdbool.h>
#include <stdint.h>

#include "probe/files.h"
#include "probe/share.h"
#include "target/placement.h"
#include "util/vector.h"

/* The place of each of a file's functions, in their order. All zero is none. */
struct placements {
	VECTOR(struct placement) list;
};

/* 0, -ENOMEM, or why the file cannot be read. */
int placements__choose(const struct file *file, enum placement_nops nops, struct placements *ret);
void placements__release(struct placements *p);

/* Log them, in lines of bearable length; true where one of the functions cannot be probed. */
bool placements__log(const struct placements *p, const struct file *file);

/* What functions one program serves. */
enum places_part {
	PLACES_FREES,
	PLACES_RELEASES,
	PLACES_ALLOCS,
	PLACES_MAY_THROW,
	PLACES_NEW_ARRAY,
	PLACES_OPERATORS, /* the others of C++ */
	PLACES_LIBRARIES,
	PLACES_PARTS
};

/* Places in one file, for one link. All zero is none. */
struct places {
	VECTOR(uint64_t) offsets; /* in the file, bytes */
	VECTOR(uint64_t) cookies;
	VECTOR(uint64_t) semaphores; /* offsets in the file; 0: none */
};

void places__release(struct places *places);

/* 0 or -ENOMEM. */
int places__add(struct places *places, uint64_t offset, uint64_t cookie, uint64_t semaphore);

/*
 * Add the places of the functions that are of @part, that the kernel takes, and that @share leaves
 * to probes. 0 or -ENOMEM.
 */
int places__choose(struct places *places, const struct file *file,
		   const struct placements *placements, const struct share *share,
		   enum places_part part);

#endif
