// SPDX-License-Identifier: GPL-2.0-or-later
/* Call frame information made by hand: every instruction, every encoding, damage. */
#include <dwarf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "unwind/cfi.h"
#include "unwind/cfi_program.h"
#include "util/cleanup.h"

#define SECTION_ADDR 0x1000ULL
#define CODE_ADDR    0x400000ULL
#define CODE_OFFSET  0x2000ULL
#define CODE_SIZE    0x10000ULL

enum { RBX = 3, RBP = 6, RSP = 7, R10 = 10, RIP = 16, X29 = 29, X30 = 30, SP = 31 };

/* --- writing sections --- */

struct bytes {
	uint8_t data[1 << 16];
	size_t size;
};

static void put(struct bytes *b, uint64_t value, size_t size)
{
	assert_true(b->size + size <= sizeof(b->data));
	memcpy(b->data + b->size, &value, size);
	b->size += size;
}

/* A run of bytes: instructions, augmentation data. */
struct run {
	const uint8_t *data;
	size_t size;
};

#define RUN(...)                                                                                   \
	((struct run){(const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})})
#define NOTHING ((struct run){NULL, 0})

static void put_run(struct bytes *b, struct run r)
{
	size_t i;

	for (i = 0; i < r.size; i++)
		put(b, r.data[i], 1);
}

/* Set the 32-bit length of the entry at @start, which ends here. */
static void end_entry(struct bytes *b, size_t start)
{
	uint32_t length = b->size - start - 4;

	memcpy(b->data + start, &length, 4);
}

/* What x86-64's compilers write: CFA = rsp + 8, return address below it. */
#define X86_INITIAL RUN(DW_CFA_def_cfa, RSP, 8, DW_CFA_offset | RIP, 1)

/* A CIE of .eh_frame: version 1, code alignment 1, data alignment -8. Gives its place. */
static size_t put_cie_with(struct bytes *b, const char *letters, struct run data,
			   struct run program)
{
	size_t start = b->size;

	put(b, 0, 4);
	put(b, 0, 4);
	put(b, 1, 1);
	put_run(b, (struct run){(const uint8_t *)letters, strlen(letters) + 1});
	put(b, 1, 1);
	put(b, 0x78, 1);
	put(b, RIP, 1);
	if (*letters == 'z')
		put(b, data.size, 1);
	put_run(b, data);
	put_run(b, program);
	end_entry(b, start);
	return start;
}

static size_t put_cie(struct bytes *b)
{
	return put_cie_with(b, "", NOTHING, X86_INITIAL);
}

/* An FDE with absolute pointers for @size bytes of code from @offset on. */
static void put_fde(struct bytes *b, size_t cie, uint64_t offset, uint64_t size, struct run program)
{
	size_t start = b->size;

	put(b, 0, 4);
	put(b, start + 4 - cie, 4);
	put(b, CODE_ADDR + offset, 8);
	put(b, size, 8);
	put_run(b, program);
	end_entry(b, start);
}

/* --- reading them --- */

struct result {
	struct cfi_rows rows;
	struct rule_set *rules;
	struct cfi_counts counts;
};

static void result__release(struct result *r)
{
	cfi_rows__release(&r->rows);
	rule_set__destroy(r->rules);
}

#define RESULT struct result CLEANUP(result__release)

static const struct elf_code code = {CODE_ADDR, CODE_OFFSET, CODE_SIZE};

static int read_as(const struct bytes *b, enum cfi_format format, const struct unwind_arch *arch,
		   struct result *r)
{
	struct cfi_input in = {
		.section = {.data = (uint8_t *)b->data, .size = b->size, .addr = SECTION_ADDR},
		.format = format,
		.code = &code,
		.nr_code = 1,
		.arch = arch,
	};

	memset(r, 0, sizeof(*r));
	assert_int_equal(rule_set__create(&r->rules), 0);
	return cfi__rows(&in, r->rules, &r->counts, &r->rows);
}

static void read_x86(const struct bytes *b, struct result *r)
{
	assert_int_equal(read_as(b, CFI_EH_FRAME, &unwind_arch_x86_64, r), 0);
}

/* The rows of a function of 0x1000 bytes that has the program. */
static void read_program(struct run program, struct result *r)
{
	struct bytes *b CLEANUP_FREE = calloc(1, sizeof(*b));

	assert_non_null(b);
	put_fde(b, put_cie(b), 0, 0x1000, program);
	read_x86(b, r);
}

static void check_rule(const struct unwind_rule *rule, struct unwind_rule expected)
{
	assert_int_equal(rule->cfa, expected.cfa);
	assert_int_equal(rule->cfa_offset, expected.cfa_offset);
	assert_int_equal(rule->addend, expected.addend);
	assert_int_equal(rule->fp, expected.fp);
	assert_int_equal(rule->fp_offset, expected.fp_offset);
	assert_int_equal(rule->ra, expected.ra);
	assert_int_equal(rule->ra_offset, expected.ra_offset);
}

/* The row number @i begins at @offset bytes of code and has the rule. */
static void check_row(const struct result *r, size_t i, uint64_t offset,
		      struct unwind_rule expected)
{
	size_t nr;
	const struct unwind_rule *rules = rule_set__rules(r->rules, &nr);

	assert_true(i < r->rows.v.count);
	assert_int_equal(r->rows.v.items[i].offset, CODE_OFFSET + offset);
	assert_true(r->rows.v.items[i].rule < nr);
	check_rule(&rules[r->rows.v.items[i].rule], expected);
}

static const struct unwind_rule gap = {.cfa = UNWIND_CFA_GAP};
static const struct unwind_rule stop = {.cfa = UNWIND_CFA_STOP};
static const struct unwind_rule invalid = {.cfa = UNWIND_CFA_INVALID};
static const struct unwind_rule other_register = {.cfa = UNWIND_CFA_REGISTER};

