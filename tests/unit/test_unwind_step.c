// SPDX-License-Identifier: GPL-2.0-or-later
/* The kernel side's search and step, as x86-64 runs them, on made-up stacks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#ifndef __TARGET_ARCH_x86
#define __TARGET_ARCH_x86
#endif
#include "bpf/unwind.bpf.h"

/* A stack of 64 words at STACK, and 16 bytes of code at CODE. Nothing else can be read. */
#define STACK 0x7ffc00001000ULL
#define CODE  0x555500001000ULL
#define RA    0x555500002345ULL

struct world {
	uint64_t stack[64];
	uint8_t code[16];
};

static __always_inline int unwind_read(void *ctx, void *to, __u32 size, __u64 addr)
{
	const struct world *w = ctx;

	if (addr >= STACK && addr + size <= STACK + sizeof(w->stack))
		memcpy(to, (const char *)w->stack + (addr - STACK), size);
	else if (addr >= CODE && addr + size <= CODE + sizeof(w->code))
		memcpy(to, w->code + (addr - CODE), size);
	else
		return -14;
	return 0;
}

static uint64_t slot(unsigned int word)
{
	return STACK + 8 * word;
}

/* sp at word 4, fp at word 20, word n holds 0x1000 + n but for RA at 9 and at 21. */
static void make_world(struct world *w, struct unwind_regs *regs)
{
	unsigned int i;

	memset(w, 0, sizeof(*w));
	for (i = 0; i < 64; i++)
		w->stack[i] = 0x1000 + i;
	w->stack[9] = RA;
	w->stack[20] = slot(30);
	w->stack[21] = RA + 1;
	*regs = (struct unwind_regs){.ip = CODE, .sp = slot(4), .fp = slot(20)};
}

/* One step that must give @result; registers may not change unless it is UNWIND_STEPPED. */
static bool step(struct world *w, struct unwind_regs *regs, const struct unwind_rule *rule,
		 enum unwind_result result)
{
	struct unwind_regs before = *regs;
	bool by_fp;

	assert_int_equal(unwind_step(regs, rule, UNWIND_NO_ROW, w, &by_fp), result);
	if (result != UNWIND_STEPPED)
		assert_memory_equal(regs, &before, sizeof(before));
	return by_fp;
}

/* The CFA at word 10, the return address below it. */
static const struct unwind_rule plain = {
	.cfa = UNWIND_CFA_SP,
	.fp = UNWIND_SAME,
	.ra = UNWIND_AT_CFA,
	.cfa_offset = 48,
	.ra_offset = -8,
};

/* --- how the CFA is found --- */

static void cfa_from_sp(void **state)
{
	struct world w;
	struct unwind_regs r;

	(void)state;
	make_world(&w, &r);
	assert_false(step(&w, &r, &plain, UNWIND_STEPPED));
	assert_int_equal(r.ip, RA);
	assert_int_equal(r.sp, slot(10));
	assert_int_equal(r.fp, slot(20));
	assert_int_equal(r.slot, slot(9));
	assert_int_equal(r.flags, 0);
}

static void cfa_from_fp(void **state)
{
	struct unwind_rule rule = plain;
	struct world w;
	struct unwind_regs r;

	(void)state;
	rule.cfa = UNWIND_CFA_FP;
	rule.cfa_offset = 16;
	rule.fp = UNWIND_BELOW_RA;
	make_world(&w, &r);
	step(&w, &r, &rule, UNWIND_STEPPED);
	assert_int_equal(r.ip, RA + 1);
	assert_int_equal(r.sp, slot(22));
	assert_int_equal(r.fp, slot(30));
}

static void cfa_in_plt(void **state)
{
	struct unwind_rule rule = plain;
	struct world w;
	struct unwind_regs r;
	unsigned int i;

	(void)state;
	rule.cfa = UNWIND_CFA_PLT;
	rule.addend = 11;
	for (i = 0; i < 16; i++) {
		make_world(&w, &r);
		w.stack[10] = RA;
		r.ip = CODE + i;
		r.flags = UNWIND_EXACT;
		step(&w, &r, &rule, UNWIND_STEPPED);
		assert_int_equal(r.sp, slot(i >= 11 ? 11 : 10));
	}
}

