// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The kernel side counts first and writes then. Whoever is overtaken by the ring sees it: a place
 * that was written twice is taken once, and stays empty when its second turn comes.
 */
#include "probe/changes.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define RING_SIZE (MEMLEAK_CHANGES * sizeof(uint64_t))

int changes__begin(struct changes *c, const struct probe *p, uint32_t image)
{
	void *ring;

	probe__tables(p, &c->tables);
	ring = mmap(NULL, RING_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, c->tables.changes_fd, 0);
	if (ring == MAP_FAILED)
		return -errno;
	c->ring = ring;
	memset(c->ring, 0, RING_SIZE);
	c->done = __atomic_load_n(c->tables.nr_changes, __ATOMIC_ACQUIRE);
	__atomic_store_n(c->tables.changes_image, image, __ATOMIC_SEQ_CST);
	return 0;
}

void changes__end(struct changes *c)
{
	if (!c->ring)
		return;
	__atomic_store_n(c->tables.changes_image, 0, __ATOMIC_SEQ_CST);
	munmap(c->ring, RING_SIZE);
	c->ring = NULL;
}

uint64_t changes__pending(const struct changes *c)
{
	return __atomic_load_n(c->tables.nr_changes, __ATOMIC_ACQUIRE) - c->done;
}

bool changes__take(struct changes *c, uint64_t *ret)
{
	uint64_t pending = changes__pending(c), change;

	if (!pending || pending > MEMLEAK_CHANGES)
		return false;
	change = __atomic_exchange_n(&c->ring[c->done % MEMLEAK_CHANGES], 0, __ATOMIC_ACQ_REL);
	if (!change)
		return false;
	c->done++;
	*ret = change;
	return true;
}

bool changes__are_complete(const struct changes *c)
{
	return !changes__pending(c);
}
