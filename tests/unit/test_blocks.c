// SPDX-License-Identifier: GPL-2.0-or-later
/* The slots of bpf/slots.h, in a file's memory: the test writes there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
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

static bool is_even(const void *context, uint64_t stack)
{
	(void)context;
	return stack % 2 == 0;
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

static struct memleak_bucket *changing;
static volatile sig_atomic_t changes;

/* At whatever instruction it interrupts: the block goes, and another one comes to its place. */
static void change(int signal)
{
	(void)signal;
	release(changing, 0, 0);
	fill(changing, 0, 0x1000, 5, ++changes);
}

/* Also those that are on their way. */
static void end_signals(void)
{
	assert_int_equal(setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL), 0);
	assert_true(signal(SIGALRM, SIG_IGN) != SIG_ERR);
}

/* What is read while it changes is of one block, never half of one and half of another. */
static void whole_blocks(void **state)
{
	const struct itimerval often = {.it_interval.tv_usec = 20, .it_value.tv_usec = 20};
	const struct memleak_block_key key = {.addr = 0x1000, .image = 5};
	const struct sigaction act = {.sa_handler = change};
	struct memleak_block found;
	struct blocks b;

	(void)state;
	assert_int_equal(open_buckets(&b), 0);
	changing = bucket_of(&b, 0x1000, 5);
	fill(changing, 0, 0x1000, 5, 0);
	assert_int_equal(sigaction(SIGALRM, &act, NULL), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
	do {
		assert_int_equal(blocks__find(&b, &key, &found), 0);
		assert_int_equal(found.time_ns, found.size);
		assert_int_equal(found.stack, found.size);
		assert_int_equal(found.weight, found.size);
	} while (changes < 5000);
	end_signals();
	blocks__close(&b);
}

static volatile sig_atomic_t passed;

/* As the kernel side does with a block whose address is that of a slot which the loader has. */
static void pass_by(int signal)
{
	uint64_t held = SLOT_TAG(SLOT_ADDRESS(0x1000, 5), SLOT_WRITTEN);

	(void)signal;
	if (__atomic_compare_exchange_n(&changing->tags[0], &held, SLOT_WRITTEN, false,
					__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		passed = true;
}

/* A slot whose address was handed out anew, while its stack was taken away, remembers nothing. */
static void handed_out_meanwhile(void **state)
{
	const struct itimerval often = {.it_interval.tv_usec = 20, .it_value.tv_usec = 20};
	const struct sigaction act = {.sa_handler = pass_by};
	const uint64_t freed = SLOT_TAG(SLOT_ADDRESS(0x1000, 5), SLOT_FREED);
	time_t end = time(NULL) + 60;
	struct blocks b;

	(void)state;
	assert_int_equal(open_buckets(&b), 0);
	b.freed_fd = 0; /* blocks are remembered */
	changing = bucket_of(&b, 0x1000, 5);
	fill(changing, 0, 0x1000, 5, 1);
	release(changing, 0, 7);
	assert_int_equal(sigaction(SIGALRM, &act, NULL), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
	do {
		assert_true(changing->tags[0] == freed && time(NULL) < end);
		changing->slots[0].block.stack = 1;
		blocks__forget_stacks(&b, is_even, NULL);
	} while (!passed);
	end_signals();
	assert_int_equal(changing->tags[0], SLOT_EMPTY);
	blocks__close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes),	cmocka_unit_test(buckets_fill_evenly),
		cmocka_unit_test(live_ones),	cmocka_unit_test(forgotten_stacks),
		cmocka_unit_test(whole_blocks), cmocka_unit_test(handed_out_meanwhile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