static void cfa_from_memory(void **state)
{
	struct unwind_rule rule = plain;
	struct world w;
	struct unwind_regs r;

	(void)state;
	rule.cfa = UNWIND_CFA_DEREF_SP;
	rule.cfa_offset = 16;
	rule.addend = 8;
	make_world(&w, &r);
	w.stack[6] = slot(9);
	step(&w, &r, &rule, UNWIND_STEPPED);
	assert_int_equal(r.sp, slot(10));
	assert_int_equal(r.ip, RA);

	rule.cfa = UNWIND_CFA_DEREF_FP;
	rule.cfa_offset = -8;
	rule.addend = 0;
	make_world(&w, &r);
	w.stack[19] = slot(10);
	step(&w, &r, &rule, UNWIND_STEPPED);
	assert_int_equal(r.sp, slot(10));
}

static const struct unwind_rule signal_rule = {
	.cfa = UNWIND_CFA_SIGNAL,
	.fp = UNWIND_AT_SP,
	.ra = UNWIND_AT_SP,
	.cfa_offset = UNWIND_X86_SIGNAL_SP,
	.fp_offset = UNWIND_X86_SIGNAL_FP,
	.ra_offset = UNWIND_X86_SIGNAL_IP,
};

/* Words of the signal frame, with sp at word 4 (asm/sigcontext.h). */
static void make_signal_frame(struct world *w, uint64_t sp)
{
	w->stack[4 + 15] = 0x1234;
	w->stack[4 + 20] = sp;
	w->stack[4 + 21] = CODE + 7;
}

static void signal_frame(void **state)
{
	struct world w;
	struct unwind_regs r;

	(void)state;
	make_world(&w, &r);
	make_signal_frame(&w, slot(0)); /* an alternate stack: it goes down */
	step(&w, &r, &signal_rule, UNWIND_STEPPED);
	assert_int_equal(r.ip, CODE + 7);
	assert_int_equal(r.sp, slot(0));
	assert_int_equal(r.fp, 0x1234);
	assert_int_equal(r.slot, 0);
	assert_int_equal(r.flags, UNWIND_EXACT);
	assert_int_equal(unwind_search_pc(&r), CODE + 7);

	/* The interrupted function's caller is a caller again. */
	r.sp = slot(4);
	step(&w, &r, &plain, UNWIND_STEPPED);
	assert_int_equal(r.flags, 0);
	assert_int_equal(unwind_search_pc(&r), RA - 1);
}

/* --- where the registers were saved --- */

static void fp_places(void **state)
{
	static const struct {
		uint8_t place;
		int32_t offset;
		uint64_t fp;
		uint32_t flags;
	} cases[] = {
		{UNWIND_SAME, 0, STACK + 8 * 20, 0},	{UNWIND_LOST, 0, 0, UNWIND_FP_UNKNOWN},
		{UNWIND_AT_CFA, -24, 0x1000 + 7, 0},	{UNWIND_AT_SP, 8, 0x1000 + 5, 0},
		{UNWIND_AT_FP, 16, 0x1000 + 22, 0},	{UNWIND_BELOW_RA, 0, 0x1000 + 8, 0},
		{UNWIND_IS_CFA, -16, STACK + 8 * 8, 0},
	};
	struct unwind_rule rule = plain;
	struct world w;
	struct unwind_regs r;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		make_world(&w, &r);
		rule.fp = cases[i].place;
		rule.fp_offset = cases[i].offset;
		step(&w, &r, &rule, UNWIND_STEPPED);
		assert_int_equal(r.fp, cases[i].fp);
		assert_int_equal(r.flags, cases[i].flags);
		assert_int_equal(r.ip, RA);
	}
}

static void ra_places(void **state)
{
	struct unwind_rule rule = plain;
	struct world w;
	struct unwind_regs r;

	(void)state;
	make_world(&w, &r);
	rule.ra = UNWIND_AT_SP;
	rule.ra_offset = 40;
	step(&w, &r, &rule, UNWIND_STEPPED);
	assert_int_equal(r.ip, RA);
	make_world(&w, &r);
	rule.ra = UNWIND_AT_FP;
	rule.ra_offset = 8;
	step(&w, &r, &rule, UNWIND_STEPPED);
	assert_int_equal(r.ip, RA + 1);
	make_world(&w, &r);
	rule.ra = UNWIND_LOST;
	step(&w, &r, &rule, UNWIND_RA_LOST);
	rule.ra = UNWIND_SAME;
	step(&w, &r, &rule, UNWIND_RA_LOST);
}

