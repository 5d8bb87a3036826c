// SPDX-License-Identifier: GPL-2.0-or-later
/* Trails: whether the stack is as it was when the kernel side walked it. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "user/hook/again.c"

static struct memleak_cells *cells;
struct memleak_cells *hook_cells;
enum hook_mode hook_mode;

/* A stack of one page, with nothing above it. */
#define WORDS 512
static uint64_t *stack;
static struct hook_block block;

static int set_up(void **state)
{
	(void)state;
	cells = mmap(NULL, sizeof(*cells), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		     0);
	hook_cells = cells;
	stack = mmap(NULL, 2 * WORDS * 8, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		     0);
	if (cells == MAP_FAILED || stack == MAP_FAILED)
		return 1;
	for (int i = 0; i < WORDS; i++)
		stack[i] = 0x1000 + i;
	block = (struct hook_block){.here = {.frame = (uintptr_t)stack, .cfa = 16}};
	return munmap(stack + WORDS, WORDS * 8);
}

static int tear_down(void **state)
{
	(void)state;
	return munmap(stack, WORDS * 8) | munmap(cells, sizeof(*cells));
}

static uint64_t find(void)
{
	struct hook_trail found = hook_find_trail(&block);

	assert_int_equal(found.stack, found.id * 3);
	return found.id;
}

static struct memleak_trail *way(int i)
{
	return &cells->trails[MEMLEAK_TRAIL_SET(hook_call(&block))].ways[i];
}

/* By the words at @n places. */
static struct memleak_trail trail(uint64_t id, const uint16_t *at, uint32_t n)
{
	struct memleak_trail t = {
		.id = id, .stack = id * 3, .frame = MEMLEAK_TRAIL_HIDDEN(stack), .cfa = 16, .n = n};

	for (uint32_t i = 0; i < n; i++) {
		t.at[i] = at[i];
		t.words[i] = MEMLEAK_TRAIL_HIDDEN(at[i] < WORDS ? stack[at[i]] : 0x1234);
	}
	return t;
}

static const uint16_t some[] = {1, 7, 6, 100, 511};

static void the_same_words(void **state)
{
	(void)state;
	assert_int_equal(find(), 0);
	*way(2) = trail(77, some, 5);
	assert_int_equal(find(), 77);
	stack[8] = 0; /* no word of it */
	assert_int_equal(find(), 77);
	for (int i = 0; i < 5; i++) {
		stack[some[i]]++;
		if (i) /* the first one says which set it is in */
			assert_int_equal(find(), 0);
		stack[some[i]]--;
	}
	assert_int_equal(find(), 77);
}

static void each_way(void **state)
{
	(void)state;
	for (int i = 0; i < MEMLEAK_TRAIL_WAYS; i++) {
		*way(i) = trail(i + 1, some, 5);
		way(i)->words[4] = MEMLEAK_TRAIL_HIDDEN(i);
	}
	for (int i = 0; i < MEMLEAK_TRAIL_WAYS; i++) {
		stack[511] = i;
		assert_int_equal(find(), i + 1);
	}
}

static void another_epoch(void **state)
{
	(void)state;
	*way(0) = trail(5, some, 5);
	hook_begin_epoch();
	assert_int_equal(find(), 0);
	way(0)->epoch = cells->epoch;
	assert_int_equal(find(), 5);
}

static void no_trail(void **state)
{
	(void)state;
	*way(0) = trail(0, some, 5); /* is being written */
	*way(1) = trail(6, some, 0);
	assert_int_equal(find(), 0);
	*way(1) = trail(6, some, 1);
	assert_int_equal(find(), 6);
	way(1)->frame += 16; /* the same call, elsewhere */
	assert_int_equal(find(), 0);
	*way(1) = trail(6, some, 1);
	way(1)->cfa += 16;
	assert_int_equal(find(), 0);
}

/* As the loader does: the id comes first, and last. */
static void write_trail(struct memleak_trail *to, const struct memleak_trail *from)
{
	volatile uint8_t *body = (volatile uint8_t *)to;
	const uint8_t *with = (const uint8_t *)from;

	__atomic_store_n(&to->id, 0, __ATOMIC_SEQ_CST);
	for (size_t i = sizeof(to->id); i < sizeof(*to); i++)
		body[i] = with[i];
	__atomic_store_n(&to->id, from->id, __ATOMIC_SEQ_CST);
}

static bool over;

static void *write_on(void *arg)
{
	/* The other one leads beyond the stack, from a word that is not as it was. */
	static const uint16_t beyond[] = {1, 7, 0xfff0, 0xfff1, 0xfff2};
	struct memleak_trail a = trail(1, some, 5), b = trail(2, beyond, 5);

	(void)arg;
	b.words[1]++;
	for (uint64_t i = 1; !__atomic_load_n(&over, __ATOMIC_RELAXED); i++) {
		a.id = 2 * i + 1;
		a.stack = 3 * a.id;
		b.id = 2 * i + 2;
		b.stack = 3 * b.id;
		write_trail(way(0), &a);
		for (volatile int k = 0; k < 500; k++)
			;
		write_trail(way(0), &b);
	}
	return NULL;
}

/* While it is being written nobody follows a half of each. */
static void written_meanwhile(void **state)
{
	pthread_t writer;
	int found = 0;

	(void)state;
	over = false;
	assert_int_equal(pthread_create(&writer, NULL, write_on, NULL), 0);
	/* The two may share a processor: until it was there often enough. */
	for (int i = 0; i < 300000 || found < 100; i++) {
		uint64_t id = find();

		found += id != 0;
		if (id)
			assert_int_equal(id & 1, 1);
	}
	__atomic_store_n(&over, true, __ATOMIC_RELAXED);
	pthread_join(writer, NULL);
	assert_true(found > 0);
}

static void asking(void **state)
{
	int asked = 0;

	(void)state;
	assert_true(hook_shall_ask(&block));
	for (int i = 0; i < 1000; i++)
		asked += hook_shall_ask(&block);
	assert_in_range(asked, 10, 20);
}

static void numbers(void **state)
{
	struct memleak_cell cell = {.weight = 100};

	(void)state;
	cells->bytes = cells->low_bytes = cells->told_bytes = 250;
	hook_come_again(&cell);
	hook_come_again(&cell);
	assert_int_equal(cells->again, 2);
	assert_int_equal(cells->again_bytes, 200);
	assert_int_equal(cells->bytes, 50);
	assert_int_equal(cells->low_bytes, 50);
	cells->bytes = 500;
	hook_come_again(&cell);
	assert_int_equal(cells->bytes, 400);
	assert_int_equal(cells->low_bytes, 50);
	assert_true(cell.time_ns != 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_same_words, set_up, tear_down),
		cmocka_unit_test_setup_teardown(each_way, set_up, tear_down),
		cmocka_unit_test_setup_teardown(another_epoch, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_trail, set_up, tear_down),
		cmocka_unit_test_setup_teardown(written_meanwhile, set_up, tear_down),
		cmocka_unit_test_setup_teardown(asking, set_up, tear_down),
		cmocka_unit_test_setup_teardown(numbers, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
