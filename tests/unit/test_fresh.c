// SPDX-License-Identifier: GPL-2.0-or-later
/* Samples that are new: what becomes of their cells, and what is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "user/hook/again.c"
#include "user/hook/fresh.c"

struct memleak_cells *hook_cells;
enum hook_mode hook_mode;

#define SESSION 5
#define BLOCK	((void *)0x5555557592a0)
#define OTHER	((void *)0x5555557592b0)

static struct memleak_cell *cell;
static const struct hook_trail trail = {.id = 1, .stack = 0xabc, .epoch = 7, .session = SESSION};
static const struct hook_block block = {
	.address = BLOCK, .size = 100, .weight = 1000, .slack = 3, .family = MEMLEAK_FAMILY_NEW};

/* What was told last, and how often; meanwhile a thread may free it. */
static struct {
	struct hook_block block;
	struct hook_past past;
	uint64_t stack;
	uint8_t generation;
	int times;
} told;
static bool is_freed_meanwhile, is_deferred;

void hook_tell(const struct hook_block *b, uint8_t generation, uint64_t stack,
	       const struct hook_past *past)
{
	told.block = *b;
	told.past = *past;
	told.stack = stack;
	told.generation = generation;
	told.times++;
	if (is_freed_meanwhile)
		is_deferred = hook_free_new(cell, cell->tag, false);
}