/* rsp + @offset, return address below the CFA, rbp unchanged */
static struct unwind_rule sp_rule(int32_t offset)
{
	return (struct unwind_rule){.cfa = UNWIND_CFA_SP,
				    .fp = UNWIND_SAME,
				    .ra = UNWIND_AT_CFA,
				    .cfa_offset = offset,
				    .ra_offset = -8};
}

static struct unwind_rule with_cfa(uint8_t cfa, int32_t offset, uint8_t addend)
{
	struct unwind_rule r = sp_rule(offset);

	r.cfa = cfa;
	r.addend = addend;
	return r;
}

static struct unwind_rule with_fp(uint8_t place, int32_t offset)
{
	struct unwind_rule r = sp_rule(8);

	r.fp = place;
	r.fp_offset = offset;
	return r;
}

static struct unwind_rule with_ra(uint8_t place, int32_t offset)
{
	struct unwind_rule r = sp_rule(8);

	r.ra = place;
	r.ra_offset = offset;
	return r;
}

/* --- instructions --- */

/* The program is: advance by 4, then @program. It must make @expected from there on. */
static void check_instruction(struct run program, struct unwind_rule expected)
{
	uint8_t whole[64] = {DW_CFA_advance_loc | 4};
	RESULT r = {0};

	assert_true(program.size < sizeof(whole));
	memcpy(whole + 1, program.data, program.size);
	read_program((struct run){whole, program.size + 1}, &r);
	assert_int_equal(r.rows.v.count, 3);
	check_row(&r, 0, 0, sp_rule(8));
	check_row(&r, 1, 4, expected);
	check_row(&r, 2, 0x1000, gap);
}

static void cfa_instructions(void **state)
{
	(void)state;
	check_instruction(RUN(DW_CFA_def_cfa, RBP, 16), with_cfa(UNWIND_CFA_FP, 16, 0));
	check_instruction(RUN(DW_CFA_def_cfa, RSP, 0xf0, 0x01), sp_rule(240));
	check_instruction(RUN(DW_CFA_def_cfa, R10, 0), other_register);
	check_instruction(RUN(DW_CFA_def_cfa, RSP, 0xff, 0xff, 0xff, 0xff, 0x0f), invalid);
	check_instruction(RUN(DW_CFA_def_cfa_register, RBP), with_cfa(UNWIND_CFA_FP, 8, 0));
	check_instruction(RUN(DW_CFA_def_cfa_register, 0xff, 0xff, 0xff, 0xff, 0x0f),
			  other_register);
	check_instruction(RUN(DW_CFA_def_cfa_offset, 16), sp_rule(16));
	check_instruction(RUN(DW_CFA_def_cfa_sf, RBP, 0x7e), with_cfa(UNWIND_CFA_FP, 16, 0));
	check_instruction(RUN(DW_CFA_def_cfa_offset_sf, 0x7d), sp_rule(24));
}

static void register_instructions(void **state)
{
	(void)state;
	check_instruction(RUN(DW_CFA_offset | RBP, 3), with_fp(UNWIND_AT_CFA, -24));
	check_instruction(RUN(DW_CFA_offset | RBP, 2), with_fp(UNWIND_BELOW_RA, 0));
	check_instruction(RUN(DW_CFA_offset_extended, RBP, 3), with_fp(UNWIND_AT_CFA, -24));
	check_instruction(RUN(DW_CFA_offset_extended_sf, RBP, 0x7f), with_fp(UNWIND_AT_CFA, 8));
	check_instruction(RUN(DW_CFA_GNU_negative_offset_extended, RBP, 3),
			  with_fp(UNWIND_AT_CFA, 24));
	check_instruction(RUN(DW_CFA_val_offset, RBP, 2), with_fp(UNWIND_IS_CFA, -16));
	check_instruction(RUN(DW_CFA_val_offset_sf, RBP, 0x7e), with_fp(UNWIND_IS_CFA, 16));
	check_instruction(RUN(DW_CFA_undefined, RBP), with_fp(UNWIND_LOST, 0));
	check_instruction(RUN(DW_CFA_register, RBP, RBX), with_fp(UNWIND_LOST, 0));
	check_instruction(RUN(DW_CFA_offset | RIP, 2), with_ra(UNWIND_AT_CFA, -16));
	check_instruction(RUN(DW_CFA_register, RIP, RBX), with_ra(UNWIND_LOST, 0));
	check_instruction(RUN(DW_CFA_same_value, RIP), with_ra(UNWIND_LOST, 0));
	check_instruction(RUN(DW_CFA_val_offset, RIP, 2), with_ra(UNWIND_LOST, 0));
	check_instruction(RUN(DW_CFA_undefined, RIP), stop);
}

/* Instructions on registers that no walk follows, and some that only have operands, change nothing.
 */
static void instructions_without_effect(void **state)
{
	RESULT r = {0};

	(void)state;
	read_program(RUN(DW_CFA_advance_loc | 1, DW_CFA_offset | RBX, 2, DW_CFA_advance_loc | 1,
			 DW_CFA_nop, DW_CFA_GNU_args_size, 0x90, 0x01, DW_CFA_advance_loc | 1,
			 DW_CFA_restore | RBX, DW_CFA_advance_loc | 1, DW_CFA_same_value, RBP,
			 DW_CFA_advance_loc | 1, DW_CFA_register, RBP, RBP, DW_CFA_advance_loc | 1,
			 DW_CFA_expression, RBX, 2, 0xff, 0xff, DW_CFA_advance_loc | 1,
			 DW_CFA_undefined, RBX, DW_CFA_GNU_window_save, 0x2c),
		     &r);
	assert_int_equal(r.counts.bad, 0);
	assert_int_equal(r.rows.v.count, 2);
	check_row(&r, 0, 0, sp_rule(8));
	check_row(&r, 1, 0x1000, gap);
}

