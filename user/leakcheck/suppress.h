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

#include "leakcheck/suppress_text.h"
#include "profile/profile.h"

struct sandbox;
struct suppressions;
struct wire;

/* None yet. 0 or -ENOMEM. */
int suppressions__create(struct suppressions **ret);
void suppressions__destroy(struct suppressions *s);

/* Add those of the file @path, which the helper reads. 0, or -errno after a line that says what is
 * wrong where; -ENOMEM without one. Entries of other tools and of other kinds of error are skipped.
 */
int suppressions__load(struct suppressions *s, struct sandbox *sandbox, const char *path);

/* The helper's side of it. 0, or anything else to end it. */
int suppressions__serve(suppress_demangle_fn *demangle, struct wire *request, struct wire *reply);

/* Mark the entries and the wrong frees of @p, symbolized, that match; the former move to
 * `suppressed` in the sums of their processes. */
void suppressions__apply(const struct suppressions *s, struct profile *p);

/* Whether @text matches @pattern, in which * stands for any characters and ? for one. */
bool suppressions__glob(const char *pattern, const char *text);

#endif
