// SPDX-License-Identifier: GPL-2.0-or-later
/* The cells of bpf/deferred.h, in this process's own memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "bpf/deferred.h"
#include "bpf/sample.h"
#include "probe/deferred.h"
#include "probe/trails.h"

static struct memleak_cells *cells;
static struct memleak_process process;
static struct deferred list;
static const struct deferred_tool tool = {.processes_fd = -1, .session = 5, .secret = 0xff00};

static int set_up(void **state)
{
	(void)state;
	cells = mmap(NULL, sizeof(*cells), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		     0);
	process = (struct memleak_process){.tgid = getpid(), .cells = (uintptr_t)cells};
	return cells == MAP_FAILED;
}

static int tear_down(void **state)
{
	(void)state;
	deferred__release(&list);
	return munmap(cells, sizeof(*cells));
}

static void use(uint32_t part)
{
	cells->used[part / 64] |= 1ULL << part % 64;
}

static void set_cell(uint64_t addr, enum memleak_cell_state state)
{
	uint32_t i = MEMLEAK_CELL_OF(addr);

	cells->cells[i].tag = MEMLEAK_CELL_TAG(addr, 7, state);
	use(i / MEMLEAK_CELL_PART);
}

static bool has(uint64_t addr, bool freed)
{
	size_t i;

	for (i = 0; i < list.blocks.count; i++)
		if (list.blocks.items[i].addr == addr)
			return list.blocks.items[i].generation == 7 &&
			       list.blocks.items[i].freed == freed;
	return false;
}

/* A tag says which address it is of, and never looks like an address itself. */
static void tags(void **state)
{
	static const uint64_t addresses[] = {16, 0x1c5b000, 0x5555557592a0, 0x7ffff7fc0010,
					     0xfffffffffff0};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(addresses) / sizeof(*addresses); i++) {
		uint64_t tag = MEMLEAK_CELL_TAG(addresses[i], i + 1, MEMLEAK_CELL_TOLD);

		assert_int_equal(MEMLEAK_CELL_ADDRESS(tag), addresses[i]);
		assert_int_equal(MEMLEAK_CELL_STATE(tag), MEMLEAK_CELL_TOLD);
		assert_int_equal(MEMLEAK_CELL_GENERATION(tag), i + 1);
		assert_true(tag >> 48); /* no address of a process */
		assert_true(MEMLEAK_CELL_OF(addresses[i]) < MEMLEAK_CELLS);
	}
}

static void states(void **state)
{
	(void)state;
	set_cell(0x10000, MEMLEAK_CELL_LIVE);
	set_cell(0x20010, MEMLEAK_CELL_FREED);
	set_cell(0x555555559320, MEMLEAK_CELL_HELD);
	set_cell(0x7ffff0001230, MEMLEAK_CELL_TOLD);
	assert_int_equal(deferred__read(&tool, &process, &list), 0);
	assert_int_equal(list.blocks.count, 4);
	assert_true(has(0x10000, false));
	assert_true(has(0x20010, true));
	assert_true(has(0x555555559320, false));
	assert_true(has(0x7ffff0001230, true));
}

/* Each cell that there can be, the first and the last ones too. */
static void all_parts(void **state)
{
	uint32_t i;

	(void)state;
	for (i = 0; i < MEMLEAK_CELLS; i++) {
		cells->cells[i].tag = MEMLEAK_CELL_TAG(0x100000 + 16 * i, 7, MEMLEAK_CELL_FREED);
	}
	use(0);
	use(7);
	use(MEMLEAK_CELL_PARTS - 1);
	assert_int_equal(deferred__read(&tool, &process, &list), 0);
	assert_int_equal(list.blocks.count, 3 * MEMLEAK_CELL_PART);
	assert_true(has(0x100000, true));
	assert_true(has(0x100000 + 16 * 7 * MEMLEAK_CELL_PART, true));
	assert_true(has(0x100000 + 16 * (MEMLEAK_CELLS - 1), true));
	assert_false(has(0x100000 + 16 * MEMLEAK_CELL_PART, true));
	list.blocks.count = 0;
	memset(cells->used, 0xff, sizeof(cells->used));
	assert_int_equal(deferred__read(&tool, &process, &list), 0);
	assert_int_equal(list.blocks.count, MEMLEAK_CELLS);
}