static void restore_instructions(void **state)
{
	RESULT r = {0};

	(void)state;
	read_program(RUN(DW_CFA_offset | RBP, 2, DW_CFA_advance_loc | 1, DW_CFA_restore | RBP,
			 DW_CFA_advance_loc | 1, DW_CFA_offset | RIP, 3, DW_CFA_advance_loc | 1,
			 DW_CFA_restore_extended, RIP),
		     &r);
	assert_int_equal(r.rows.v.count, 5);
	check_row(&r, 0, 0, with_fp(UNWIND_BELOW_RA, 0));
	check_row(&r, 1, 1, sp_rule(8));
	check_row(&r, 2, 2, with_ra(UNWIND_AT_CFA, -24));
	check_row(&r, 3, 3, sp_rule(8));
}

static void remembered_states(void **state)
{
	RESULT r = {0};

	(void)state;
	read_program(RUN(DW_CFA_remember_state, DW_CFA_advance_loc | 1, DW_CFA_def_cfa_offset, 16,
			 DW_CFA_remember_state, DW_CFA_advance_loc | 1, DW_CFA_def_cfa, RBP, 24,
			 DW_CFA_offset | RBP, 2, DW_CFA_advance_loc | 1, DW_CFA_restore_state,
			 DW_CFA_advance_loc | 1, DW_CFA_restore_state),
		     &r);
	assert_int_equal(r.rows.v.count, 6);
	check_row(&r, 1, 1, sp_rule(16));
	check_row(&r, 3, 3, sp_rule(16));
	check_row(&r, 4, 4, sp_rule(8));
}

static void remembered_too_often(void **state)
{
	uint8_t program[40];
	RESULT r = {0};

	(void)state;
	memset(program, DW_CFA_remember_state, sizeof(program));
	program[0] = DW_CFA_advance_loc | 8;
	read_program((struct run){program, sizeof(program)}, &r);
	assert_int_equal(r.counts.bad, 1);
	check_row(&r, 1, 8, invalid);
}

static void advance_instructions(void **state)
{
	RESULT r = {0};

	(void)state;
	read_program(RUN(DW_CFA_advance_loc | 0x3f, DW_CFA_def_cfa_offset, 16, DW_CFA_advance_loc1,
			 0x80, DW_CFA_def_cfa_offset, 24, DW_CFA_advance_loc2, 0x00, 0x01,
			 DW_CFA_def_cfa_offset, 32, DW_CFA_advance_loc4, 0x00, 0x02, 0, 0,
			 DW_CFA_def_cfa_offset, 40, DW_CFA_MIPS_advance_loc8, 1, 0, 0, 0, 0, 0, 0,
			 0, DW_CFA_def_cfa_offset, 48, DW_CFA_set_loc, 0, 4, 0x40, 0, 0, 0, 0, 0,
			 DW_CFA_def_cfa_offset, 56),
		     &r);
	assert_int_equal(r.counts.bad, 0);
	assert_int_equal(r.rows.v.count, 8);
	check_row(&r, 1, 0x3f, sp_rule(16));
	check_row(&r, 2, 0xbf, sp_rule(24));
	check_row(&r, 3, 0x1bf, sp_rule(32));
	check_row(&r, 4, 0x3bf, sp_rule(40));
	check_row(&r, 5, 0x3c0, sp_rule(48));
	check_row(&r, 6, 0x400, sp_rule(56));
}

static void advance_beyond_the_function(void **state)
{
	static const struct {
		uint8_t program[12];
		size_t size;
	} cases[] = {
		{{DW_CFA_advance_loc2, 0x00, 0x10, DW_CFA_def_cfa_offset, 16}, 5},
		{{DW_CFA_advance_loc4, 0xff, 0xff, 0xff, 0xff, DW_CFA_def_cfa_offset, 16}, 7},
		{{DW_CFA_MIPS_advance_loc8, 255, 255, 255, 255, 255, 255, 255, 255, 0x3f}, 10},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		RESULT r = {0};

		read_program((struct run){cases[i].program, cases[i].size}, &r);
		assert_int_equal(r.counts.bad, 0);
		assert_int_equal(r.rows.v.count, 2);
		check_row(&r, 1, 0x1000, gap);
	}
}

/* --- expressions --- */

#define CFA_EXPRESSION(n, ...) RUN(DW_CFA_def_cfa_expression, n, __VA_ARGS__)

static void cfa_expressions(void **state)
{
	(void)state;
	check_instruction(CFA_EXPRESSION(2, DW_OP_breg7, 24), sp_rule(24));
	check_instruction(CFA_EXPRESSION(3, DW_OP_bregx, RBP, 16), with_cfa(UNWIND_CFA_FP, 16, 0));
	check_instruction(CFA_EXPRESSION(3, DW_OP_breg6, 0x78, DW_OP_deref),
			  with_cfa(UNWIND_CFA_DEREF_FP, -8, 0));
	check_instruction(
		CFA_EXPRESSION(6, DW_OP_breg7, 0x98, 0x01, DW_OP_deref, DW_OP_plus_uconst, 8),
		with_cfa(UNWIND_CFA_DEREF_SP, 152, 8));
	check_instruction(CFA_EXPRESSION(5, DW_OP_breg7, 0, DW_OP_deref, DW_OP_lit16, DW_OP_plus),
			  with_cfa(UNWIND_CFA_DEREF_SP, 0, 16));
	check_instruction(CFA_EXPRESSION(4, DW_OP_breg7, 8, DW_OP_plus_uconst, 8), sp_rule(16));
	check_instruction(CFA_EXPRESSION(11, DW_OP_breg7, 8, DW_OP_breg16, 0, DW_OP_lit15,
					 DW_OP_and, DW_OP_lit11, DW_OP_ge, DW_OP_lit3, DW_OP_shl,
					 DW_OP_plus),
			  with_cfa(UNWIND_CFA_PLT, 8, 11));
	check_instruction(CFA_EXPRESSION(11, DW_OP_breg7, 8, DW_OP_breg16, 0, DW_OP_lit15,
					 DW_OP_and, DW_OP_lit9, DW_OP_ge, DW_OP_lit3, DW_OP_shl,
					 DW_OP_plus),
			  with_cfa(UNWIND_CFA_PLT, 8, 9));
}

