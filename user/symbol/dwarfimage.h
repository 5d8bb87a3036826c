/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_SYMBOL_DWARFIMAGE_H
#define MEMLEAK_SYMBOL_DWARFIMAGE_H

#include <stdbool.h>

#include "symbol/elffile.h"

/*
 * A file in memory with just those debug sections of @fd that dwarfinfo reads, uncompressed, each
 * with zeros behind it: libdw (seen in 0.188) reads past the end of a section that is cut short or
 * lacks its final NUL, and so it finds zeros there. 0, -ENOENT where there is nothing to take,
 * -EFBIG where it would be larger than any real one, -ENOMEM.
 */
int dwarfimage__create(int fd, struct elffile **ret);

/* The same with nothing in it, to stand for a file that is missing: every reference into it fails.
 * 0 or -ENOMEM. */
int dwarfimage__create_empty(struct elffile **ret);

/* False where libdw may as well read the file itself: it is trusted, nothing in it is compressed.
 */
bool dwarfimage__is_needed(const struct elffile *f);

#endif
