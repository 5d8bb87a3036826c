// SPDX-License-Identifier: GPL-2.0-or-later
#include "unwind/cfi_program.h"

#include <dwarf.h>
#include <errno.h>

#include "unwind/cfi.h"

/* Not in every <dwarf.h>: one of Arm's, with an operand, and one that others have as well. */
#define CFA_AARCH64_NEGATE_RA_STATE_WITH_PC 0x2c
#define CFA_AARCH64_NEGATE_RA_STATE	    0x2d /* GNU_window_save of SPARC */

/* GCC nests at most twice; a program that nests deeper is taken for damaged. */
#define MAX_SAVED 32

enum verdict {
	GO_ON,
	PAST_END, /* the place is behind the function */
	DAMAGED,
};

struct machine {
	const struct cfi_program *p;
	struct cursor c;
	struct cfi_state state;
	uint64_t addr;
	bool is_initial; /* runs the program of a CIE */
	bool changed;	 /* since the last row that was given */
	unsigned int nr_saved;
	int err; /* of the row function */
	cfi_row_fn *row;
	void *ctx;
	struct cfi_state saved[MAX_SAVED];
};

/* --- places --- */

static enum verdict give_row(struct machine *m)
{
	if (!m->changed)
		return GO_ON;
	m->changed = false;
	m->err = m->row(m->ctx, m->addr, &m->state);
	return m->err ? PAST_END : GO_ON;
}

static enum verdict advance_to(struct machine *m, uint64_t addr)
{
	enum verdict v;

	if (m->is_initial || addr < m->addr)
		return DAMAGED;
	if (addr == m->addr)
		return GO_ON;
	v = give_row(m);
	if (v != GO_ON)
		return v;
	if (addr >= m->p->end)
		return PAST_END;
	m->addr = addr;
	return GO_ON;
}

static enum verdict advance(struct machine *m, uint64_t delta)
{
	uint64_t bytes, addr;

	if (__builtin_mul_overflow(delta, m->p->cie->code_align, &bytes) ||
	    __builtin_add_overflow(m->addr, bytes, &addr))
		addr = UINT64_MAX;
	return advance_to(m, addr);
}

static enum verdict set_place(struct machine *m)
{
	uint64_t at = m->p->code_addr + (m->c.at - m->p->code.at);
	uint64_t addr = cfi__pointer(&m->c, m->p->cie->encoding, at);

	return m->c.bad ? DAMAGED : advance_to(m, addr);
}

/* --- values --- */

static int64_t factored(const struct machine *m, uint64_t n)
{
	return (int64_t)(n * (uint64_t)m->p->cie->data_align);
}

static uint16_t take_number(struct cursor *c)
{
	uint64_t reg = cursor__uleb(c);

	return reg < UINT16_MAX ? reg : UINT16_MAX;
}

static void set(struct machine *m, uint16_t reg, struct cfi_value v)
{
	if (reg == m->p->arch->fp)
		m->state.fp = v;
	else if (reg == m->p->cie->ra)
		m->state.ra = v;
	else
		return;
	m->changed = true;
}

static void set_kind(struct machine *m, uint16_t reg, enum cfi_kind kind, int64_t offset)
{
	set(m, reg, (struct cfi_value){.kind = kind, .offset = offset});
}

static enum verdict restore(struct machine *m, uint16_t reg)
{
	const struct cfi_state *initial = &m->p->cie->initial;

	if (m->is_initial)
		return DAMAGED;
	if (reg == m->p->arch->fp)
		set(m, reg, initial->fp);
	else if (reg == m->p->cie->ra)
		set(m, reg, initial->ra);
	return GO_ON;
}

/* The expression's value is where the register was saved, or, with @is_value, the register itself.
 */
