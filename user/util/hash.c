// SPDX-License-Identifier: GPL-2.0-or-later
#include "util/hash.h"

#include <errno.h>
#include <stdlib.h>

/* The finaliser of splitmix64 (Steele, Lea, Flood 2014) over both words. */
static uint64_t mix(uint64_t a, uint64_t b)
{
	uint64_t x = a ^ (b * 0x9e3779b97f4a7c15ULL);

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

static struct hash_slot *find(const struct hash *h, uint64_t a, uint64_t b)
{
	size_t i = mix(a, b) & h->mask;

	while (h->slots[i].value != HASH_NONE && (h->slots[i].a != a || h->slots[i].b != b))
		i = (i + 1) & h->mask;
	return &h->slots[i];
}

uint32_t hash__get(const struct hash *h, uint64_t a, uint64_t b)
{
	return h->slots ? find(h, a, b)->value : HASH_NONE;
}

static int grow(struct hash *h)
{
	size_t slots = h->slots ? (h->mask + 1) * 2 : 64;
	struct hash bigger = {.mask = slots - 1, .count = h->count};
	size_t i;

	bigger.slots = malloc(slots * sizeof(*bigger.slots));
	if (!bigger.slots)
		return -ENOMEM;
	for (i = 0; i < slots; i++)
		bigger.slots[i].value = HASH_NONE;
	for (i = 0; h->slots && i <= h->mask; i++)
		if (h->slots[i].value != HASH_NONE)
			*find(&bigger, h->slots[i].a, h->slots[i].b) = h->slots[i];
	free(h->slots);
	*h = bigger;
	return 0;
}

int hash__set(struct hash *h, uint64_t a, uint64_t b, uint32_t value)
{
	struct hash_slot *slot;

	if (!h->slots || (h->count + 1) * 2 > h->mask + 1) {
		int err = grow(h);

		if (err)
			return err;
	}
	slot = find(h, a, b);
	if (slot->value == HASH_NONE)
		h->count++;
	*slot = (struct hash_slot){.a = a, .b = b, .value = value};
	return 0;
}

void hash__remove(struct hash *h, uint64_t a, uint64_t b)
{
	struct hash_slot *hole, *next;
	size_t i;

	if (!h->slots)
		return;
	hole = find(h, a, b);
	if (hole->value == HASH_NONE)
		return;
	h->count--;
	/* Knuth 6.4, algorithm R: move back what would no longer be found behind the hole. */
	i = hole - h->slots;
	for (;;) {
		size_t home;

		i = (i + 1) & h->mask;
		next = &h->slots[i];
		if (next->value == HASH_NONE)
			break;
		home = mix(next->a, next->b) & h->mask;
		if (((i - home) & h->mask) >= ((i - (hole - h->slots)) & h->mask)) {
			*hole = *next;
			hole = next;
		}
	}
	hole->value = HASH_NONE;
}

void hash__release(struct hash *h)
{
	free(h->slots);
	*h = (struct hash){0};
}

uint64_t hash__bytes(const void *p, size_t n)
{
	const unsigned char *c = p;
	uint64_t h = 0xcbf29ce484222325ULL;

	while (n--)
		h = (h ^ *c++) * 0x100000001b3ULL;
	return h;
}
