/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_PROBE_BLOCKS_H
#define MEMLEAK_PROBE_BLOCKS_H

/*
 * The kernel side's table of live blocks, and what it remembers of freed ones: buckets of slots
 * (bpf/slots.h), and hash maps for what finds no room there.
 */

#include <stdbool.h>
#include <stdint.h>

#include "bpf/slots.h"
#include "probe/batch.h"

struct blocks {
	int map_fd;   /* of what is in no slot; not owned */
	int freed_fd; /* the same, freed; not owned. -1: frees are not remembered */
	struct memleak_bucket *buckets; /* the kernel writes there, too; NULL: there are none */
	unsigned int bucket_bits;
};

/*
 * How many buckets there are for @max_blocks blocks, as a power of 2; 0: none. They have slots for
 * half of these, and no more than @most bits' worth. The map has room for all: where some buckets
 * are full, others are not.
 */
unsigned int blocks__bucket_bits(uint32_t max_blocks, unsigned int most);

/* See the map @buckets_fd of 2^@bits buckets (0: there is none). 0 or -errno. */
int blocks__open(struct blocks *b, int map_fd, int freed_fd, int buckets_fd, unsigned int bits);
void blocks__close(struct blocks *b);

/*
 * Call @fn for each live block: key struct memleak_block_key, value struct memleak_block. Those
 * that come or go meanwhile are met or not, or twice: gone, and come again elsewhere. 0, -errno, or
 * what @fn returned.
 */
int blocks__read(const struct blocks *b, batch_fn *fn, void *context);

/* The block with @key, as it is now. 0, -ENOENT or another -errno. */
int blocks__find(const struct blocks *b, const struct memleak_block_key *key,
		 struct memleak_block *ret);

/* Take the block with @key, of an image that is over, out of the table. 0, -ENOENT or another
 * -errno. */
int blocks__drop(const struct blocks *b, const struct memleak_block_key *key);

/* Call @fn for each free that the map remembers: key struct memleak_freed_key, value struct
 * memleak_freed. As blocks__read(). */
int blocks__read_freed(const struct blocks *b, batch_fn *fn, void *context);

/* Whether what the kernel side has under this key of `stacks` is still wanted. */
typedef bool blocks_wants_fn(const void *context, uint64_t stack);

/* Of freed blocks that slots remember forget the stacks that @wants does not want: there may be as
 * many as slots, of long ago. */
void blocks__forget_stacks(const struct blocks *b, blocks_wants_fn *wants, const void *context);

#endif
