/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_TARGET_ALLOCATOR_H
#define MEMLEAK_TARGET_ALLOCATOR_H

/*
 * Which allocation functions an object defines, and where. Every object that defines them is a
 * source of blocks: libc, a preloaded allocator, one that was linked statically.
 */

#include <stdbool.h>
#include <stdint.h>

#include "bpf/memleak.h"
#include "target/object.h"
#include "util/vector.h"

/* A function to place a probe on. */
struct allocator_function {
	const char *name; /* static */
	uint64_t offset;  /* in the file */
	uint64_t size;	  /* of its symbol; 0: unknown */
	enum memleak_call call;
	enum memleak_family family;
	int64_t distance; /* MEMLEAK_CALL_LIBRARIES: from here to _r_debug; 0: there is none */
};

/* Where C++'s operator new lies: its frames are no callers, and they tell the family of a block. */
struct allocator_range {
	uint64_t start, end; /* file offsets */
	enum memleak_family family;
};

struct allocator {
	VECTOR(struct allocator_function) functions;
	VECTOR(struct allocator_range) operators;
	bool has_heap; /* one of the functions is of the heap, not of the mmap family */
	bool is_go;    /* a Go program: its allocator cannot be probed */
};

/*
 * Find them by the object's symbol tables. Where @prefix is not NULL, the heap functions are called
 * PREFIXmalloc or PREFIX_malloc instead; the mmap family keeps its names. An operator new that ends
 * in a malloc which is probed itself is not listed in functions: one probe is enough for the block.
 * Its operator new[] is listed all the same, as MEMLEAK_CALL_NEW_ARRAY. 0 (perhaps with nothing
 * found) or -ENOMEM. *@ret is released with allocator__release.
 */
int allocator__find(const struct object *o, const char *prefix, struct allocator *ret);

/* Whether @name is that of an allocation function, as source code or a demangler writes it. */
bool allocator__is_name(const char *name);

void allocator__release(struct allocator *a);

#endif
