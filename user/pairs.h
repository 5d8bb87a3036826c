/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_PAIRS_H
#define MEMLEAK_PAIRS_H

/*
 * What the user defines beside malloc: functions that give something and functions that take it
 * back, in families.
 *
 *   --alloc-fn FUNC[:size=ARGn|ARGn*ARGm][:ptr=ret|ARGn|*ARGn][:fail=0|-1|nonzero][:old=ARGn]
 *              [:resource|:nothrow][:family=NAME]
 *   --free-fn  FUNC[:ptr=ARGn][:family=NAME]
 *
 * A family is one or more --alloc-fn followed by one or more --free-fn, named after its first
 * function unless family=NAME names it. Arguments are numbered from 1 to 5. Memory (a pool, a
 * wrapper) counts as heap, and allocations made inside of such a call are a part of it; a resource
 * (a file, a lock) stands beside the heap.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/vector.h"

#define PAIRS_MAX_FAMILIES 32

struct pairs_function {
	char *name;
	uint8_t family; /* MEMLEAK_FAMILY_USER and its index in families */
	bool releases;
	bool nothrow;  /* no exception leaves it: it may have a return probe */
	uint64_t form; /* MEMLEAK_FORM_... */
};

struct pairs_family {
	char *name;
	bool resource;
	size_t nr_allocs, nr_frees;
};

struct pairs {
	VECTOR(struct pairs_function) functions;
	VECTOR(struct pairs_family) families;
	size_t current; /* the family that the last function is of */
	bool released;	/* that was one that releases */
};

/* Add the function that @text describes. 0, -ENOMEM, or -EINVAL with the reason, in words that go
 * behind the text, in *@why (static). */
int pairs__add(struct pairs *p, const char *text, bool releases, const char **why);

/* Add a family by its name: files, locks, dirs or dl. 0, -ENOMEM, or -ENOENT. */
int pairs__add_preset(struct pairs *p, const char *name);

/* The name of a family that lacks one half; NULL if all are complete. */
const char *pairs__incomplete(const struct pairs *p);

/* All zero is empty. */
void pairs__release(struct pairs *p);

#endif
