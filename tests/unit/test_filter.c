// SPDX-License-Identifier: GPL-2.0-or-later
/* The blocks that libmemleak.so remembers to have told of: which frees it must look at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "user/hook/filter.c"

/* Blocks at multiples of this share a byte. */
#define SAME_PIECE ((uintptr_t)HOOK_PIECES << HOOK_PIECE_SHIFT)
#define NEXT_PIECE ((uintptr_t)1 << HOOK_PIECE_SHIFT)

static const void *at(uintptr_t addr)
{
	return (const void *)addr;
}

static int close_filter(void **state)
{
	(void)state;
	memset(slots, 0, sizeof(slots));
	memset(hook_pieces, 0, sizeof(hook_pieces));
	is_open = false;
	return 0;
}

static int open_filter(void **state)
{
	close_filter(state);
	hook_filter_open();
	return 0;
}

static void all_frees_are_looked_at_before_it_is_open(void **state)
{
	(void)state;
	hook_filter_add(at(0x10010));
	assert_false(hook_is_free_quick(at(0x10010)));
	assert_false(hook_is_free_quick(at(0x90010)));
	hook_filter_open();
	assert_false(hook_is_free_quick(at(0x10010)));
	assert_true(hook_is_free_quick(at(0x90010)));
	assert_true(hook_filter_take(at(0x10010)));
	assert_true(hook_is_free_quick(at(0x10010)));
}

static void what_left_before_it_was_open_is_gone(void **state)
{
	(void)state;
	hook_filter_add(at(0x10010));
	assert_true(hook_filter_take(at(0x10010)));
	assert_false(hook_is_free_quick(at(0x10010)));
	hook_filter_open();
	assert_true(hook_is_free_quick(at(0x10010)));
	assert_false(hook_filter_take(at(0x10010)));
}

static void neighbours_are_told_apart(void **state)
{
	uintptr_t a;

	(void)state;
	hook_filter_add(at(0x10010));
	hook_filter_add(at(0x10050));
	for (a = 0x10000; a < 0x10000 + NEXT_PIECE; a += 16) {
		assert_false(hook_is_free_quick(at(a)));
		if (a != 0x10010 && a != 0x10050)
			assert_false(hook_filter_take(at(a)));
	}
	assert_true(hook_is_free_quick(at(0x10000 + NEXT_PIECE)));
	assert_true(hook_is_free_quick(at(0xfff0)));
	assert_true(hook_filter_take(at(0x10010)));
	assert_false(hook_is_free_quick(at(0x10050)));
	assert_true(hook_filter_take(at(0x10050)));
	assert_true(hook_is_free_quick(at(0x10050)));
}

static void added_twice_it_is_there_once(void **state)
{
	(void)state;
	hook_filter_add(at(0x10010));
	hook_filter_add(at(0x10010));
	assert_true(hook_filter_take(at(0x10010)));
	assert_false(hook_filter_take(at(0x10010)));
	assert_true(hook_is_free_quick(at(0x10010)));
}

static void a_piece_that_is_full_stays_so(void **state)
{
	const void *other = at(0x10010 + 1000 * SAME_PIECE);
	int i;

	(void)state;
	for (i = 0; i < 300; i++)
		hook_filter_add(at(0x10010 + i * SAME_PIECE));
	for (i = 0; i < 300; i++)
		assert_true(hook_filter_take(at(0x10010 + i * SAME_PIECE)));
	assert_false(hook_is_free_quick(other));
	assert_true(hook_filter_take(other)); /* who knows */
	assert_true(hook_is_free_quick(at(0x10010 + NEXT_PIECE)));
}

static void what_finds_no_slot_is_told_all_the_same(void **state)
{
	uintptr_t a[SLOTS + 1], next = 0x10010;
	int n = 0;

	(void)state;
	for (; n < SLOTS + 1; next += 16)
		if (bucket_of(at(next)) == bucket_of(at(0x10010)))
			a[n++] = next;
	for (n = 0; n < SLOTS + 1; n++)
		hook_filter_add(at(a[n]));
	for (n = 0; n < SLOTS + 1; n++) {
		assert_false(hook_is_free_quick(at(a[n])));
		assert_true(hook_filter_take(at(a[n])));
	}
}

static void a_mark_is_for_good(void **state)
{
	(void)state;
	hook_filter_mark(at(0x10010));
	hook_filter_open();
	assert_false(hook_is_free_quick(at(0x10010)));
	hook_filter_add(at(0x10020));
	assert_true(hook_filter_take(at(0x10020)));
	assert_false(hook_is_free_quick(at(0x10010)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(all_frees_are_looked_at_before_it_is_open, close_filter),
		cmocka_unit_test_setup(what_left_before_it_was_open_is_gone, close_filter),
		cmocka_unit_test_setup(neighbours_are_told_apart, open_filter),
		cmocka_unit_test_setup(added_twice_it_is_there_once, open_filter),
		cmocka_unit_test_setup(a_piece_that_is_full_stays_so, open_filter),
		cmocka_unit_test_setup(what_finds_no_slot_is_told_all_the_same, open_filter),
		cmocka_unit_test_setup(a_mark_is_for_good, close_filter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
