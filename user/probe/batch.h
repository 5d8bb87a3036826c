/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_PROBE_BATCH_H
#define MEMLEAK_PROBE_BATCH_H

#include <stddef.h>

/* Called with one record of a map; what is not 0 ends the reading. */
typedef int batch_fn(void *context, const void *key, const void *value);

/*
 * Call @fn for every record of the BPF hash map @fd, a few thousand of them for each system call.
 * Records that come or go meanwhile are met or not. 0, -errno, or what @fn returned.
 */
int batch__read(int fd, size_t key_size, size_t value_size, batch_fn *fn, void *context);

#endif