static void cfa_expressions_of_other_shapes(void **state)
{
	(void)state;
	check_instruction(RUN(DW_CFA_def_cfa_expression, 0), invalid);
	check_instruction(CFA_EXPRESSION(1, DW_OP_breg7), invalid);
	check_instruction(CFA_EXPRESSION(1, DW_OP_nop), invalid);
	check_instruction(CFA_EXPRESSION(3, DW_OP_breg10, 0x78, DW_OP_deref), other_register);
	check_instruction(CFA_EXPRESSION(4, DW_OP_breg7, 0, DW_OP_deref, DW_OP_deref), invalid);
	check_instruction(
		CFA_EXPRESSION(6, DW_OP_breg7, 0, DW_OP_deref, DW_OP_plus_uconst, 0x80, 0x02),
		invalid);
	check_instruction(CFA_EXPRESSION(5, DW_OP_breg7, 0, DW_OP_deref, DW_OP_lit16, DW_OP_minus),
			  invalid);
	check_instruction(CFA_EXPRESSION(4, DW_OP_breg7, 0, DW_OP_breg7, 0), invalid);
	check_instruction(CFA_EXPRESSION(10, DW_OP_breg7, 8, DW_OP_breg16, 0, DW_OP_lit15,
					 DW_OP_and, DW_OP_lit11, DW_OP_ge, DW_OP_lit3, DW_OP_shl),
			  invalid);
	check_instruction(CFA_EXPRESSION(11, DW_OP_breg7, 8, DW_OP_breg16, 0, DW_OP_lit15,
					 DW_OP_and, DW_OP_lit16, DW_OP_ge, DW_OP_lit3, DW_OP_shl,
					 DW_OP_plus),
			  invalid);
}

static void register_expressions(void **state)
{
	(void)state;
	check_instruction(RUN(DW_CFA_expression, RBP, 2, DW_OP_breg6, 0), with_fp(UNWIND_AT_FP, 0));
	check_instruction(RUN(DW_CFA_expression, RBP, 3, DW_OP_breg7, 0xf8, 0x00),
			  with_fp(UNWIND_AT_SP, 120));
	check_instruction(RUN(DW_CFA_expression, RBP, 2, DW_OP_breg10, 0), with_fp(UNWIND_LOST, 0));
	check_instruction(RUN(DW_CFA_expression, RBP, 3, DW_OP_breg6, 0, DW_OP_deref),
			  with_fp(UNWIND_LOST, 0));
	check_instruction(RUN(DW_CFA_expression, RIP, 2, DW_OP_breg7, 8), with_ra(UNWIND_AT_SP, 8));
	check_instruction(RUN(DW_CFA_val_expression, RBP, 3, DW_OP_breg7, 8, DW_OP_deref),
			  with_fp(UNWIND_AT_SP, 8));
	check_instruction(RUN(DW_CFA_val_expression, RBP, 2, DW_OP_breg7, 8),
			  with_fp(UNWIND_LOST, 0));
}

/* glibc's __restore_rt */
static void signal_trampoline(void **state)
{
	struct bytes *b CLEANUP_FREE = calloc(1, sizeof(*b));
	struct unwind_rule expected = {
		.cfa = UNWIND_CFA_SIGNAL,
		.fp = UNWIND_AT_SP,
		.ra = UNWIND_AT_SP,
		.cfa_offset = UNWIND_X86_SIGNAL_SP,
		.fp_offset = UNWIND_X86_SIGNAL_FP,
		.ra_offset = UNWIND_X86_SIGNAL_IP,
	};
	RESULT r = {0};
	size_t cie;

	(void)state;
	cie = put_cie_with(b, "zRS", RUN(DW_EH_PE_absptr), NOTHING);
	put_fde(b, cie, 0, 16,
		RUN(0, DW_CFA_def_cfa_expression, 4, DW_OP_breg7, 0xa0, 0x01, DW_OP_deref,
		    DW_CFA_expression, RBP, 3, DW_OP_breg7, 0xf8, 0x00, DW_CFA_expression, RIP, 3,
		    DW_OP_breg7, 0xa8, 0x01));
	read_x86(b, &r);
	assert_int_equal(r.counts.bad, 0);
	check_row(&r, 0, 0, expected);
}

/* --- arm64 --- */

static size_t put_arm64_cie(struct bytes *b, const char *letters, struct run data)
{
	size_t start = b->size;

	put(b, 0, 4);
	put(b, 0, 4);
	put(b, 1, 1);
	put_run(b, (struct run){(const uint8_t *)letters, strlen(letters) + 1});
	put(b, 4, 1);
	put(b, 0x78, 1);
	put(b, X30, 1);
	if (*letters)
		put(b, data.size, 1);
	put_run(b, data);
	put_run(b, RUN(DW_CFA_def_cfa, SP, 0));
	end_entry(b, start);
	return start;
}

