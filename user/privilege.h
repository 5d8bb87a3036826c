/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_PRIVILEGE_H
#define MEMLEAK_PRIVILEGE_H

#include <stdbool.h>

#include "options.h"

/*
 * Give up every capability that the run does not need, and the way to get any back (no_new_privs).
 * Once, before there are threads and before anything of a target is read; after the command was
 * forked, which keeps all that it had. @as_other: the command runs as another user than the tool.
 * 0, or -errno after a line that says what is missing.
 */
int privilege__reduce(const struct options *o, bool as_other);

/*
 * The programs are loaded: give up CAP_SYS_ADMIN too, unless there are @perf_links, which the
 * kernel (seen in 6.18) makes for nobody else, or it stands for another. 0 or -errno.
 */
int privilege__settle(bool perf_links);

#endif