static void fp_lost_is_remembered(void **state)
{
	struct unwind_rule rule = plain, by_fp = plain;
	struct world w;
	struct unwind_regs r;

	(void)state;
	by_fp.cfa = UNWIND_CFA_FP;
	make_world(&w, &r);
	r.flags = UNWIND_FP_UNKNOWN;
	step(&w, &r, &by_fp, UNWIND_FP_LOST);
	by_fp.cfa = UNWIND_CFA_DEREF_FP;
	step(&w, &r, &by_fp, UNWIND_FP_LOST);
	by_fp = plain;
	by_fp.ra = UNWIND_AT_FP;
	step(&w, &r, &by_fp, UNWIND_RA_LOST);
	step(&w, &r, &rule, UNWIND_STEPPED);
	assert_int_equal(r.flags, UNWIND_FP_UNKNOWN);

	/* An outer frame's function can have saved it all the same. */
	make_world(&w, &r);
	r.flags = UNWIND_FP_UNKNOWN;
	rule.fp = UNWIND_BELOW_RA;
	step(&w, &r, &rule, UNWIND_STEPPED);
	assert_int_equal(r.flags, 0);
	make_world(&w, &r);
	r.flags = UNWIND_FP_UNKNOWN;
	rule.fp = UNWIND_AT_FP;
	step(&w, &r, &rule, UNWIND_STEPPED);
	assert_int_equal(r.flags, UNWIND_FP_UNKNOWN);
}

/* --- why a walk ends --- */

static void rules_that_end_it(void **state)
{
	static const struct {
		uint8_t cfa;
		enum unwind_result result;
	} cases[] = {
		{UNWIND_CFA_STOP, UNWIND_COMPLETE},
		{UNWIND_CFA_INVALID, UNWIND_RULE_UNUSABLE},
		{UNWIND_CFA_REGISTER, UNWIND_OTHER_REGISTER},
	};
	struct world w;
	struct unwind_regs r;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct unwind_rule rule = {.cfa = cases[i].cfa};

		make_world(&w, &r);
		step(&w, &r, &rule, cases[i].result);
	}
}

static void bad_cfa(void **state)
{
	struct unwind_rule rule = plain;
	struct world w;
	struct unwind_regs r;

	(void)state;
	make_world(&w, &r);
	rule.cfa_offset = 0;
	step(&w, &r, &rule, UNWIND_BAD_CFA);
	rule.cfa_offset = -8;
	step(&w, &r, &rule, UNWIND_BAD_CFA);
	rule.cfa_offset = 44;
	step(&w, &r, &rule, UNWIND_BAD_CFA);
	rule.cfa = UNWIND_CFA_FP;
	rule.cfa_offset = 16;
	r.fp = slot(2);
	step(&w, &r, &rule, UNWIND_BAD_CFA);
}

static void unreadable_stack(void **state)
{
	struct unwind_rule rule = plain;
	struct world w;
	struct unwind_regs r;

	(void)state;
	make_world(&w, &r);
	rule.cfa_offset = 8 * 64;
	step(&w, &r, &rule, UNWIND_UNREADABLE);
	rule.fp = UNWIND_BELOW_RA;
	step(&w, &r, &rule, UNWIND_UNREADABLE);
	rule = plain;
	rule.fp = UNWIND_AT_CFA;
	rule.fp_offset = 8 * 64;
	step(&w, &r, &rule, UNWIND_UNREADABLE);
	rule = plain;
	rule.cfa = UNWIND_CFA_DEREF_SP;
	rule.cfa_offset = -8 * 5;
	step(&w, &r, &rule, UNWIND_UNREADABLE);
}

static void bad_return_address(void **state)
{
	struct world w;
	struct unwind_regs r;

	(void)state;
	make_world(&w, &r);
	w.stack[9] = 0;
	step(&w, &r, &plain, UNWIND_COMPLETE_ZERO);
	w.stack[9] = 0xfff;
	step(&w, &r, &plain, UNWIND_BAD_RA);
	w.stack[9] = 0xffffffff81000000ULL;
	step(&w, &r, &plain, UNWIND_BAD_RA);
	w.stack[9] = 1ULL << 56;
	step(&w, &r, &plain, UNWIND_BAD_RA);
	w.stack[9] = 0x1000;
	step(&w, &r, &plain, UNWIND_STEPPED);
}

