/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_TESTS_MADE_SLOTS_H
#define MEMLEAK_TESTS_MADE_SLOTS_H

/* The slots of bpf/slots.h, in a file's memory: the test writes there. */
#include <stdbool.h>
#include <sys/mman.h>
#include <unistd.h>

#include "probe/blocks.h"

#define BITS 6

static int open_buckets(struct blocks *b)
{
	int fd = memfd_create("buckets", MFD_CLOEXEC), err;

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, sizeof(struct memleak_bucket) << BITS), 0);
	err = blocks__open(b, -1, -1, fd, BITS);
	close(fd);
	return err;
}

static struct memleak_bucket *bucket_of(const struct blocks *b, uint64_t addr, uint32_t image)
{
	return &b->buckets[SLOT_BUCKET(SLOT_ADDRESS(addr, image), b->bucket_bits)];
}

/* A block whose numbers all say @n. */
static struct memleak_block block_of(uint64_t n)
{
	return (struct memleak_block){.size = n, .time_ns = n, .stack = n, .weight = n};
}

/* As the kernel side does. */
static void fill(struct memleak_bucket *bucket, unsigned int way, uint64_t addr, uint32_t image,
		 uint64_t n)
{
	struct memleak_slot *s = &bucket->slots[way];
	uint64_t address = SLOT_ADDRESS(addr, image);

	__atomic_store_n(&bucket->tags[way], SLOT_TAG(address, SLOT_WRITTEN), __ATOMIC_SEQ_CST);
	s->turn++;
	s->addr = addr;
	s->image = image;
	*(volatile struct memleak_block *)&s->block = block_of(n);
	s->caller = 0;
	__atomic_exchange_n(&bucket->tags[way], SLOT_TAG(address, SLOT_LIVE), __ATOMIC_SEQ_CST);
}

static void release(struct memleak_bucket *bucket, unsigned int way, uint64_t caller)
{
	bucket->slots[way].caller = caller;
	__atomic_fetch_xor(&bucket->tags[way], SLOT_LIVE ^ SLOT_FREED, __ATOMIC_SEQ_CST);
}

static inline bool is_even(const void *context, uint64_t stack)
{
	(void)context;
	return stack % 2 == 0;
}

#endif
