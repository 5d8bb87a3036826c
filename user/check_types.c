// SPDX-License-Identifier: GPL-2.0-or-later
#include "check_types.h"

#include <errno.h>
#include <stdlib.h>

#include "classes.h"
#include "util/cleanup.h"

/* Classes that are looked up in one check; a hostile heap may be full of vtables. */
#define MAX_TYPES 4096

void check_types__release(struct check_types *t)
{
	hash__release(&t->known);
}

int check_types__find(struct check_types *t, uint64_t vptr, uint32_t *ret)
{
	char *name;
	int err;

	*ret = hash__get(&t->known, vptr, 0);
	if (*ret != HASH_NONE)
		return 0;
	*ret = PROFILE_NONE;
	if (t->snapshot->types.count >= MAX_TYPES)
		return 0;
	err = classes__name(t->sandbox, t->memory, vptr, &name);
	if (err || !name)
		return err;
	err = vector_push(&t->snapshot->types, name);
	if (err) {
		free(name);
		return err;
	}
	*ret = t->snapshot->types.count - 1;
	return hash__set(&t->known, vptr, 0, *ret);
}

/* The first words of blocks, read in portions. */
struct heads {
	uint64_t addrs[1024], words[1024];
	uint32_t blocks[1024]; /* indexes in the snapshot */
	size_t nr;
};

static int type_heads(struct check_types *t, struct heads *h)
{
	size_t i;
	int err = 0;

	memory__words(t->memory, h->addrs, h->nr, h->words);
	for (i = 0; i < h->nr && !err; i++)
		err = check_types__find(t, h->words[i],
					&t->snapshot->blocks.items[h->blocks[i]].type);
	h->nr = 0;
	return err;
}

int check_types__of_lost(struct check_types *t, const struct judge_block *blocks,
			 const struct judge_verdict *verdicts)
{
	CLEANUP_FREE struct heads *h = calloc(1, sizeof(*h));
	const struct snapshot *s = t->snapshot;
	size_t i;
	int err = h ? 0 : -ENOMEM;

	for (i = 0; i < s->nr && !err; i++) {
		uint8_t verdict = verdicts[i].verdict;

		if ((verdict != PROFILE_VERDICT_DEFINITE && verdict != PROFILE_VERDICT_INDIRECT) ||
		    blocks[i].size < sizeof(uint64_t))
			continue;
		h->addrs[h->nr] = blocks[i].addr;
		h->blocks[h->nr++] = s->items[i].index;
		if (h->nr == ARRAY_SIZE(h->addrs))
			err = type_heads(t, h);
	}
	return err ? err : type_heads(t, h);
}