static void set_expression(struct machine *m, bool is_value)
{
	uint16_t reg = take_number(&m->c);
	struct cursor code = cursor__take(&m->c, cursor__uleb(&m->c));
	struct cfi_value v = {.kind = CFI_OTHER};

	if (reg != m->p->arch->fp && reg != m->p->cie->ra)
		return;
	if (!code.bad)
		v = cfi_expression__value(code);
	if (!is_value && v.kind == CFI_REGISTER)
		v.kind = CFI_AT_REGISTER;
	else if (!is_value || v.kind != CFI_AT_REGISTER)
		v.kind = CFI_OTHER;
	set(m, reg, v);
}

/* --- the CFA --- */

static void set_cfa(struct machine *m, uint16_t reg, int64_t offset)
{
	m->state.cfa = (struct cfi_value){.kind = CFI_REGISTER, .reg = reg, .offset = offset};
	m->changed = true;
}

/* Both parts of a rule "register + offset" can be changed alone, but not in another rule. */
static enum verdict set_cfa_register(struct machine *m, uint16_t reg)
{
	if (m->state.cfa.kind != CFI_REGISTER)
		return DAMAGED;
	set_cfa(m, reg, m->state.cfa.offset);
	return GO_ON;
}

static enum verdict set_cfa_offset(struct machine *m, int64_t offset)
{
	if (m->state.cfa.kind != CFI_REGISTER)
		return DAMAGED;
	set_cfa(m, m->state.cfa.reg, offset);
	return GO_ON;
}

static void set_cfa_expression(struct machine *m)
{
	struct cursor code = cursor__take(&m->c, cursor__uleb(&m->c));

	m->state.cfa = cfi_expression__value(code);
	m->changed = true;
}

/* --- instructions --- */

static enum verdict remember(struct machine *m)
{
	if (m->nr_saved == MAX_SAVED)
		return DAMAGED;
	m->saved[m->nr_saved++] = m->state;
	return GO_ON;
}

static enum verdict recall(struct machine *m)
{
	if (!m->nr_saved)
		return DAMAGED;
	m->state = m->saved[--m->nr_saved];
	m->changed = true;
	return GO_ON;
}

static enum verdict run_cfa_instruction(struct machine *m, uint8_t op)
{
	struct cursor *c = &m->c;
	uint16_t reg;

	switch (op) {
	case DW_CFA_def_cfa:
		reg = take_number(c);
		set_cfa(m, reg, cursor__uleb(c));
		return GO_ON;
	case DW_CFA_def_cfa_sf:
		reg = take_number(c);
		set_cfa(m, reg, factored(m, cursor__sleb(c)));
		return GO_ON;
	case DW_CFA_def_cfa_register:
		return set_cfa_register(m, take_number(c));
	case DW_CFA_def_cfa_offset:
		return set_cfa_offset(m, cursor__uleb(c));
	case DW_CFA_def_cfa_offset_sf:
		return set_cfa_offset(m, factored(m, cursor__sleb(c)));
	case DW_CFA_def_cfa_expression:
		set_cfa_expression(m);
		return GO_ON;
	case DW_CFA_remember_state:
		return remember(m);
	case DW_CFA_restore_state:
		return recall(m);
	default:
		return DAMAGED;
	}
}

static enum verdict run_register_instruction(struct machine *m, uint8_t op)
{
	struct cursor *c = &m->c;
	uint16_t reg = take_number(c), other;