static void set_new(uint64_t addr, enum memleak_cell_state state, uint64_t session)
{
	struct memleak_cell *cell = &cells->cells[MEMLEAK_CELL_OF(addr)];

	set_cell(addr, state);
	cell->session = session;
	cell->size = 100;
	cell->weight = 1000;
	cell->time_ns = 1234;
	cell->stack = 0xff01;
	cell->family = 2;
	cell->families = 4;
	cell->slack = 9;
}

/* New ones are the tool's if the session is, and so is what has passed. */
static void new_ones(void **state)
{
	const struct memleak_block *b;

	(void)state;
	cells->session = tool.session;
	cells->passed = 70;
	cells->passed_bytes = 7;
	cells->again = 2;
	process.strange_again = 1;
	set_new(0x10000, MEMLEAK_CELL_NEW, tool.session);
	set_new(0x20010, MEMLEAK_CELL_NEW, tool.session + 1);
	set_new(0x30020, MEMLEAK_CELL_LATE, tool.session);
	set_new(0x40030, MEMLEAK_CELL_GONE, tool.session);
	assert_int_equal(deferred__read(&tool, &process, &list), 0);
	assert_int_equal(list.blocks.count, 3);
	assert_true(has(0x10000, false));
	assert_true(has(0x30020, false));
	assert_true(has(0x40030, true));
	b = &list.blocks.items[0].block;
	assert_true(list.blocks.items[0].is_new);
	assert_int_equal(b->size, 100);
	assert_int_equal(b->weight, 1000);
	assert_int_equal(b->time_ns, 1234);
	assert_int_equal(b->stack, 0xff01 ^ tool.secret);
	assert_int_equal(b->family, 2);
	assert_int_equal(b->families, 4);
	assert_int_equal(b->slack, 9);
	assert_int_equal(b->deferrable, 7);
	assert_int_equal(list.numbers.again, SAMPLE_WEIGHT_ONE + 70);
	assert_int_equal(list.numbers.again_bytes, 7);

	cells->session = tool.session + 1;
	list.blocks.count = 0;
	assert_int_equal(deferred__read(&tool, &process, &list), 0);
	assert_int_equal(list.blocks.count, 1);
	assert_int_equal(list.numbers.again, SAMPLE_WEIGHT_ONE);
	assert_int_equal(list.numbers.again_bytes, 0);
}

static struct memleak_trail_answer an_answer(uint64_t id, uint64_t last, uint32_t way)
{
	struct memleak_trail_answer a = {
		.cells = (uintptr_t)cells,
		.tgid = getpid(),
		.way = way,
		.forgotten = MEMLEAK_TRAIL_NONE,
		.trail = {.id = id, .epoch = cells->epoch, .frame = 0x1000, .n = 2, .session = 5},
	};

	a.trail.words[0] = 0x7000;
	a.trail.words[1] = last;
	return a;
}

static int nr_ways(void)
{
	const struct memleak_trail_set *set =
		&cells->trails[MEMLEAK_TRAIL_SET(MEMLEAK_CALL(0x1000, 0x7000))];
	int i, n = 0;

	for (i = 0; i < MEMLEAK_TRAIL_WAYS; i++)
		n += set->ways[i].id && set->ways[i].epoch == cells->epoch;
	return n;
}

/* Who waits for an answer asks again: the answers do not take the places of others'. */
static void answers(void **state)
{
	struct memleak_trail_answer a;
	int i;

	(void)state;
	cells->self = (uintptr_t)cells;
	cells->epoch = 3;
	for (i = 0; i < 10; i++) {
		a = an_answer(i + 1, 1, i % MEMLEAK_TRAIL_WAYS);
		trails__answer(&tool, &a);
	}
	assert_int_equal(nr_ways(), 1);
	assert_int_equal(cells->session, tool.session);
	/* Others come where there is room. */
	for (i = 0; i < 3; i++) {
		a = an_answer(20 + i, 2 + i, 0);
		trails__answer(&tool, &a);
	}
	assert_int_equal(nr_ways(), 4);
	a = an_answer(30, 9, 2);
	trails__answer(&tool, &a);
	assert_int_equal(nr_ways(), 4);
	/* What is of another epoch is in nobody's way. */
	cells->epoch++;
	trails__answer(&tool, &a);
	assert_int_equal(nr_ways(), 0);
	a = an_answer(31, 1, 2);
	trails__answer(&tool, &a);
	assert_int_equal(nr_ways(), 1);
}

