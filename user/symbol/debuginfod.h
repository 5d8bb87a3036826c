/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_SYMBOL_DEBUGINFOD_H
#define MEMLEAK_SYMBOL_DEBUGINFOD_H

/*
 * Debug files from the servers that DEBUGINFOD_URLS names. elfutils' client library is loaded when
 * it is first wanted, so that the tool runs where it is not installed.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct debuginfod;

/* 0, -ENOENT where DEBUGINFOD_URLS is unset or empty, -ENOSYS without the library (said as a
 * warning), or -ENOMEM. */
int debuginfod__create(struct debuginfod **ret);
void debuginfod__destroy(struct debuginfod *d);

/* The debug file of this build-id: an open descriptor, or -errno. With @tell, waiting for more than
 * a second is said, with @path as the file it is for. */
int debuginfod__fetch(struct debuginfod *d, const uint8_t *build_id, size_t size, const char *path,
		      bool tell);

#endif