/* --- gaps --- */

static const struct unwind_rule gap = {.cfa = UNWIND_CFA_GAP};

static void gap_with_frame_pointer(void **state)
{
	struct world w;
	struct unwind_regs r;
	bool by_fp;

	(void)state;
	make_world(&w, &r);
	assert_true(step(&w, &r, &gap, UNWIND_STEPPED));
	assert_int_equal(r.ip, RA + 1);
	assert_int_equal(r.sp, slot(22));
	assert_int_equal(r.fp, slot(30));
	assert_int_equal(r.slot, slot(21));

	/* The outermost one has no caller to point to. */
	make_world(&w, &r);
	w.stack[20] = 0;
	assert_true(step(&w, &r, &gap, UNWIND_STEPPED));
	assert_int_equal(r.fp, 0);
	step(&w, &r, &gap, UNWIND_COMPLETE_ZERO);
	assert_int_equal(unwind_step(&r, &gap, UNWIND_NO_TABLE, &w, &by_fp), UNWIND_NO_TABLE);
	make_world(&w, &r);
	w.stack[21] = 0;
	step(&w, &r, &gap, UNWIND_COMPLETE_ZERO);
}

static void gap_without_frame_pointer(void **state)
{
	struct world w;
	struct unwind_regs r;
	bool by_fp;

	(void)state;
	make_world(&w, &r);
	r.fp = slot(20) + 4; /* misaligned */
	step(&w, &r, &gap, UNWIND_NO_ROW);
	assert_int_equal(unwind_step(&r, &gap, UNWIND_NO_TABLE, &w, &by_fp), UNWIND_NO_TABLE);
	r.fp = slot(3); /* below sp */
	step(&w, &r, &gap, UNWIND_NO_ROW);
	r.fp = r.sp + UNWIND_FP_REACH + 8;
	step(&w, &r, &gap, UNWIND_NO_ROW);
	r.fp = slot(63); /* half of the record is not there */
	step(&w, &r, &gap, UNWIND_UNREADABLE);
	make_world(&w, &r);
	r.flags = UNWIND_FP_UNKNOWN;
	step(&w, &r, &gap, UNWIND_NO_ROW);
	r.flags = 0;
	w.stack[20] = slot(20); /* a chain that does not go up */
	step(&w, &r, &gap, UNWIND_NO_ROW);
	w.stack[20] = slot(30);
	w.stack[21] = 17; /* no return address */
	step(&w, &r, &gap, UNWIND_NO_ROW);
}

static void gap_that_is_signal_return(void **state)
{
	static const uint8_t codes[][9] = {
		{0x48, 0xc7, 0xc0, 15, 0, 0, 0, 0x0f, 0x05}, /* mov $15, %rax; syscall */
		{0xb8, 15, 0, 0, 0, 0x0f, 0x05},	     /* mov $15, %eax; syscall */
	};
	struct world w;
	struct unwind_regs r;
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		make_world(&w, &r);
		make_signal_frame(&w, slot(40));
		memcpy(w.code, codes[i], sizeof(codes[i]));
		assert_false(step(&w, &r, &gap, UNWIND_STEPPED));
		assert_int_equal(r.ip, CODE + 7);
		assert_int_equal(r.sp, slot(40));
		assert_int_equal(r.flags, UNWIND_EXACT);

		make_world(&w, &r);
		memcpy(w.code, codes[i], sizeof(codes[i]));
		w.code[i ? 6 : 8]++;
		assert_true(step(&w, &r, &gap, UNWIND_STEPPED));
	}
}

/* --- the first step --- */

static void entry_of_a_function(void **state)
{
	struct world w;
	struct unwind_regs r;

	(void)state;
	make_world(&w, &r);
	r.sp = slot(9);
	r.flags = UNWIND_EXACT;
	assert_int_equal(unwind_step_entry(&r, &w), UNWIND_STEPPED);
	assert_int_equal(r.ip, RA);
	assert_int_equal(r.sp, slot(10));
	assert_int_equal(r.fp, slot(20));
	assert_int_equal(r.slot, slot(9));
	assert_int_equal(r.flags, 0);
	r.sp = STACK - 8;
	assert_int_equal(unwind_step_entry(&r, &w), UNWIND_UNREADABLE);
	r.sp = slot(9);
	w.stack[9] = 0;
	assert_int_equal(unwind_step_entry(&r, &w), UNWIND_COMPLETE_ZERO);
	assert_int_equal(r.sp, slot(9));
}

