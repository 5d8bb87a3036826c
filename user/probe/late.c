// SPDX-License-Identifier: GPL-2.0-or-later
#include "probe/late.h"

int late__note(struct late *l, pid_t pid, uint32_t id, uint64_t could_ns, uint64_t probed_ns)
{
	int err;

	if (probed_ns <= could_ns || hash__get(&l->known, pid, id) != HASH_NONE)
		return 0;
	err = hash__set(&l->known, pid, id, 0);
	if (err)
		return err;
	l->count++;
	if (probed_ns - could_ns > l->longest_ns)
		l->longest_ns = probed_ns - could_ns;
	return 0;
}

void late__release(struct late *l)
{
	hash__release(&l->known);
}
