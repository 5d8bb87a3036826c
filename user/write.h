/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_WRITE_H
#define MEMLEAK_WRITE_H

/* What a run and the saved profiles share: bringing a profile to where the options want it. */

#include <stdio.h>

#include "options.h"
#include "profile/profile.h"

/* Whether text on @out has colour. */
bool write__wants_color(const struct options *o, FILE *out);

/* Print a report of @p, sorted and with the lines that it needs, to @out: in full or, in a
 * file of --output, not at all. 0 or -errno. */
int write__report(const struct options *o, const struct profile *p, FILE *out);

/* Write the files of -w, all stacks of @p, which is sorted and has all its lines. 0, or -errno of
 * the first that failed after a line for each. */
int write__files(const struct options *o, const struct profile *p);

/* Whether the files of -w can be written, before the work begins. 0, or -errno after a line that
 * says why. */
int write__check(const struct options *o);

/* Standard output, or the file of --output. 0, or -EIO after a line that says why. */
int write__open(const struct options *o, FILE **ret);

#endif
