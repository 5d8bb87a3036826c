// SPDX-License-Identifier: GPL-2.0-or-later
#include "util/strings.h"

#include <string.h>

#include "util/cleanup.h"

int strings__add(struct strings *pool, const char *s, uint32_t *ret)
{
	CLEANUP_FREE char *copy = NULL;
	size_t n = strlen(s);
	uint64_t key = hash__bytes(s, n), salt = 0;
	uint32_t i;
	int err;

	/* Different strings of one hash get the salts 0, 1, 2 ... */
	for (;; salt++) {
		i = hash__get(&pool->index, key, salt);
		if (i == HASH_NONE)
			break;
		if (strcmp(pool->list.items[i], s) == 0) {
			*ret = i;
			return 0;
		}
	}
	copy = malloc(n + 1);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, s, n + 1);
	i = pool->list.count;
	err = vector_push(&pool->list, copy);
	if (err)
		return err;
	err = hash__set(&pool->index, key, salt, i);
	if (err) {
		pool->list.count--;
		return err;
	}
	copy = NULL;
	*ret = i;
	return 0;
}

void strings__release(struct strings *pool)
{
	size_t i;

	for (i = 0; i < pool->list.count; i++)
		free(pool->list.items[i]);
	vector_release(&pool->list);
	hash__release(&pool->index);
}
