/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_UTIL_HASH_H
#define MEMLEAK_UTIL_HASH_H

/*
 * An index: two 64-bit words as key, a 32-bit number (the position in some array) as value. Open
 * addressing with linear probing, never more than half full. All zero is an empty one.
 */

#include <stddef.h>
#include <stdint.h>

#define HASH_NONE UINT32_MAX

struct hash_slot {
	uint64_t a, b;
	uint32_t value; /* HASH_NONE: empty */
};

struct hash {
	struct hash_slot *slots;
	size_t mask; /* slots - 1; slots is a power of two */
	size_t count;
};

/* The value under (@a, @b), or HASH_NONE. */
uint32_t hash__get(const struct hash *h, uint64_t a, uint64_t b);

/* Set the value, which is not HASH_NONE. 0 or -ENOMEM with the index unchanged. */
int hash__set(struct hash *h, uint64_t a, uint64_t b, uint32_t value);

/* Forget the key, present or not. */
void hash__remove(struct hash *h, uint64_t a, uint64_t b);

/* Free everything; the index is empty afterwards and can be used again. */
void hash__release(struct hash *h);

/* A 64-bit hash of @n bytes (FNV-1a, www.isthe.com/chongo/tech/comp/fnv), to make keys of strings.
 */
uint64_t hash__bytes(const void *p, size_t n);

#endif
