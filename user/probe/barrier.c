// SPDX-License-Identifier: GPL-2.0-or-later
#include "probe/barrier.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/log.h"

struct barrier {
	int outer, inner;
};

int barrier__create(struct barrier **ret)
{
	DECLARE_LIBBPF_OPTS(bpf_map_create_opts, opts);
	struct barrier *b = malloc(sizeof(*b));
	int err;

	if (!b)
		return -ENOMEM;
	b->inner = bpf_map_create(BPF_MAP_TYPE_ARRAY, NULL, sizeof(uint32_t), sizeof(uint32_t), 1,
				  NULL);
	opts.inner_map_fd = b->inner;
	b->outer = b->inner < 0 ? b->inner
				: bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, NULL, sizeof(uint32_t),
						 sizeof(uint32_t), 1, &opts);
	if (b->outer < 0) {
		err = b->outer;
		log_error("the kernel makes no map of maps: %s", strerror(-err));
		barrier__destroy(b);
		return err;
	}
	*ret = b;
	return 0;
}

void barrier__destroy(struct barrier *b)
{
	if (!b)
		return;
	if (b->inner >= 0)
		close(b->inner);
	if (b->outer >= 0)
		close(b->outer);
	free(b);
}

int barrier__wait(const struct barrier *b)
{
	uint32_t first = 0;

	return bpf_map_update_elem(b->outer, &first, &b->inner, BPF_ANY) ? -errno : 0;
}
