/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_LEAKCHECK_SUPPRESS_TEXT_H
#define MEMLEAK_LEAKCHECK_SUPPRESS_TEXT_H

/* The text of a file of suppressions: Valgrind's. */

#include <stddef.h>

struct suppressions;

enum suppress_fault {
	SUPPRESS_FAULT_NONE,
	SUPPRESS_FAULT_BRACE,
	SUPPRESS_FAULT_TOOL,
	SUPPRESS_FAULT_KIND,
	SUPPRESS_FAULT_FRAME,
	SUPPRESS_FAULT_NO_FRAMES,
	SUPPRESS_FAULT_END,
	SUPPRESS_FAULTS
};

/* The readable form of the mangled @name of @size bytes, freed with free(); NULL without memory. */
typedef char *suppress_demangle_fn(const char *name, size_t size);

/*
 * Add the entries of the @size bytes @text to @s. 0; -EINVAL, with what is wrong in @fault and
 * where in @line; -ENOMEM. Entries of other tools and of other kinds of error are skipped.
 */
int suppress_text__parse(const char *text, size_t size, suppress_demangle_fn *demangle,
			 struct suppressions *s, enum suppress_fault *fault, unsigned int *line);

/* What @fault is, for a person. */
const char *suppress_text__describe(enum suppress_fault fault);

#endif
