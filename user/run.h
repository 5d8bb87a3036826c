/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_RUN_H
#define MEMLEAK_RUN_H

#include "options.h"

/* Trace what @o names, report, let go. The status to exit with. */
int run(const struct options *o);

#endif
