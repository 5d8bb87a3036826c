/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_LEAKCHECK_SUPPRESS_H
#define MEMLEAK_LEAKCHECK_SUPPRESS_H

/*
 * Suppressions: losses (Memcheck:Leak) and wrong frees (Memcheck:Free, of whatever kind) that the
 * user does not want to hear of, in Valgrind's files.
 *
 * A stack begins with the allocator's function there (fun:malloc, fun:_Znwm ...), which stacks of a
 * profile leave out: any of a family's functions is taken for it. C++ functions are written mangled
 * or as the reports show them; a mangled name with a wildcard in it matches nothing. A wrong free
 * is known by the stack of the free.
 */

#include <stddef.h>

#include "profile/profile.h"

struct suppressions;

/* The readable form of the mangled @name of @size bytes, freed with free(); NULL without memory. */
typedef char *suppress_demangle_fn(const char *name, size_t size);

/* None yet. 0 or -ENOMEM. */
int suppressions__create(suppress_demangle_fn *demangle, struct suppressions **ret);
void suppressions__destroy(struct suppressions *s);

/* Add those of the file @path. 0, or -errno after a line that says what is wrong where. Entries of
 * other tools and of other kinds of error are skipped. */
int suppressions__load(struct suppressions *s, const char *path);

/* Mark the entries and the wrong frees of @p, symbolized, that match; the former move to
 * `suppressed` in the sums of their processes. */
void suppressions__apply(const struct suppressions *s, struct profile *p);

/* Whether @text matches @pattern, in which * stands for any characters and ? for one. */
bool suppressions__glob(const char *pattern, const char *text);

#endif