static int set_up(void **state)
{
	(void)state;
	hook_cells = mmap(NULL, sizeof(*hook_cells), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (hook_cells == MAP_FAILED)
		return 1;
	hook_mode = HOOK_SAMPLED;
	hook_cells->session = SESSION;
	hook_cells->epoch = 7;
	cell = &hook_cells->cells[MEMLEAK_CELL_OF(BLOCK)];
	memset(&told, 0, sizeof(told));
	is_freed_meanwhile = is_deferred = false;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	return munmap(hook_cells, sizeof(*hook_cells));
}

/* As whoever has claimed the cell does. */
static void be_new(void)
{
	cell->generation = 8;
	cell->tag = MEMLEAK_CELL_TAG(OTHER, 8, MEMLEAK_CELL_HELD);
	assert_true(hook_be_new(cell, &block, &trail));
}

static enum memleak_cell_state state_now(void)
{
	return MEMLEAK_CELL_STATE(cell->tag);
}

static void it_is_in_its_cell_alone(void **state)
{
	(void)state;
	be_new();
	assert_int_equal(cell->tag, MEMLEAK_CELL_TAG(BLOCK, 9, MEMLEAK_CELL_NEW));
	assert_int_equal(cell->size, 100);
	assert_int_equal(cell->weight, 1000);
	assert_int_equal(cell->stack, 0xabc);
	assert_int_equal(cell->session, SESSION);
	assert_int_equal(cell->family, MEMLEAK_FAMILY_NEW);
	assert_int_equal(cell->families, 1 << MEMLEAK_FAMILY_NEW);
	assert_int_equal(cell->slack, 3);
	assert_true(cell->time_ns);
	assert_int_equal(hook_cells->new_bytes, 1000);
	assert_int_equal(hook_cells->low_bytes, -1000);
	assert_int_equal(told.times, 0);
}

static void whose_may_be(void **state)
{
	struct hook_block empty = {.address = BLOCK, .weight = 1000};
	struct hook_trail others = trail, nobodys = trail;

	(void)state;
	others.session++;
	nobodys.session = 0;
	assert_true(hook_may_be_new(&block, &trail));
	assert_false(hook_may_be_new(&block, &others));
	assert_false(hook_may_be_new(&empty, &trail));
	hook_cells->session = 0;
	assert_false(hook_may_be_new(&block, &nobodys));
	hook_cells->session = SESSION;
	hook_cells->shared = 1;
	assert_false(hook_may_be_new(&block, &trail));
	hook_cells->shared = 0;
	hook_mode = HOOK_ALL;
	assert_false(hook_may_be_new(&block, &trail));
}

static void an_epoch_that_ends_meanwhile(void **state)
{
	(void)state;
	hook_cells->epoch++;
	assert_false(hook_be_new(cell, &block, &trail));
	assert_int_equal(state_now(), MEMLEAK_CELL_HELD);
	assert_int_equal(hook_cells->new_bytes, 0);
	assert_int_equal(told.times, 0);
}

static void what_is_freed_has_passed(void **state)
{
	(void)state;
	be_new();
	assert_true(hook_free_new(cell, cell->tag, false));
	assert_int_equal(cell->tag, 0);
	assert_int_equal(hook_cells->new_bytes, 0);
	assert_int_equal(hook_cells->bytes, 0);
	assert_int_equal(hook_cells->passed, 10 * SAMPLE_WEIGHT_ONE);
	assert_int_equal(hook_cells->passed_bytes, 1000);
	assert_int_equal(told.times, 0);
}

static void told_late(void)
{
	assert_int_equal(told.times, 1);
	assert_ptr_equal(told.block.address, BLOCK);
	assert_int_equal(told.block.size, 100);
	assert_int_equal(told.block.weight, 1000);
	assert_int_equal(told.block.family, MEMLEAK_FAMILY_NEW);
	assert_int_equal(told.block.slack, 3);
	assert_int_equal(told.block.flags, MEMLEAK_SITE_LATE);
	assert_int_equal(told.block.here.frame, SESSION);
	assert_int_equal(told.past.tag, 0);
	assert_int_equal(told.past.weight, 0);
	assert_int_equal(hook_cells->new_bytes, 0);
	assert_int_equal(told.past.detail, cell->time_ns);
	assert_int_equal(told.stack, 0xabc);
	assert_int_equal(told.generation, 9);
}

static void another_needs_its_cell(void **state)
{
	struct hook_past past = {0};

	(void)state;
	be_new();
	assert_true(hook_claim_new(cell, cell->tag, OTHER, &past));
	told_late();
	assert_int_equal(past.tag, 0);
	assert_int_equal(state_now(), MEMLEAK_CELL_HELD);
	/* It is in no cell: its free is to be told at once. */
	assert_false(hook_free_new(cell, MEMLEAK_CELL_TAG(BLOCK, 9, MEMLEAK_CELL_LATE), false));
	assert_int_equal(state_now(), MEMLEAK_CELL_HELD);
	assert_int_equal(hook_cells->passed, 0);
}

static void freed_while_it_is_told(void **state)
{
	struct hook_past past = {0};

	(void)state;
	be_new();
	is_freed_meanwhile = true;
	assert_true(hook_claim_new(cell, cell->tag, OTHER, &past));
	told_late();
	assert_true(is_deferred);
	assert_int_equal(MEMLEAK_CELL_ADDRESS(past.tag), (uintptr_t)BLOCK);
	assert_int_not_equal(MEMLEAK_CELL_STATE(past.tag), MEMLEAK_CELL_LIVE);
	assert_int_equal(past.weight, 1000);
	assert_int_equal(state_now(), MEMLEAK_CELL_TOLD);
	assert_int_equal(hook_cells->passed, 0);
	assert_int_equal(hook_cells->bytes, 1000);
}

static void somebody_has_it(void **state)
{
	struct hook_past past = {0};
	uint64_t tag;

	(void)state;
	be_new();
	tag = cell->tag;
	cell->tag = MEMLEAK_CELL_TAG(BLOCK, 9, MEMLEAK_CELL_HELD);
	assert_false(hook_claim_new(cell, tag, OTHER, &past));
	assert_false(hook_free_new(cell, tag, false));
	assert_int_equal(told.times, 0);
}

static void realloc_moves_it(void **state)
{
	(void)state;
	be_new();
	assert_false(hook_free_new(cell, cell->tag, true));
	told_late();
	assert_int_equal(cell->tag, 0);
	assert_int_equal(hook_cells->passed, 0);
}

static void its_free_was_not_seen(void **state)
{
	struct hook_past past = {0};

	(void)state;
	be_new();
	assert_true(hook_claim_new(cell, cell->tag, BLOCK, &past));
	assert_int_equal(told.times, 0);
	assert_int_equal(past.tag, 0);
	assert_int_equal(hook_cells->passed, 10 * SAMPLE_WEIGHT_ONE);
	assert_int_equal(hook_cells->new_bytes, 0);
}

static void of_a_tool_that_has_left(void **state)
{
	struct hook_past past = {0};

	(void)state;
	be_new();
	hook_cells->session = 0;
	assert_false(hook_free_new(cell, cell->tag, false));
	assert_int_equal(cell->tag, 0);
	hook_cells->session = SESSION;
	be_new();
	hook_cells->session = SESSION + 1;
	assert_true(hook_claim_new(cell, cell->tag, OTHER, &past));
	assert_int_equal(state_now(), MEMLEAK_CELL_HELD);
	assert_int_equal(past.tag, 0);
	assert_int_equal(told.times, 0);
	assert_int_equal(hook_cells->passed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(it_is_in_its_cell_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(whose_may_be, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_epoch_that_ends_meanwhile, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_freed_has_passed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(another_needs_its_cell, set_up, tear_down),
		cmocka_unit_test_setup_teardown(freed_while_it_is_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(somebody_has_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(realloc_moves_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(its_free_was_not_seen, set_up, tear_down),
		cmocka_unit_test_setup_teardown(of_a_tool_that_has_left, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
