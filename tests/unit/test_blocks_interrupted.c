// SPDX-License-Identifier: GPL-2.0-or-later
/* The same while it changes: a timer interrupts the test at whatever instruction. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/time.h>
#include <time.h>

#include "made_slots.h"

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
		cmocka_unit_test(whole_blocks),
		cmocka_unit_test(handed_out_meanwhile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
