// SPDX-License-Identifier: GPL-2.0-or-later
#include "probe/batch.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "util/cleanup.h"

/* Records that one call reads. */
#define BATCH 4096

int batch__read(int fd, size_t key_size, size_t value_size, batch_fn *fn, void *context)
{
	uint32_t batch_size = BATCH, count, i;
	CLEANUP_FREE char *keys = malloc(BATCH * key_size);
	CLEANUP_FREE char *values = malloc(BATCH * value_size);
	uint64_t position[4]; /* opaque; the kernel writes a u32 for hash maps */
	bool first = true, last = false;
	int err;

	if (!keys || !values)
		return -ENOMEM;
	while (!last) {
		count = batch_size;
		if (bpf_map_lookup_batch(fd, first ? NULL : position, position, keys, values,
					 &count, NULL)) {
			if (errno == ENOSPC) {
				/* A bucket holds more than fits: larger buffers. */
				char *more_keys = reallocarray(keys, 2 * batch_size, key_size);
				char *more_values;

				keys = more_keys ? more_keys : keys;
				more_values = reallocarray(values, 2 * batch_size, value_size);
				values = more_values ? more_values : values;
				if (!more_keys || !more_values)
					return -ENOMEM;
				batch_size *= 2;
				continue;
			}
			if (errno != ENOENT)
				return -errno;
			last = true; /* with the last records */
		}
		first = false;
		for (i = 0; i < count; i++) {
			err = fn(context, keys + i * key_size, values + i * value_size);
			if (err)
				return err;
		}
	}
	return 0;
}