static void arm64_function(void **state)
{
	struct bytes *b CLEANUP_FREE = calloc(1, sizeof(*b));
	struct unwind_rule leaf = {.cfa = UNWIND_CFA_SP, .fp = UNWIND_SAME, .ra = UNWIND_SAME};
	struct unwind_rule record = {.cfa = UNWIND_CFA_SP,
				     .fp = UNWIND_BELOW_RA,
				     .ra = UNWIND_AT_CFA,
				     .cfa_offset = 32,
				     .ra_offset = -24};
	RESULT r = {0};

	(void)state;
	/* paciasp; stp x29, x30, [sp, #-32]!; ...; autiasp */
	put_fde(b, put_arm64_cie(b, "", NOTHING), 0, 64,
		RUN(DW_CFA_advance_loc | 1, 0x2d, DW_CFA_advance_loc | 1, DW_CFA_def_cfa_offset, 32,
		    DW_CFA_offset | X29, 4, DW_CFA_offset | X30, 3, DW_CFA_advance_loc | 8,
		    DW_CFA_restore | X29, DW_CFA_restore | X30, DW_CFA_def_cfa_offset, 0,
		    DW_CFA_advance_loc | 1, 0x2d));
	assert_int_equal(read_as(b, CFI_EH_FRAME, &unwind_arch_arm64, &r), 0);
	assert_int_equal(r.rows.v.count, 4);
	check_row(&r, 0, 0, leaf);
	check_row(&r, 1, 8, record);
	check_row(&r, 2, 40, leaf);
	check_row(&r, 3, 64, gap);
}

static void arm64_signal_trampoline(void **state)
{
	struct bytes *b CLEANUP_FREE = calloc(1, sizeof(*b));
	struct unwind_rule expected = {
		.cfa = UNWIND_CFA_SIGNAL,
		.fp = UNWIND_AT_SP,
		.ra = UNWIND_AT_SP,
		.cfa_offset = UNWIND_ARM64_SIGNAL_SP,
		.fp_offset = UNWIND_ARM64_SIGNAL_FP,
		.ra_offset = UNWIND_ARM64_SIGNAL_IP,
	};
	RESULT r = {0};

	(void)state;
	put_fde(b, put_arm64_cie(b, "zRS", RUN(DW_EH_PE_absptr)), 0, 12,
		RUN(0, DW_CFA_def_cfa, X29, 0, DW_CFA_offset | X29, 0));
	assert_int_equal(read_as(b, CFI_EH_FRAME, &unwind_arch_arm64, &r), 0);
	check_row(&r, 0, 0, expected);
}

/* --- pointers and augmentations --- */

static void pointer_encodings(void **state)
{
	static const uint8_t bytes[] = {0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0x55};
	static const struct {
		uint8_t encoding;
		uint64_t value;
		size_t size;
	} cases[] = {
		{DW_EH_PE_absptr, 0x7ffffffffffffffeULL, 8},
		{DW_EH_PE_udata8, 0x7ffffffffffffffeULL, 8},
		{DW_EH_PE_sdata8, 0x7ffffffffffffffeULL, 8},
		{DW_EH_PE_udata4, 0xfffffffeULL, 4},
		{DW_EH_PE_sdata4, -2ULL, 4},
		{DW_EH_PE_udata2, 0xfffe, 2},
		{DW_EH_PE_sdata2, -2ULL, 2},
		{DW_EH_PE_uleb128, 0xfffffffffffffeULL, 8},
		{DW_EH_PE_sleb128, -2ULL, 8},
		{DW_EH_PE_pcrel | DW_EH_PE_sdata4, 0xffe, 4},
	};
	static const uint8_t refused[] = {DW_EH_PE_omit,
					  DW_EH_PE_textrel,
					  DW_EH_PE_datarel,
					  DW_EH_PE_funcrel,
					  DW_EH_PE_aligned,
					  DW_EH_PE_indirect | DW_EH_PE_sdata4,
					  0x05,
					  0x0d};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct cursor c = {.at = bytes, .end = bytes + sizeof(bytes)};
		size_t size;

		assert_true(cfi__pointer(&c, cases[i].encoding, 0x1000) == cases[i].value);
		assert_false(c.bad);
		assert_int_equal(c.at - bytes, cases[i].size);
		for (size = 0; size < cases[i].size; size++) {
			c = (struct cursor){.at = bytes, .end = bytes + size};
			cfi__pointer(&c, cases[i].encoding, 0x1000);
			assert_true(c.bad);
		}
	}
	for (i = 0; i < ARRAY_SIZE(refused); i++) {
		struct cursor c = {.at = bytes, .end = bytes + sizeof(bytes)};

		cfi__pointer(&c, refused[i], 0);
		assert_true(c.bad);
	}
}

/* An FDE of a CIE with augmentation, its pointer relative to itself in 32 bits. */
static void put_relative_fde(struct bytes *b, size_t cie, uint64_t offset, uint32_t size)
{
	size_t start = b->size;

	put(b, 0, 4);
	put(b, start + 4 - cie, 4);
	put(b, CODE_ADDR + offset - (SECTION_ADDR + b->size), 4);
	put(b, size, 4);
	put(b, 2, 1); /* augmentation data */
	put(b, 0xffff, 2);
	put_run(b, RUN(DW_CFA_advance_loc | 1, DW_CFA_def_cfa_offset, 16));
	end_entry(b, start);
}

