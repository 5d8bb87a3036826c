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
#include "target/calls.h"
#include "target/notes.h"
#include "target/object.h"
#include "util/vector.h"

/* What is known of a function by its name. */
struct allocator_row {
	const char *name;
	enum memleak_call call;
	uint8_t family; /* enum memleak_family */
	bool may_throw; /* an exception may leave it: its return address must stay as it is */
	uint64_t form;	/* MEMLEAK_FORM_... of MEMLEAK_CALL_DESCRIBED and _RELEASE */
};

/* A function to place a probe on. */
struct allocator_function {
	const char *name; /* that of its row */
	uint64_t offset;  /* in the file */
	uint64_t size;	  /* of its symbol; 0: unknown */
	enum memleak_call call;
	uint8_t family; /* enum memleak_family */
	bool may_throw; /* allocations: probe `returns`, place no return probe */
	uint64_t form;
	uint8_t families; /* MEMLEAK_COOKIE_FAMILIES */
	bool guarded;	  /* MEMLEAK_FORM_GUARDED */
	bool leaf;	  /* MEMLEAK_FORM_LEAF */
	bool plain;	  /* exported by this very name: a library in front can define it too */
	bool by_other;	  /* ... by another name, with a prefix say */
	int64_t distance; /* MEMLEAK_CALL_LIBRARIES: from here to _r_debug; 0: there is none */
};

/* Where C++'s operators lie: their frames are no callers, and they tell the family of a block. */
struct allocator_range {
	uint64_t start, end; /* file offsets */
	enum memleak_family family;
	bool deletes;
};

struct allocator {
	VECTOR(struct allocator_function) functions;
	VECTOR(struct allocator_range) operators;
	VECTOR(struct allocator_range) internals; /* where the allocator maps memory for itself */
	calls_returns returns; /* where those that may throw return: file offsets, each once */
	bool has_heap;	       /* one of the functions is of the heap, not of the mmap family */
	bool has_rows;	       /* one of them is the user's */
	bool has_gaps;	       /* a function is missing: its calls cannot be followed */
	notes_sites sites;     /* that tell of allocations, beside or instead of the functions */
	bool is_hook;	       /* libmemleak.so, or it is linked in: the sites are its own */
	bool is_sanitizer;     /* built with one, which takes the allocator's place */
	bool is_go;	       /* a Go program: its allocator cannot be probed */
};

/* What to look for, beside what is always looked for. */
struct allocator_search {
	const char *prefix;		  /* NULL: none */
	const struct allocator_row *rows; /* the user's; their strings outlive the result */
	size_t nr_rows;
	bool no_sites; /* find functions alone */
};

/*
 * Find them by the object's symbol tables. Where there is a prefix, the heap functions are called
 * PREFIXmalloc or PREFIX_malloc instead; the mmap family keeps its names. An operator new that ends
 * in a malloc which is probed itself, and an operator delete that ends in such a free, are listed
 * as what only tells the family: allocator__is_note. A function that may throw and whose returns
 * cannot be found is not listed, after a warning. 0 (perhaps with nothing found) or -ENOMEM. *@ret
 * is released with allocator__release.
 */
int allocator__find(const struct object *o, const struct allocator_search *search,
		    struct allocator *ret);

/* Whether @f is an operator on its way to another function of the list or of another object. */
bool allocator__is_note(const struct allocator_function *f);

/*
 * A function as a number and back: that of its row, the user's first. @note: it is listed as
 * allocator__is_note. False where there is no such row; what the object says of the function is
 * not filled in.
 */
uint32_t allocator__row_number(const struct allocator_search *search,
			       const struct allocator_function *f);
bool allocator__from_row(const struct allocator_search *search, uint32_t number, bool note,
			 struct allocator_function *ret);

/* Whether @name is that of an allocation function, as source code or a demangler writes it. */
bool allocator__is_name(const char *name);

void allocator__release(struct allocator *a);

#endif