/* Whose new blocks are there: who is asked first takes them, with no trail so far. */
static void sessions(void **state)
{
	const struct deferred_tool other = {.processes_fd = -1, .session = 6};
	struct {
		uint8_t semaphores[MEMLEAK_PUT_SEMAPHORE_TO_CELLS];
		uint64_t cells;
	} __attribute__((packed)) library = {.cells = (uintptr_t)cells};
	struct memleak_trail_answer a;
	uint64_t epoch;

	(void)state;
	cells->self = (uintptr_t)cells;
	assert_int_equal(trails__begin_epoch(&tool, getpid(), (uintptr_t)&library), 0);
	assert_int_equal(cells->session, 0);
	a = an_answer(1, 1, 0);
	a.trail.session = 0; /* of a tool that cannot make use of them */
	trails__answer(&tool, &a);
	assert_int_equal(cells->session, 0);
	assert_int_equal(nr_ways(), 1);
	cells->new_bytes = cells->passed = 7;
	a = an_answer(2, 2, 0);
	trails__answer(&tool, &a);
	assert_int_equal(cells->session, tool.session);
	assert_int_equal(cells->new_bytes + cells->passed, 0);
	assert_int_equal(nr_ways(), 1);
	trails__answer(&tool, &a);
	assert_int_equal(nr_ways(), 2);
	/* It is attached once more, which is no other one. */
	cells->passed = 7;
	epoch = cells->epoch;
	assert_int_equal(trails__begin_epoch(&tool, getpid(), (uintptr_t)&library), 0);
	assert_int_equal(cells->passed, 7);
	assert_int_not_equal(cells->epoch, epoch);
	assert_int_equal(cells->shared, 0);

	a = an_answer(3, 3, 0);
	trails__answer(&other, &a);
	assert_int_equal(cells->session, tool.session);
	assert_int_equal(cells->shared, 1);
	cells->shared = 0;
	assert_int_equal(trails__begin_epoch(&other, getpid(), (uintptr_t)&library), 0);
	assert_int_equal(cells->session, tool.session);
	assert_int_equal(cells->shared, 1);
	trails__leave(&other, &process);
	assert_int_equal(cells->session, tool.session);
	trails__leave(&tool, &process);
	assert_int_equal(cells->session, 0);
	a = an_answer(4, 4, 0);
	trails__answer(&other, &a);
	assert_int_equal(cells->session, other.session);
	assert_int_equal(cells->shared, 1); /* nobody knows who else is there */
	epoch = cells->epoch;
	trails__end(&process);
	assert_int_not_equal(cells->epoch, epoch);
}

static void nothing(void **state)
{
	struct memleak_process none = {.tgid = getpid()};

	(void)state;
	assert_int_equal(deferred__read(&tool, &none, &list), 0);
	assert_int_equal(deferred__read(&tool, &process, &list), 0);
	assert_int_equal(list.blocks.count, 0);
}

/* What has ended has been read by the kernel side. */
static void ended(void **state)
{
	pid_t child = fork();
	siginfo_t info;

	(void)state;
	if (!child)
		_exit(0);
	assert_true(child > 0);
	process.tgid = child;
	assert_int_equal(waitid(P_PID, child, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(deferred__read(&tool, &process, &list), 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_int_equal(deferred__read(&tool, &process, &list), 0);
	assert_int_equal(list.blocks.count, 0);
}

/* The address is the process's word. */
static void a_lie(void **state)
{
	(void)state;
	process.cells = 0x10;
	assert_int_equal(deferred__read(&tool, &process, &list), 0);
	process.cells = (uintptr_t)cells;
	memset(cells->used, 0xff, sizeof(cells->used));
	assert_int_equal(mprotect((char *)cells + 65536, 4096, PROT_NONE), 0);
	assert_int_equal(deferred__read(&tool, &process, &list), 0);
	assert_int_equal(list.blocks.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tags),
		cmocka_unit_test_setup_teardown(states, set_up, tear_down),
		cmocka_unit_test_setup_teardown(all_parts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(new_ones, set_up, tear_down),
		cmocka_unit_test_setup_teardown(answers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sessions, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(ended, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_lie, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
