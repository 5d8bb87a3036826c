// SPDX-License-Identifier: GPL-2.0-or-later
/* What is refused and what is emulated, by arch/arm64/kernel/probes/decode-insn.c of Linux 6.18. */
#include "target/placement_decode.h"

#include "util/cleanup.h"

enum arm64_target { NO_TARGET, IMM26, IMM19, IMM14, COMPUTED };

struct arm64_pattern {
	const char *name;
	uint32_t mask, value;
	enum placement_cost cost;
	bool harmless;
	enum arm64_target target;
};

/*
 * The first that matches. nop is emulated since Linux 6.13; what is refused
 * here as a load from a literal was run wrongly before 6.12. Hints: bti, and
 * what makes or strips a pointer signature, are stepped, all others refused. paciasp is not
 * harmless: it signs the return address that a return probe replaces.
 */
/* clang-format off */
static const struct arm64_pattern arm64_patterns[] = {
	{"nop",		0xffffffff, 0xd503201f, PLACEMENT_EMULATED,	  true,	 NO_TARGET},
	{"bti",		0xffffff3f, 0xd503241f, PLACEMENT_SINGLE_STEPPED, true,	 NO_TARGET},
	{"paciasp",	0xffffffff, 0xd503233f, PLACEMENT_SINGLE_STEPPED, false, NO_TARGET},
	{"pac",		0xffffff9f, 0xd503231f, PLACEMENT_SINGLE_STEPPED, false, NO_TARGET},
	{"pac",		0xffffffbf, 0xd503211f, PLACEMENT_SINGLE_STEPPED, false, NO_TARGET},
	{"xpaclri",	0xffffffff, 0xd50320ff, PLACEMENT_SINGLE_STEPPED, false, NO_TARGET},
	{"hint",	0xfffff01f, 0xd503201f, PLACEMENT_REFUSED,	  false, NO_TARGET},
	{"b",		0xfc000000, 0x14000000, PLACEMENT_EMULATED,	  false, IMM26},
	{"bl",		0xfc000000, 0x94000000, PLACEMENT_EMULATED,	  false, IMM26},
	{"b.cond",	0xff000010, 0x54000000, PLACEMENT_EMULATED,	  false, IMM19},
	{"cbz",		0x7f000000, 0x34000000, PLACEMENT_EMULATED,	  false, IMM19},
	{"cbnz",	0x7f000000, 0x35000000, PLACEMENT_EMULATED,	  false, IMM19},
	{"tbz",		0x7f000000, 0x36000000, PLACEMENT_EMULATED,	  false, IMM14},
	{"tbnz",	0x7f000000, 0x37000000, PLACEMENT_EMULATED,	  false, IMM14},
	{"adr",		0x1f000000, 0x10000000, PLACEMENT_EMULATED,	  false, NO_TARGET},
	/* Functions are left by x16 and x17 (BTI demands it), a switch goes by another. */
	{"br",		0xffffffdf, 0xd61f0200, PLACEMENT_EMULATED,	  false, NO_TARGET},
	{"br",		0xfffffc1f, 0xd61f0000, PLACEMENT_EMULATED,	  false, COMPUTED},
	{"blr",		0xfffffc1f, 0xd63f0000, PLACEMENT_EMULATED,	  false, NO_TARGET},
	{"ret",		0xfffffc1f, 0xd65f0000, PLACEMENT_EMULATED,	  false, NO_TARGET},
	{"branch",	0xfe000000, 0xd6000000, PLACEMENT_REFUSED,	  false, COMPUTED},
	{"exception",	0xff000000, 0xd4000000, PLACEMENT_REFUSED,	  false, NO_TARGET},
	{"msr",		0xfff00000, 0xd5100000, PLACEMENT_REFUSED,	  false, NO_TARGET},
	{"msr",		0xfff8f01f, 0xd500401f, PLACEMENT_REFUSED,	  false, NO_TARGET},
	{"ldr literal",	0x3b000000, 0x18000000, PLACEMENT_REFUSED,	  false, NO_TARGET},
	{"exclusive",	0x3f000000, 0x08000000, PLACEMENT_REFUSED,	  false, NO_TARGET},
	{"cmp",		0x7f20001f, 0x6b00001f, PLACEMENT_SINGLE_STEPPED, true,	 NO_TARGET},
	{"cmp",		0x7f80001f, 0x7100001f, PLACEMENT_SINGLE_STEPPED, true,	 NO_TARGET},
	{"tst",		0x7f20001f, 0x6a00001f, PLACEMENT_SINGLE_STEPPED, true,	 NO_TARGET},
	{"tst",		0x7f80001f, 0x7200001f, PLACEMENT_SINGLE_STEPPED, true,	 NO_TARGET},
	{"stp",		0x7e400000, 0x28000000, PLACEMENT_SINGLE_STEPPED, false, NO_TARGET},
};
/* clang-format on */