	switch (op) {
	case DW_CFA_offset_extended:
		set_kind(m, reg, CFI_AT_CFA, factored(m, cursor__uleb(c)));
		return GO_ON;
	case DW_CFA_offset_extended_sf:
		set_kind(m, reg, CFI_AT_CFA, factored(m, cursor__sleb(c)));
		return GO_ON;
	case DW_CFA_GNU_negative_offset_extended:
		set_kind(m, reg, CFI_AT_CFA, factored(m, -cursor__uleb(c)));
		return GO_ON;
	case DW_CFA_val_offset:
		set_kind(m, reg, CFI_IS_CFA, factored(m, cursor__uleb(c)));
		return GO_ON;
	case DW_CFA_val_offset_sf:
		set_kind(m, reg, CFI_IS_CFA, factored(m, cursor__sleb(c)));
		return GO_ON;
	case DW_CFA_undefined:
		set_kind(m, reg, CFI_UNDEFINED, 0);
		return GO_ON;
	case DW_CFA_same_value:
		set_kind(m, reg, CFI_SAME, 0);
		return GO_ON;
	case DW_CFA_register:
		other = take_number(c);
		set(m, reg, (struct cfi_value){.kind = CFI_REGISTER, .reg = other});
		return GO_ON;
	case DW_CFA_restore_extended:
		return restore(m, reg);
	default:
		return DAMAGED;
	}
}

static enum verdict run_extended(struct machine *m, uint8_t op)
{
	struct cursor *c = &m->c;

	switch (op) {
	case DW_CFA_nop:
	case CFA_AARCH64_NEGATE_RA_STATE: /* the signature is taken off whatever this says */
	case CFA_AARCH64_NEGATE_RA_STATE_WITH_PC:
		return GO_ON;
	case DW_CFA_set_loc:
		return set_place(m);
	case DW_CFA_advance_loc1:
		return advance(m, cursor__u8(c));
	case DW_CFA_advance_loc2:
		return advance(m, cursor__u16(c));
	case DW_CFA_advance_loc4:
		return advance(m, cursor__u32(c));
	case DW_CFA_MIPS_advance_loc8:
		return advance(m, cursor__u64(c));
	case DW_CFA_GNU_args_size: /* matters to landing pads alone */
		cursor__uleb(c);
		return GO_ON;
	case DW_CFA_expression:
		set_expression(m, false);
		return GO_ON;
	case DW_CFA_val_expression:
		set_expression(m, true);
		return GO_ON;
	case DW_CFA_remember_state ... DW_CFA_def_cfa_expression:
	case DW_CFA_def_cfa_sf:
	case DW_CFA_def_cfa_offset_sf:
		return run_cfa_instruction(m, op);
	default:
		return run_register_instruction(m, op);
	}
}

static enum verdict run_one(struct machine *m)
{
	uint8_t op = cursor__u8(&m->c);
	uint8_t low = op & 0x3f;

	switch (op & 0xc0) {
	case DW_CFA_advance_loc:
		return advance(m, low);
	case DW_CFA_offset:
		set_kind(m, low, CFI_AT_CFA, factored(m, cursor__uleb(&m->c)));
		return GO_ON;
	case DW_CFA_restore:
		return restore(m, low);
	default:
		return run_extended(m, op);
	}
}

static enum verdict run_all(struct machine *m)
{
	while (m->c.at < m->c.end) {
		enum verdict v = run_one(m);

		if (m->c.bad)
			return DAMAGED;
		if (v != GO_ON)
			return v;
	}
	return GO_ON;
}

int cfi_program__run(const struct cfi_program *p, cfi_row_fn *row, void *ctx, uint64_t *bad)
{
	struct machine m; /* not cleared: `saved` is large and counted by nr_saved */
	enum verdict v;

	m.p = p;
	m.c = p->code;
	m.state = p->cie->initial;
	m.addr = p->addr;
	m.is_initial = false;
	m.changed = true;
	m.nr_saved = 0;
	m.err = 0;
	m.row = row;
	m.ctx = ctx;
	v = run_all(&m);
	if (v == GO_ON)
		give_row(&m);
	if (m.err)
		return m.err;
	if (v != DAMAGED)
		return 0;
	*bad = m.addr;
	return -EINVAL;
}

bool cfi_program__initial(const struct cfi_program *p, struct cfi_state *ret)
{
	struct machine m = {.p = p, .c = p->code, .is_initial = true};

	if (run_all(&m) != GO_ON)
		return false;
	*ret = m.state;
	return true;
}

/* --- rules --- */

