// SPDX-License-Identifier: GPL-2.0-or-later
/* Reading and dropping what is in slots and stays as it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "made_slots.h"

/* Half of the room is in slots, and none where that is no whole bucket's worth. */
static void sizes(void **state)
{
	(void)state;
	assert_int_equal(blocks__bucket_bits(1, 16), 0);
	assert_int_equal(blocks__bucket_bits(2 * SLOT_WAYS * 16 - 1, 16), 0);
	assert_int_equal(blocks__bucket_bits(2 * SLOT_WAYS * 16, 16), 4);
	assert_int_equal(blocks__bucket_bits(50000, 16), 11);
	assert_int_equal(blocks__bucket_bits(1 << 20, 16), 16);
	assert_int_equal(blocks__bucket_bits(UINT32_MAX, 16), 16);
	assert_int_equal(blocks__bucket_bits(1 << 20, 10), 10);
}

/* Whatever the size of the blocks is, few of those of a heap that fills half of the slots find
 * their bucket full. */
static void buckets_fill_evenly(void **state)
{
	const unsigned int bits = 12, half = SLOT_WAYS << (bits - 1);
	const unsigned int strides[] = {16, 32, 48, 64, 80, 128, 256, 1024, 4096, 65536};
	static uint32_t counts[1 << 12];
	unsigned int i, s, full;

	(void)state;
	for (s = 0; s < sizeof(strides) / sizeof(*strides); s++) {
		memset(counts, 0, sizeof(counts));
		full = 0;
		for (i = 0; i < half; i++) {
			uint64_t addr = 0x5581e2a7c2a0 + (uint64_t)i * strides[s];
			uint32_t bucket = SLOT_BUCKET(SLOT_ADDRESS(addr, 3), bits);

			assert_true(bucket < 1U << bits);
			full += counts[bucket]++ >= SLOT_WAYS;
		}
		print_message("every %u bytes: %u of %u blocks\n", strides[s], full, half);
		if (strides[s] >= 32)
			assert_true(full < half / 8);
	}
}

static int count_block(void *context, const void *key, const void *value)
{
	const struct memleak_block_key *k = key;
	const struct memleak_block *b = value;

	assert_int_equal(k->family, 0);
	assert_int_equal(b->size, k->addr + k->image);
	++*(unsigned int *)context;
	return 0;
}

static int stop_at_block(void *context, const void *key, const void *value)
{
	(void)key;
	(void)value;
	++*(unsigned int *)context;
	return -ENOTTY;
}

/* Of freed blocks alone, and of those only what nobody wants. */
static void forgotten_stacks(void **state)
{
	struct blocks b;
	unsigned int i;

	(void)state;
	assert_int_equal(open_buckets(&b), 0);
	for (i = 0; i < 6; i++) {
		uint64_t addr = 0x1000 + 128 * i;

		fill(bucket_of(&b, addr, 5), i, addr, 5, 10 + i);
		if (i < 4)
			release(bucket_of(&b, addr, 5), i, 0x77);
	}
	blocks__forget_stacks(&b, is_even, NULL); /* nobody remembers */
	assert_int_equal(bucket_of(&b, 0x1080, 5)->slots[1].block.stack, 11);
	b.freed_fd = 1 << 20;
	blocks__forget_stacks(&b, is_even, NULL);
	for (i = 0; i < 6; i++) {
		uint64_t addr = 0x1000 + 128 * i;
		const struct memleak_bucket *bucket = bucket_of(&b, addr, 5);

		assert_int_equal(bucket->slots[i].block.stack, i == 1 || i == 3 ? 0 : 10 + i);
		assert_int_equal(bucket->slots[i].block.size, 10 + i);
		assert_int_equal(bucket->tags[i],
				 SLOT_TAG(SLOT_ADDRESS(addr, 5), i < 4 ? SLOT_FREED : SLOT_LIVE));
	}
	blocks__close(&b);
}

/* Only live ones are read; the same address in two images is two; what is dropped is gone. */
static void live_ones(void **state)
{
	struct blocks b;
	struct memleak_block found;
	struct memleak_block_key key = {.addr = 0x1000, .image = 5};
	struct memleak_bucket *first, *second;
	unsigned int n = 0;

	(void)state;
	assert_int_equal(open_buckets(&b), 0);
	first = bucket_of(&b, 0x1000, 5);
	second = bucket_of(&b, 0x1000, 6);
	fill(first, 2, 0x1000, 5, 0x1005);
	fill(second, 4, 0x1000, 6, 0x1006);
	fill(bucket_of(&b, 0x2000, 5), 6, 0x2000, 5, 0x2005);
	release(bucket_of(&b, 0x2000, 5), 6, 0x77);
	first->tags[0] = SLOT_TAG(SLOT_ADDRESS(0x3000, 5), SLOT_WRITTEN);
	assert_int_equal(blocks__read(&b, count_block, &n), -EBADF); /* there is no map */
	assert_int_equal(n, 2);
	n = 0;
	assert_int_equal(blocks__read(&b, stop_at_block, &n), -ENOTTY);
	assert_int_equal(n, 1);
	assert_int_equal(blocks__find(&b, &key, &found), 0);
	assert_int_equal(found.size, 0x1005);
	assert_int_equal(blocks__drop(&b, &key), 0);
	assert_int_equal(first->tags[2], 0);
	assert_int_equal(blocks__find(&b, &key, &found), -EBADF);
	key.image = 6;
	assert_int_equal(blocks__find(&b, &key, &found), 0);
	assert_int_equal(found.size, 0x1006);
	key.family = MEMLEAK_FAMILY_USER; /* never in a slot */
	assert_int_equal(blocks__find(&b, &key, &found), -EBADF);
	blocks__close(&b);
}

/* A deferrable block is live as others are. */
static void deferrable_ones(void **state)
{
	struct blocks b;
	struct memleak_block found;
	struct memleak_block_key key = {.addr = 0x1000, .image = 5};
	struct memleak_bucket *bucket;
	unsigned int n = 0;

	(void)state;
	assert_int_equal(open_buckets(&b), 0);
	bucket = bucket_of(&b, 0x1000, 5);
	fill(bucket, 3, 0x1000, 5, 0x1005);
	bucket->tags[3] ^= SLOT_LIVE ^ SLOT_DEFERRABLE;
	assert_int_equal(blocks__read(&b, count_block, &n), -EBADF);
	assert_int_equal(n, 1);
	assert_int_equal(blocks__find(&b, &key, &found), 0);
	assert_int_equal(found.size, 0x1005);
	assert_int_equal(blocks__drop(&b, &key), 0);
	assert_int_equal(bucket->tags[3], 0);
	assert_int_equal(blocks__find(&b, &key, &found), -EBADF);
	blocks__close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes),
		cmocka_unit_test(buckets_fill_evenly),
		cmocka_unit_test(live_ones),
		cmocka_unit_test(deferrable_ones),
		cmocka_unit_test(forgotten_stacks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
