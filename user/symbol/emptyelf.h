/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_SYMBOL_EMPTYELF_H
#define MEMLEAK_SYMBOL_EMPTYELF_H

#include "symbol/elffile.h"

/* The smallest file that libdw takes for one with DWARF, to stand for one that is missing: every
 * reference into it fails. 0 or -ENOMEM. */
int emptyelf__create(struct elffile **ret);

#endif