static void augmentations(void **state)
{
	static const struct {
		const char *letters;
		uint8_t data[12];
		size_t size;
		bool bad;
	} cases[] = {
		{"zR", {0x1b}, 1, false},
		{"zPLR", {0x9b, 1, 2, 3, 4, 0x1b, 0x1b}, 7, false},
		{"zPLR", {0x00, 1, 2, 3, 4, 5, 6, 7, 8, 0x1b, 0x1b}, 11, false},
		{"zRB", {0x1b}, 1, false},
		{"zRG", {0x1b}, 1, false},
		{"zRx", {0x1b, 1, 2, 3}, 4, false},
		{"zPLR", {0x9b, 1, 2}, 3, true},
		{"zPLR", {0x9b, 1, 2, 3, 4, 0x1b}, 6, true},
		{"eh", {0}, 0, true},
		{"R", {0x1b}, 1, true},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct bytes *b CLEANUP_FREE = calloc(1, sizeof(*b));
		RESULT r = {0};
		size_t cie = put_cie_with(b, cases[i].letters,
					  (struct run){cases[i].data, cases[i].size}, X86_INITIAL);

		put_relative_fde(b, cie, 0x100, 16);
		read_x86(b, &r);
		assert_int_equal(r.counts.bad, cases[i].bad);
		assert_int_equal(r.rows.v.count, cases[i].bad ? 0 : 3);
		if (cases[i].bad)
			continue;
		check_row(&r, 0, 0x100, sp_rule(8));
		check_row(&r, 1, 0x101, sp_rule(16));
		check_row(&r, 2, 0x110, gap);
	}
}

static void set_loc_with_encoding(void **state)
{
	struct bytes *b CLEANUP_FREE = calloc(1, sizeof(*b));
	size_t cie = put_cie_with(b, "zR", RUN(0x1b), X86_INITIAL), start = b->size;
	RESULT r = {0};

	(void)state;
	put(b, 0, 4);
	put(b, start + 4 - cie, 4);
	put(b, CODE_ADDR - (SECTION_ADDR + b->size), 4);
	put(b, 0x100, 4);
	put(b, 0, 1);
	put(b, DW_CFA_set_loc, 1);
	put(b, CODE_ADDR + 0x20 - (SECTION_ADDR + b->size), 4);
	put_run(b, RUN(DW_CFA_def_cfa_offset, 16));
	put(b, DW_CFA_set_loc, 1); /* back: damaged */
	put(b, CODE_ADDR + 0x10 - (SECTION_ADDR + b->size), 4);
	end_entry(b, start);
	read_x86(b, &r);
	assert_int_equal(r.counts.bad, 1);
	assert_int_equal(r.rows.v.count, 3);
	check_row(&r, 0, 0, sp_rule(8));
	check_row(&r, 1, 0x20, invalid);
	check_row(&r, 2, 0x100, gap);
}

/* --- .debug_frame --- */

/* Lengths of 32 or 64 bits; the CIE comes behind the FDE, which .debug_frame allows. */
static void put_debug_frame(struct bytes *b, bool wide, uint8_t version)
{
	size_t size = wide ? 8 : 4, first = wide ? 12 : 4, end;
	size_t cie = first + size + 16;

	if (wide)
		put(b, UINT32_MAX, 4);
	put(b, size + 16, size);
	put(b, cie, size);
	put(b, CODE_ADDR, 8);
	put(b, 32, 8);
	assert_int_equal(b->size, cie);
	if (wide)
		put(b, UINT32_MAX, 4);
	end = b->size;
	put(b, 0, size);
	put(b, UINT64_MAX, size);
	put(b, version, 1);
	put(b, 0, 1);
	if (version == 4)
		put(b, 8, 2);
	put(b, 1, 1);
	put(b, 0x78, 1);
	put(b, RIP, 1);
	put_run(b, X86_INITIAL);
	b->data[end] = b->size - end - size;
}

static void debug_frame(void **state)
{
	static const uint8_t versions[] = {1, 3, 4};
	size_t i, wide;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(versions); i++) {
		for (wide = 0; wide < 2; wide++) {
			struct bytes *b CLEANUP_FREE = calloc(1, sizeof(*b));
			RESULT r = {0};

			put_debug_frame(b, wide, versions[i]);
			assert_int_equal(read_as(b, CFI_DEBUG_FRAME, &unwind_arch_x86_64, &r), 0);
			assert_int_equal(r.counts.bad, 0);
			assert_int_equal(r.rows.v.count, 2);
			check_row(&r, 0, 0, sp_rule(8));
			check_row(&r, 1, 32, gap);
		}
	}
}

/* --- where functions lie --- */

static void gaps_between_functions(void **state)
{
	struct bytes *b CLEANUP_FREE = calloc(1, sizeof(*b));
	size_t cie = put_cie(b);
	RESULT r = {0};

	(void)state;
	put_fde(b, cie, 0x200, 0x10, RUN(DW_CFA_def_cfa_offset, 24)); /* out of order */
	put_fde(b, cie, 0x100, 0x10, NOTHING);
	put_fde(b, cie, 0x110, 0x10, RUN(DW_CFA_def_cfa_offset, 16)); /* no gap before it */
	put_fde(b, cie, 0x300, 0, NOTHING);
	read_x86(b, &r);
	assert_int_equal(r.counts.fdes, 3);
	assert_int_equal(r.rows.v.count, 5);
	check_row(&r, 0, 0x100, sp_rule(8));
	check_row(&r, 1, 0x110, sp_rule(16));
	check_row(&r, 2, 0x120, gap);
	check_row(&r, 3, 0x200, sp_rule(24));
	check_row(&r, 4, 0x210, gap);
}

static void overlapping_functions(void **state)
{
	struct bytes *b CLEANUP_FREE = calloc(1, sizeof(*b));
	size_t cie = put_cie(b);
	RESULT r = {0};

	(void)state;
	put_fde(b, cie, 0x100, 0x100, RUN(DW_CFA_advance_loc1, 0x80, DW_CFA_def_cfa_offset, 16));
	put_fde(b, cie, 0x140, 0x10, RUN(DW_CFA_def_cfa_offset, 24));
	put_fde(b, cie, 0x140, 0x20, RUN(DW_CFA_def_cfa_offset, 32)); /* the longest holds */
	read_x86(b, &r);
	assert_int_equal(r.rows.v.count, 3);
	check_row(&r, 0, 0x100, sp_rule(8));
	check_row(&r, 1, 0x140, sp_rule(32));
	check_row(&r, 2, 0x160, gap);
}