static bool fits(int64_t offset)
{
	return offset >= INT32_MIN && offset <= INT32_MAX;
}

static void cfa_rule(const struct cfi_value *v, const struct unwind_arch *arch,
		     struct unwind_rule *r)
{
	bool is_sp = v->reg == arch->sp, is_fp = v->reg == arch->fp;

	r->cfa = UNWIND_CFA_INVALID;
	if (!fits(v->offset))
		return;
	if (v->kind == CFI_REGISTER)
		r->cfa = is_sp ? UNWIND_CFA_SP : is_fp ? UNWIND_CFA_FP : UNWIND_CFA_REGISTER;
	else if (v->kind == CFI_AT_REGISTER)
		r->cfa = is_sp	 ? UNWIND_CFA_DEREF_SP
			 : is_fp ? UNWIND_CFA_DEREF_FP
				 : UNWIND_CFA_REGISTER;
	else if (v->kind == CFI_PLT)
		r->cfa = is_sp ? UNWIND_CFA_PLT : UNWIND_CFA_INVALID;
	if (r->cfa < UNWIND_CFA_SP)
		return;
	r->cfa_offset = v->offset;
	r->addend = v->addend;
}

/* Where a register was saved. @is_return: it is the return address. */
static uint8_t place(const struct cfi_value *v, const struct unwind_arch *arch, bool is_return,
		     int32_t *offset)
{
	bool is_sp = v->reg == arch->sp, is_fp = v->reg == arch->fp;
	uint8_t at = UNWIND_LOST;

	switch (v->kind) {
	case CFI_UNSPECIFIED:
	case CFI_SAME:
		/* rbp and x29 belong to the caller; rip cannot have kept its value. */
		return is_return && !arch->ra_is_register ? UNWIND_LOST : UNWIND_SAME;
	case CFI_REGISTER:
		return v->reg == (is_return ? arch->ra : arch->fp) && !v->offset
			       ? place(&(struct cfi_value){.kind = CFI_SAME}, arch, is_return,
				       offset)
			       : UNWIND_LOST;
	case CFI_AT_CFA:
		at = UNWIND_AT_CFA;
		break;
	case CFI_IS_CFA:
		at = is_return ? UNWIND_LOST : UNWIND_IS_CFA;
		break;
	case CFI_AT_REGISTER:
		at = v->addend ? UNWIND_LOST
		     : is_sp   ? UNWIND_AT_SP
		     : is_fp   ? UNWIND_AT_FP
			       : UNWIND_LOST;
		break;
	default:
		break;
	}
	if (at == UNWIND_LOST || !fits(v->offset))
		return UNWIND_LOST;
	*offset = v->offset;
	return at;
}

struct unwind_rule cfi_state__rule(const struct cfi_state *s, const struct unwind_arch *arch,
				   const struct cfi_cie *cie)
{
	struct unwind_rule r = {0};

	if (s->ra.kind == CFI_UNDEFINED)
		return (struct unwind_rule){.cfa = UNWIND_CFA_STOP};
	cfa_rule(&s->cfa, arch, &r);
	if (cie->is_signal && r.cfa == UNWIND_CFA_DEREF_SP)
		r.cfa = UNWIND_CFA_SIGNAL;
	else if (cie->is_signal && arch->signal.cfa != UNWIND_CFA_INVALID)
		return arch->signal;
	if (r.cfa < UNWIND_CFA_SP)
		return r;
	r.fp = place(&s->fp, arch, false, &r.fp_offset);
	r.ra = place(&s->ra, arch, true, &r.ra_offset);
	if (r.ra == UNWIND_SAME && cie->ra != arch->ra)
		r.ra = UNWIND_LOST;
	if (r.fp == UNWIND_AT_CFA && r.ra == UNWIND_AT_CFA && r.fp_offset == r.ra_offset - 8) {
		r.fp = UNWIND_BELOW_RA;
		r.fp_offset = 0;
	}
	return r;
}
