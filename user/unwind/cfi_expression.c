// SPDX-License-Identifier: GPL-2.0-or-later
#include "unwind/cfi_program.h"

#include <dwarf.h>

/*
 * Expressions are not computed but recognised: compilers, linkers and assembler macros write few
 * shapes, and the kernel side can follow these.
 */

static uint16_t short_register(uint64_t reg)
{
	return reg < UINT16_MAX ? reg : UINT16_MAX;
}

/* DW_OP_breg0..31 offset, or DW_OP_bregx register, offset */
static bool take_register(struct cursor *c, struct cfi_value *v)
{
	uint8_t op = cursor__u8(c);

	if (op >= DW_OP_breg0 && op <= DW_OP_breg31)
		v->reg = op - DW_OP_breg0;
	else if (op == DW_OP_bregx)
		v->reg = short_register(cursor__uleb(c));
	else
		return false;
	v->offset = cursor__sleb(c);
	return !c->bad;
}

/*
 * What linkers write for .plt: of a lazy entry's 16 bytes, those before the push of the index
 * find the return address on top, the others one word higher.
 *
 *   rsp + 8 + ((rip & 15) >= N) << 3        N: 11, or with IBT's endbr64 and jump order 9 or 10
 */
static bool take_plt(struct cursor c, struct cfi_value *v)
{
	uint8_t threshold;

	if (cursor__u8(&c) != DW_OP_breg16 || cursor__u8(&c) != 0 ||
	    cursor__u8(&c) != DW_OP_lit15 || cursor__u8(&c) != DW_OP_and)
		return false;
	threshold = cursor__u8(&c) - DW_OP_lit0;
	if (threshold > 15 || cursor__u8(&c) != DW_OP_ge || cursor__u8(&c) != DW_OP_lit3 ||
	    cursor__u8(&c) != DW_OP_shl || cursor__u8(&c) != DW_OP_plus || c.at != c.end || c.bad)
		return false;
	v->kind = CFI_PLT;
	v->addend = threshold;
	return true;
}

/* What may follow a value: DW_OP_plus_uconst n, or DW_OP_lit0..31, DW_OP_plus; or nothing. */
static bool take_addend(struct cursor *c, uint64_t *ret)
{
	uint8_t op;

	*ret = 0;
	if (c->at == c->end)
		return true;
	op = cursor__u8(c);
	if (op == DW_OP_plus_uconst)
		*ret = cursor__uleb(c);
	else if (op >= DW_OP_lit0 && op <= DW_OP_lit31 && cursor__u8(c) == DW_OP_plus)
		*ret = op - DW_OP_lit0;
	else
		return false;
	return !c->bad && c->at == c->end;
}

struct cfi_value cfi_expression__value(struct cursor c)
{
	struct cfi_value other = {.kind = CFI_OTHER}, v = {.kind = CFI_REGISTER};
	uint64_t addend;

	if (!take_register(&c, &v))
		return other;
	if (take_plt(c, &v))
		return v;
	if (c.at < c.end && *c.at == DW_OP_deref) {
		c.at++;
		v.kind = CFI_AT_REGISTER;
		if (!take_addend(&c, &addend) || addend > UINT8_MAX)
			return other;
		v.addend = addend;
		return v;
	}
	if (!take_addend(&c, &addend))
		return other;
	v.offset = (int64_t)((uint64_t)v.offset + addend);
	return v;
}
