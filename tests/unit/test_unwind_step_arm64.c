// SPDX-License-Identifier: GPL-2.0-or-later
/* What of the kernel side's step is different on arm64; test_unwind_step.c has the rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#undef __TARGET_ARCH_x86
#undef __TARGET_ARCH_arm64
#define __TARGET_ARCH_arm64
#include "bpf/unwind.bpf.h"

#define STACK 0xffffc0001000ULL
#define CODE  0xaaaac0001000ULL
#define RA    0xaaaac0002344ULL

struct world {
	uint64_t stack[128];
	uint32_t code[4];
};

static __always_inline int unwind_read(void *ctx, void *to, __u32 size, __u64 addr)
{
	const struct world *w = ctx;

	if (addr >= STACK && addr + size <= STACK + sizeof(w->stack))
		memcpy(to, (const char *)w->stack + (addr - STACK), size);
	else if (addr >= CODE && addr + size <= CODE + sizeof(w->code))
		memcpy(to, (const char *)w->code + (addr - CODE), size);
	else
		return -14;
	return 0;
}

static uint64_t slot(unsigned int word)
{
	return STACK + 8 * word;
}

static void make_world(struct world *w, struct unwind_regs *regs)
{
	memset(w, 0, sizeof(*w));
	*regs = (struct unwind_regs){.ip = CODE, .sp = slot(4), .fp = slot(20), .lr = RA};
}

static enum unwind_result step(struct world *w, struct unwind_regs *regs,
			       const struct unwind_rule *rule)
{
	bool by_fp;

	return unwind_step(regs, rule, UNWIND_NO_ROW, w, &by_fp);
}

/* A leaf that has pushed nothing: only where it was interrupted is its return address in x30. */
static void leaf(void **state)
{
	const struct unwind_rule rule = {
		.cfa = UNWIND_CFA_SP, .fp = UNWIND_SAME, .ra = UNWIND_SAME};
	struct unwind_regs r;
	struct world w;

	(void)state;
	make_world(&w, &r);
	r.flags = UNWIND_EXACT;
	assert_int_equal(step(&w, &r, &rule), UNWIND_STEPPED);
	assert_int_equal(r.ip, RA);
	assert_int_equal(r.sp, slot(4));
	assert_int_equal(r.fp, slot(20));
	assert_int_equal(r.slot, slot(4));
	assert_int_equal(r.lr, 0);
	assert_int_equal(r.flags, 0);
	/* So a walk cannot go round in circles. */
	assert_int_equal(step(&w, &r, &rule), UNWIND_RA_LOST);
}

/* stp x29, x30, [sp, #-48]!, with the return address signed */
static void frame_record(void **state)
{
	const struct unwind_rule rule = {.cfa = UNWIND_CFA_SP,
					 .fp = UNWIND_BELOW_RA,
					 .ra = UNWIND_AT_CFA,
					 .cfa_offset = 48,
					 .ra_offset = -40};
	struct unwind_regs r;
	struct world w;

	(void)state;
	make_world(&w, &r);
	w.stack[4] = slot(40);
	w.stack[5] = RA | 0x003b000000000000ULL;
	assert_int_equal(step(&w, &r, &rule), UNWIND_STEPPED);
	assert_int_equal(r.ip, RA);
	assert_int_equal(r.sp, slot(10));
	assert_int_equal(r.fp, slot(40));
	assert_int_equal(r.slot, slot(10));
	assert_int_equal(unwind_search_pc(&r), RA - 1);
}

static void make_signal_frame(struct world *w)
{
	uint64_t *x = &w->stack[4 + UNWIND_ARM64_SIGNAL_X / 8];

	x[29] = slot(90);
	x[30] = RA + 4;
	x[31] = slot(2);
	x[32] = RA + 8;
}

static void check_signal_frame(struct unwind_regs *r)
{
	assert_int_equal(r->ip, RA + 8);
	assert_int_equal(r->sp, slot(2));
	assert_int_equal(r->fp, slot(90));
	assert_int_equal(r->lr, RA + 4);
	assert_int_equal(r->flags, UNWIND_EXACT);
	assert_int_equal(r->slot, 0);
}

static void signal_frame(void **state)
{
	const struct unwind_rule gap = {.cfa = UNWIND_CFA_GAP}, rule = UNWIND_SIGNAL_RULE;
	struct unwind_regs r;
	struct world w;

	(void)state;
	make_world(&w, &r);
	make_signal_frame(&w);
	assert_int_equal(step(&w, &r, &rule), UNWIND_STEPPED);
	check_signal_frame(&r);

	make_world(&w, &r);
	make_signal_frame(&w);
	w.code[0] = 0xd2801168; /* mov x8, #139 */
	w.code[1] = 0xd4000001; /* svc #0 */
	assert_int_equal(step(&w, &r, &gap), UNWIND_STEPPED);
	check_signal_frame(&r);
}

static void gap_with_frame_pointer(void **state)
{
	const struct unwind_rule gap = {.cfa = UNWIND_CFA_GAP};
	struct unwind_regs r;
	struct world w;
	bool by_fp;

	(void)state;
	make_world(&w, &r);
	w.stack[20] = slot(60);
	w.stack[21] = RA;
	assert_int_equal(unwind_step(&r, &gap, UNWIND_NO_ROW, &w, &by_fp), UNWIND_STEPPED);
	assert_true(by_fp);
	assert_int_equal(r.ip, RA);
	assert_int_equal(r.fp, slot(60));
	assert_int_equal(r.slot, 0);
}

static void entry_of_a_function(void **state)
{
	struct unwind_regs r;
	struct world w;

	(void)state;
	make_world(&w, &r);
	assert_int_equal(unwind_step_entry(&r, &w), UNWIND_STEPPED);
	assert_int_equal(r.ip, RA);
	assert_int_equal(r.sp, slot(4));
	assert_int_equal(r.slot, slot(4));
	assert_int_equal(r.lr, 0);
}

#include "plain_steps.h"

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(leaf),
		cmocka_unit_test(frame_record),
		cmocka_unit_test(signal_frame),
		cmocka_unit_test(gap_with_frame_pointer),
		cmocka_unit_test(entry_of_a_function),
		cmocka_unit_test(plain_steps_are_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