static void functions_outside_the_code(void **state)
{
	struct bytes *b CLEANUP_FREE = calloc(1, sizeof(*b));
	size_t cie = put_cie(b);
	RESULT r = {0};

	(void)state;
	put_fde(b, cie, -CODE_ADDR, 0x100, NOTHING); /* at address 0: its code was dropped */
	put_fde(b, cie, CODE_SIZE, 0x100, NOTHING);
	put_fde(b, cie, -1ULL, 0x100, NOTHING);
	put_fde(b, cie, CODE_SIZE - 0x10, UINT64_MAX, NOTHING);
	read_x86(b, &r);
	assert_int_equal(r.counts.fdes, 1);
	assert_int_equal(r.rows.v.count, 2);
	check_row(&r, 0, CODE_SIZE - 0x10, sp_rule(8));
	check_row(&r, 1, CODE_SIZE, gap);
}

static void zero_words(void **state)
{
	struct bytes *b CLEANUP_FREE = calloc(1, sizeof(*b));
	size_t cie = put_cie(b);
	RESULT sized = {0};
	RESULT unsized = {0};

	(void)state;
	put_fde(b, cie, 0, 16, NOTHING);
	put(b, 0, 4);
	put_fde(b, cie, 32, 16, NOTHING);
	put(b, 0, 4);
	read_x86(b, &sized);
	assert_int_equal(sized.counts.fdes, 2);
	assert_int_equal(sized.counts.bad, 0);
	put(b, 0xdeadbeef, 4); /* what follows in the segment */
	assert_int_equal(read_as(b, CFI_EH_FRAME_UNSIZED, &unwind_arch_x86_64, &unsized), 0);
	assert_int_equal(unsized.counts.fdes, 1);
	assert_int_equal(unsized.counts.bad, 0);
}

static void merged_sections(void **state)
{
	struct bytes *first CLEANUP_FREE = calloc(1, sizeof(*first));
	struct bytes *second CLEANUP_FREE = calloc(1, sizeof(*second));
	struct cfi_input in = {
		.section = {.addr = SECTION_ADDR},
		.format = CFI_EH_FRAME,
		.code = &code,
		.nr_code = 1,
		.arch = &unwind_arch_x86_64,
	};
	struct cfi_rows more = {0};
	RESULT r = {0};
	RESULT merged = {0};

	(void)state;
	put_fde(first, put_cie(first), 0x100, 0x10, RUN(DW_CFA_def_cfa_offset, 16));
	put_fde(first, 0, 0x200, 0x10, RUN(DW_CFA_def_cfa_offset, 24));
	put_fde(second, put_cie(second), 0x80, 0x280, RUN(DW_CFA_def_cfa_offset, 32));
	read_x86(first, &r);
	in.section.data = second->data;
	in.section.size = second->size;
	assert_int_equal(cfi__rows(&in, r.rules, &r.counts, &more), 0);
	assert_int_equal(cfi_rows__merge(&r.rows, &more, &merged.rows), 0);
	cfi_rows__release(&more);
	merged.rules = r.rules;
	r.rules = NULL;
	assert_int_equal(merged.rows.v.count, 6);
	check_row(&merged, 0, 0x80, sp_rule(32));
	check_row(&merged, 1, 0x100, sp_rule(16));
	check_row(&merged, 2, 0x110, sp_rule(32));
	check_row(&merged, 3, 0x200, sp_rule(24));
	check_row(&merged, 4, 0x210, sp_rule(32));
	check_row(&merged, 5, 0x300, gap);
}

/* --- damage --- */

static void damaged_programs(void **state)
{
	static const struct {
		uint8_t program[8];
		size_t size;
	} cases[] = {
		{{DW_CFA_advance_loc | 4, 0x3f}, 2}, /* unknown */
		{{DW_CFA_advance_loc | 4, 0x17, 0}, 3},
		{{DW_CFA_advance_loc | 4, DW_CFA_restore_state}, 2},
		{{DW_CFA_advance_loc | 4, DW_CFA_def_cfa, RSP}, 3},
		{{DW_CFA_advance_loc | 4, DW_CFA_def_cfa, 0x80}, 3},
		{{DW_CFA_advance_loc | 4, DW_CFA_offset | RBP}, 2},
		{{DW_CFA_advance_loc | 4, DW_CFA_advance_loc4, 1, 2, 3}, 5},
		{{DW_CFA_advance_loc | 4, DW_CFA_def_cfa_expression, 5, DW_OP_breg7, 0}, 5},
		{{DW_CFA_advance_loc | 4, DW_CFA_expression, RBX, 5, 0}, 5},
		{{DW_CFA_advance_loc | 4, DW_CFA_set_loc, 0}, 3},
		{{DW_CFA_advance_loc | 4, DW_CFA_def_cfa_expression, 1, DW_OP_nop,
		  DW_CFA_def_cfa_offset, 8},
		 6},
		{{DW_CFA_advance_loc | 4, DW_CFA_def_cfa_expression, 1, DW_OP_nop,
		  DW_CFA_def_cfa_register, RBP},
		 6},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		RESULT r = {0};

		read_program((struct run){cases[i].program, cases[i].size}, &r);
		assert_int_equal(r.counts.bad, 1);
		assert_int_equal(r.rows.v.count, 3);
		check_row(&r, 0, 0, sp_rule(8));
		check_row(&r, 1, 4, invalid);
		check_row(&r, 2, 0x1000, gap);
	}
}

