/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_SAVED_H
#define MEMLEAK_SAVED_H

#include "options.h"

/* `report` and `diff`: show saved profiles; needs no privilege. The status to exit with. */
int saved(const struct options *o);

#endif