/* @word's @bits from bit @low on, as a signed number of instructions, in bytes. */
static int64_t arm64_displacement(uint32_t word, unsigned int low, unsigned int bits)
{
	uint64_t field = (uint64_t)word >> low << (64 - bits);

	return ((int64_t)field >> (64 - bits)) * 4;
}

static uint32_t arm64_word(const unsigned char *b)
{
	return b[0] | b[1] << 8 | b[2] << 16 | (uint32_t)b[3] << 24;
}

void arm64_decode(const struct placement_code *f, uint64_t at, size_t n, struct instruction *ret)
{
	static const unsigned char low[] = {[IMM26] = 0, [IMM19] = 5, [IMM14] = 5};
	static const unsigned char bits[] = {[IMM26] = 26, [IMM19] = 19, [IMM14] = 14};
	uint32_t word;
	size_t i;

	*ret = (struct instruction){.name = "unknown", .cost = PLACEMENT_SINGLE_STEPPED};
	if (n < 4)
		return;
	if ((f->offset + at) % 4) {
		ret->cost = PLACEMENT_REFUSED;
		return;
	}
	word = arm64_word(f->bytes + at);
	ret->length = 4;
	ret->name = "other";
	for (i = 0; i < ARRAY_SIZE(arm64_patterns); i++) {
		const struct arm64_pattern *p = &arm64_patterns[i];

		if ((word & p->mask) != p->value)
			continue;
		ret->name = p->name;
		ret->cost = p->cost;
		ret->harmless = p->harmless;
		if (p->target == COMPUTED) {
			ret->jump = JUMP_COMPUTED;
		} else if (p->target != NO_TARGET) {
			ret->jump = JUMP_DIRECT;
			ret->target = (int64_t)at +
				      arm64_displacement(word, low[p->target], bits[p->target]);
		}
		return;
	}
}

bool arm64_step(const unsigned char *bytes, size_t n, struct placement_step *ret)
{
	static const struct {
		uint32_t mask, value;
		enum placement_flow flow;
		unsigned char low, bits; /* of the displacement */
	} steps[] = {
		{0xfc000000, 0x14000000, PLACEMENT_FLOW_JUMP, 0, 26},
		{0xfc000000, 0x94000000, PLACEMENT_FLOW_CALL, 0, 26},
		{0xff000000, 0x54000000, PLACEMENT_FLOW_BRANCH, 5, 19},	 /* b.cond */
		{0x7e000000, 0x34000000, PLACEMENT_FLOW_BRANCH, 5, 19},	 /* cbz, cbnz */
		{0x7e000000, 0x36000000, PLACEMENT_FLOW_BRANCH, 5, 14},	 /* tbz, tbnz */
		{0xfffffc1f, 0xd65f0000, PLACEMENT_FLOW_RETURN, 0, 0},	 /* ret */
		{0xfffffbff, 0xd65f0bff, PLACEMENT_FLOW_RETURN, 0, 0},	 /* retaa, retab */
		{0xfffffc1f, 0xd61f0000, PLACEMENT_FLOW_COMPUTED, 0, 0}, /* br */
		{0xffe00000, 0xd4200000, PLACEMENT_FLOW_END, 0, 0},	 /* brk */
	};
	uint32_t word;
	size_t i;

	if (n < 4)
		return false;
	word = arm64_word(bytes);
	*ret = (struct placement_step){.length = 4};
	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		if ((word & steps[i].mask) != steps[i].value)
			continue;
		ret->flow = steps[i].flow;
		if (steps[i].bits)
			ret->target = arm64_displacement(word, steps[i].low, steps[i].bits);
		break;
	}
	return word != 0; /* udf, which fills gaps */
}