/* --- the search --- */

/* The last of the rows that is not behind @offset, one after the other. */
static uint16_t linear_search(const struct unwind_shard *s, struct unwind_page page,
			      uint64_t offset)
{
	uint16_t rule = 0;
	unsigned int i;

	for (i = 0; i < page.n; i++) {
		uint32_t row = s->rows[page.first + i];

		if (UNWIND_ROW_OFFSET(row) <= offset % UNWIND_PAGE_SIZE)
			rule = UNWIND_ROW_RULE(row);
	}
	return rule;
}

/* A page with @n rows at random places, the first at its beginning. */
static struct unwind_page random_page(struct unwind_shard *s, unsigned int n)
{
	struct unwind_page page = {.first = rand() % (UNWIND_SHARD_ROWS - n + 1), .n = n};
	uint8_t taken[UNWIND_PAGE_SIZE] = {1};
	unsigned int left = n - 1, i, at = page.first;

	for (i = 0; i < UNWIND_SHARD_ROWS; i++)
		s->rows[i] = (uint32_t)rand() << 1; /* other pages' rows: anything */
	while (left) {
		i = rand() % UNWIND_PAGE_SIZE;
		left -= !taken[i];
		taken[i] = 1;
	}
	for (i = 0; i < UNWIND_PAGE_SIZE; i++)
		if (taken[i])
			s->rows[at++] = UNWIND_ROW(i, rand());
	return page;
}

static void search_equals_linear_search(void **state)
{
	struct unwind_shard *s = malloc(sizeof(*s));
	unsigned int n, i, round;

	(void)state;
	assert_non_null(s);
	srand(1);
	for (n = 1; n <= UNWIND_PAGE_SIZE; n += n < 40 ? 1 : 31) {
		for (round = 0; round < 3; round++) {
			struct unwind_page page = random_page(s, n);
			uint64_t base = (uint64_t)rand() * UNWIND_PAGE_SIZE;

			for (i = 0; i < UNWIND_PAGE_SIZE; i++)
				assert_int_equal(unwind_search(s, page, base + i),
						 linear_search(s, page, base + i));
		}
	}
	free(s);
}

static void search_of_the_fullest_pages(void **state)
{
	struct unwind_shard *s = malloc(sizeof(*s));
	unsigned int n, i;

	(void)state;
	assert_non_null(s);
	for (n = UNWIND_PAGE_SIZE - 2; n <= UNWIND_PAGE_SIZE; n++) {
		struct unwind_page page = random_page(s, n);

		for (i = 0; i < UNWIND_PAGE_SIZE; i++)
			assert_int_equal(unwind_search(s, page, i), linear_search(s, page, i));
	}
	free(s);
}

static void pages_by_offset(void **state)
{
	(void)state;
	assert_int_equal(unwind_page_index(0x2000, 0x2000), 0);
	assert_int_equal(unwind_page_index(0x21ff, 0x2000), 0);
	assert_int_equal(unwind_page_index(0x2200, 0x2000), 1);
	assert_true(unwind_page_index(0x1fff, 0x2000) > UINT32_MAX);
}

#include "plain_steps.h"

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cfa_from_sp),
		cmocka_unit_test(cfa_from_fp),
		cmocka_unit_test(cfa_in_plt),
		cmocka_unit_test(cfa_from_memory),
		cmocka_unit_test(signal_frame),
		cmocka_unit_test(fp_places),
		cmocka_unit_test(ra_places),
		cmocka_unit_test(fp_lost_is_remembered),
		cmocka_unit_test(rules_that_end_it),
		cmocka_unit_test(bad_cfa),
		cmocka_unit_test(unreadable_stack),
		cmocka_unit_test(bad_return_address),
		cmocka_unit_test(gap_with_frame_pointer),
		cmocka_unit_test(gap_without_frame_pointer),
		cmocka_unit_test(gap_that_is_signal_return),
		cmocka_unit_test(entry_of_a_function),
		cmocka_unit_test(plain_steps_are_the_same),
		cmocka_unit_test(search_equals_linear_search),
		cmocka_unit_test(search_of_the_fullest_pages),
		cmocka_unit_test(pages_by_offset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