static void damaged_cies(void **state)
{
	const struct run programs[] = {
		{(const uint8_t[]){DW_CFA_advance_loc | 1}, 1},
		{(const uint8_t[]){DW_CFA_restore | RBP}, 1},
		{(const uint8_t[]){DW_CFA_restore_state}, 1},
		{(const uint8_t[]){DW_CFA_def_cfa_offset, 8}, 2},
		{(const uint8_t[]){0x3f}, 1},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(programs); i++) {
		struct bytes *b CLEANUP_FREE = calloc(1, sizeof(*b));
		RESULT r = {0};

		put_fde(b, put_cie_with(b, "", NOTHING, programs[i]), 0, 16, NOTHING);
		put_fde(b, put_cie(b), 32, 16, NOTHING);
		read_x86(b, &r);
		assert_int_equal(r.counts.bad, 1);
		assert_int_equal(r.counts.fdes, 1);
		check_row(&r, 0, 32, sp_rule(8));
	}
}

static void damaged_entries(void **state)
{
	struct bytes *b CLEANUP_FREE = calloc(1, sizeof(*b));
	size_t cie = put_cie(b), version = cie + 8, start;
	RESULT unknown = {0};
	RESULT r = {0};

	(void)state;
	put_fde(b, cie, 0, 16, NOTHING);
	put_fde(b, cie + 1, 32, 16, NOTHING); /* no CIE there */
	put_fde(b, b->size + 100, 48, 16, NOTHING);
	start = b->size;
	put_fde(b, cie, 64, 16, NOTHING);
	b->data[start] = 0xff; /* longer than the section */
	read_x86(b, &r);
	assert_int_equal(r.counts.fdes, 1);
	assert_int_equal(r.counts.bad, 3);
	b->data[version] = 2;
	read_x86(b, &unknown);
	assert_int_equal(unknown.counts.fdes, 0);
}

/* A section cut anywhere, and one with any byte changed, is read without harm (run with ASan). */
static void cut_and_changed_sections(void **state)
{
	struct bytes *b CLEANUP_FREE = calloc(1, sizeof(*b));
	size_t cie = put_cie_with(b, "zPLR", RUN(0x9b, 1, 2, 3, 4, 0x1b, 0x1b), X86_INITIAL);
	size_t i, size;
	unsigned int value;

	(void)state;
	put_relative_fde(b, cie, 0x100, 16);
	put_relative_fde(b, cie, 0x110, 16);
	size = b->size;
	for (i = 0; i < size; i++) {
		uint8_t *cut = malloc(i ? i : 1), kept = b->data[i];
		struct cfi_input in = {
			.section = {.data = cut, .size = i, .addr = SECTION_ADDR},
			.code = &code,
			.nr_code = 1,
			.arch = &unwind_arch_x86_64,
		};
		RESULT r = {0};

		assert_non_null(cut);
		memcpy(cut, b->data, i);
		assert_int_equal(rule_set__create(&r.rules), 0);
		assert_int_equal(cfi__rows(&in, r.rules, &r.counts, &r.rows), 0);
		free(cut);
		for (value = 0; value < 256; value += 5) {
			RESULT changed = {0};

			b->data[i] = value;
			read_x86(b, &changed);
		}
		b->data[i] = kept;
	}
}

/* --- rules --- */

static void rules_are_numbered_once(void **state)
{
	struct rule_set *s;
	const struct unwind_rule *rules;
	struct unwind_rule r = sp_rule(0);
	size_t nr, i;

	(void)state;
	assert_int_equal(rule_set__create(&s), 0);
	rules = rule_set__rules(s, &nr);
	assert_int_equal(nr, UNWIND_RULES_FIXED);
	assert_int_equal(rules[UNWIND_RULE_STOP].cfa, UNWIND_CFA_STOP);
	assert_int_equal(rule_set__index(s, &stop), UNWIND_RULE_STOP);
	assert_int_equal(rule_set__index(s, &gap), UNWIND_RULE_GAP);
	assert_int_equal(rule_set__index(s, &invalid), UNWIND_RULE_INVALID);
	for (i = UNWIND_RULES_FIXED; i < UNWIND_MAX_RULES; i++) {
		r.cfa_offset = i;
		assert_int_equal(rule_set__index(s, &r), i);
	}
	for (i = UNWIND_RULES_FIXED; i < UNWIND_MAX_RULES; i++) {
		r.cfa_offset = i;
		assert_int_equal(rule_set__index(s, &r), i);
	}
	assert_int_equal(rule_set__overflows(s), 0);
	r.cfa_offset = -1;
	assert_int_equal(rule_set__index(s, &r), UNWIND_RULE_INVALID);
	assert_int_equal(rule_set__overflows(s), 1);
	rule_set__destroy(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cfa_instructions),
		cmocka_unit_test(register_instructions),
		cmocka_unit_test(instructions_without_effect),
		cmocka_unit_test(restore_instructions),
		cmocka_unit_test(remembered_states),
		cmocka_unit_test(remembered_too_often),
		cmocka_unit_test(advance_instructions),
		cmocka_unit_test(advance_beyond_the_function),
		cmocka_unit_test(cfa_expressions),
		cmocka_unit_test(cfa_expressions_of_other_shapes),
		cmocka_unit_test(register_expressions),
		cmocka_unit_test(signal_trampoline),
		cmocka_unit_test(arm64_function),
		cmocka_unit_test(arm64_signal_trampoline),
		cmocka_unit_test(pointer_encodings),
		cmocka_unit_test(augmentations),
		cmocka_unit_test(set_loc_with_encoding),
		cmocka_unit_test(debug_frame),
		cmocka_unit_test(gaps_between_functions),
		cmocka_unit_test(overlapping_functions),
		cmocka_unit_test(functions_outside_the_code),
		cmocka_unit_test(zero_words),
		cmocka_unit_test(merged_sections),
		cmocka_unit_test(damaged_programs),
		cmocka_unit_test(damaged_cies),
		cmocka_unit_test(damaged_entries),
		cmocka_unit_test(cut_and_changed_sections),
		cmocka_unit_test(rules_are_numbered_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
