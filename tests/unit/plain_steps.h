/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_TESTS_PLAIN_STEPS_H
#define MEMLEAK_TESTS_PLAIN_STEPS_H

/* For the tests of the step, on their made-up stacks: STACK, RA, slot(), make_world(). */

static unsigned int some(unsigned int n)
{
	static uint64_t x = 0x853c49e6748fea9bULL;

	x = x * 6364136223846793005ULL + 1442695040888963407ULL; /* Knuth, MMIX */
	return (uint32_t)(x >> 33) % n;
}

/* Rules as compilers write them, mostly, and what is next to them. */
static struct unwind_rule some_rule(void)
{
	static const int32_t fps[] = {-8, -16, -17, -24, -32, -64, -72, -80, 0, 8};

	return (struct unwind_rule){
		.cfa = some(3) ? UNWIND_CFA_SP : some(UNWIND_CFAS),
		.fp = some(UNWIND_PLACES),
		.ra = some(4) ? UNWIND_AT_CFA : some(UNWIND_PLACES),
		.cfa_offset = some(8) ? (int32_t)(8 * some(12)) : (int32_t)some(0x20000) - 0x10000,
		.fp_offset = fps[some(sizeof(fps) / sizeof(*fps))],
		.ra_offset = some(4) ? -8 : -16,
	};
}

static void make_some_world(struct world *w, struct unwind_regs *regs)
{
	unsigned int i;

	make_world(w, regs);
	for (i = 0; i < 64; i++)
		w->stack[i] = some(4) ? RA + 4 * some(9) : some(2) ? some(3) : slot(some(70));
	regs->sp = slot(some(70)) + (some(8) ? 0 : some(8));
	regs->fp = slot(some(70)) + (some(8) ? 0 : some(8));
	regs->flags = some(4);
	regs->slot = some(3);
}

/* A plain step does what the rule that it stands for does, or nothing; and nothing only seldom. */
static void plain_steps_are_the_same(void **state)
{
	unsigned int i, plain = 0, taken = 0, possible = 0;

	(void)state;
	for (i = 0; i < 300000; i++) {
		struct unwind_rule rule = some_rule();
		struct unwind_regs before, r, expected;
		uint32_t step = unwind_plain(&rule);
		enum unwind_result result;
		struct world w;
		bool by_fp;

		if (!step)
			continue;
		plain++;
		assert_true(step >= UNWIND_PLAIN && step <= UINT16_MAX);
		make_some_world(&w, &before);
		r = expected = before;
		result = unwind_step(&expected, &rule, UNWIND_NO_ROW, &w, &by_fp);
		assert_false(by_fp);
		possible += result == UNWIND_STEPPED;
		if (unwind_step_plainly(&r, step, &w)) {
			assert_int_equal(result, UNWIND_STEPPED);
			assert_memory_equal(&r, &expected, sizeof(r));
			taken++;
		} else {
			assert_memory_equal(&r, &before, sizeof(r));
		}
	}
	print_message("%u plain rules, %u steps\n", plain, taken);
	assert_true(plain > 20000);
	assert_true(taken > 5000);
	assert_int_equal(taken, possible);
}

#endif
