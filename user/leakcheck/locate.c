// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A binary search in a million blocks misses the caches a dozen times. So for each page of memory
 * where blocks begin, the first of them is looked up in a table:
 *
 *   address bits   47..35   34..21    20..12
 *   table          regions  granules  pages: the first block that begins there or behind
 *
 * What lies in a granule (2 MiB) without such a table is searched for.
 */
#include "leakcheck/locate.h"

#include <errno.h>
#include <stdlib.h>

#include "util/cleanup.h"
#include "util/vector.h"

#define PAGE_SHIFT    12
#define GRANULE_SHIFT 21
#define REGION_SHIFT  35
#define ADDRESS_BITS  48
#define PAGES	      (1U << (GRANULE_SHIFT - PAGE_SHIFT))
#define GRANULES      (1U << (REGION_SHIFT - GRANULE_SHIFT))
#define REGIONS	      (1U << (ADDRESS_BITS - REGION_SHIFT))

/* Tables that there are at most: one for so many blocks, and these. A heap may be spread thin. */
#define BLOCKS_PER_TABLE 64
#define FEW_TABLES	 64

struct table {
	uint32_t first[PAGES + 1];
};

struct locator {
	const struct judge_block *blocks;
	uint32_t nr;
	uint32_t *regions[REGIONS]; /* of granules: the table's number from 1, 0: none */
	VECTOR(struct table) tables;
};

static void cleanup_locator(struct locator **l)
{
	locator__destroy(*l);
}

void locator__destroy(struct locator *l)
{
	size_t i;

	if (!l)
		return;
	for (i = 0; i < REGIONS; i++)
		free(l->regions[i]);
	vector_release(&l->tables);
	free(l);
}

/* Make the table of the granule of block @i, the first that begins there; *@next is the first one
 * behind it. */
static int add_table(struct locator *l, uint32_t i, uint32_t *next)
{
	uint64_t granule = l->blocks[i].addr >> GRANULE_SHIFT;
	uint64_t page = granule << (GRANULE_SHIFT - PAGE_SHIFT);
	uint32_t **region = &l->regions[granule / GRANULES];
	struct table *t;
	uint32_t p;
	int err = vector_reserve(&l->tables, l->tables.count + 1);

	if (!err && !*region)
		*region = calloc(GRANULES, sizeof(**region));
	if (err || !*region)
		return -ENOMEM;
	t = &l->tables.items[l->tables.count++];
	(*region)[granule % GRANULES] = l->tables.count;
	for (p = 0; p <= PAGES; p++) {
		while (i < l->nr && l->blocks[i].addr >> PAGE_SHIFT < page + p)
			i++;
		t->first[p] = i;
	}
	*next = i;
	return 0;
}

int locator__create(const struct judge_block *blocks, uint32_t nr, struct locator **ret)
{
	CLEANUP(cleanup_locator) struct locator *l = calloc(1, sizeof(*l));
	uint32_t i = 0;
	int err;

	if (!l)
		return -ENOMEM;
	l->blocks = blocks;
	l->nr = nr;
	while (i < nr && blocks[i].addr >> ADDRESS_BITS == 0 &&
	       l->tables.count < FEW_TABLES + nr / BLOCKS_PER_TABLE) {
		err = add_table(l, i, &i);
		if (err)
			return err;
	}
	*ret = TAKE_PTR(l);
	return 0;
}

uint32_t locator__find(const struct locator *l, uint64_t addr)
{
	uint64_t granule = addr >> GRANULE_SHIFT;
	const uint32_t *region = addr >> ADDRESS_BITS ? NULL : l->regions[granule / GRANULES];
	uint32_t table = region ? region[granule % GRANULES] : 0, low, found;
	const uint32_t *first;

	if (!table)
		return judge__find(l->blocks, l->nr, addr);
	first = &l->tables.items[table - 1].first[addr >> PAGE_SHIFT & (PAGES - 1)];
	/* The block before may reach into this page. */
	low = first[0] - (first[0] > 0);
	found = judge__find(l->blocks + low, first[1] - low, addr);
	return found == UINT32_MAX ? found : low + found;
}
