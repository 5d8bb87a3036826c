// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Terms: an instruction is harmless if a probe behind it sees what a probe in front of it sees. The
 * candidates of a function are its first instruction and those reached from there over harmless
 * ones. The cheapest candidate is taken, the first of equals, unless a direct jump in the function
 * leads to it or to a candidate between the first and it: such a jump would hit the probe without a
 * call.
 *
 * To find the jumps, the function is decoded from its first to its last byte. What cannot be
 * decoded, and jumps whose target is computed (a switch), could lead anywhere: then the first
 * instruction is taken. A call or jump through a slot in memory leaves the function.
 *
 * Not seen: jumps from other functions into the middle of this one. Compilers make them from a
 * function's cold part alone, whose jumps lead behind the branch that led there. Hand-written code
 * may do it (glibc's memcpy does); no allocator was found to.
 *
 * x86: lengths by the opcode maps of Intel's SDM, volume 2, appendix A; what is refused and what is
 * emulated, by arch/x86/kernel/uprobes.c of Linux 6.18 (is_prefix_bad, good_insns_64,
 * insn_masking_exception, branch_setup_xol_ops, push_setup_xol_ops). All opcodes of one and two
 * bytes were tried there, with each prefix: beyond what is listed here, only what its decoder does
 * not know is refused (AMD's extrq and insertq, and what is no instruction).
 * arm64: arch/arm64/kernel/probes/decode-insn.c of the same.
 */
#include "target/placement.h"

#include <errno.h>
#include <gelf.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/cleanup.h"

/* Larger functions are not searched for jumps. */
#define MAX_BODY    (256 * 1024)

#define UPROBE_PAGE 4096

enum jump {
	JUMP_NONE, /* or out of the function */
	JUMP_DIRECT,
	JUMP_COMPUTED,
};

struct instruction {
	unsigned int length; /* 0: unknown, what follows cannot be decoded */
	const char *name;
	enum placement_cost cost;
	bool harmless;
	enum jump jump;
	int64_t target; /* JUMP_DIRECT: relative to the function */
};

/* --- x86-64 --- */

/*
 * What follows the opcode: '.' nothing; 'm' ModRM; b, w, z, v, e, a: immediates of 8, 16, 16 or 32,
 * 16 to 64 bits, enter's 24, an address; B, Z: ModRM and b, z; 6, 7: ModRM and b, z if it is test;
 * 'j', 'J': displacement of 8, 32 bits; 'p' a legacy prefix, 'r' REX; '2', '3' the escape; 'V',
 * 'W', 'E' VEX of 2, 3 bytes, EVEX; 'x' no instruction, or one this decoder need not know.
 */
static const char one_byte_map[] = "mmmmbzxxmmmmbzx2"  /* 00 */
				   "mmmmbzxxmmmmbzxx"  /* 10 */
				   "mmmmbzpxmmmmbzpx"  /* 20 */
				   "mmmmbzpxmmmmbzpx"  /* 30 */
				   "rrrrrrrrrrrrrrrr"  /* 40 */
				   "................"  /* 50 */
				   "xxEmppppzZbB...."  /* 60 */
				   "jjjjjjjjjjjjjjjj"  /* 70 */
				   "BZxBmmmmmmmmmmmm"  /* 80 */
				   "..........x....."  /* 90 */
				   "aaaa....bz......"  /* a0 */
				   "bbbbbbbbvvvvvvvv"  /* b0 */
				   "BBw.WVBZe.w..bx."  /* c0 */
				   "mmmmxxx.mmmmmmmm"  /* d0 */
				   "jjjjbbbbJJxj...."  /* e0 */
				   "p.pp..67......mm"; /* f0 */

static const char two_byte_map[] = "mmmmx.....x.xm.B"  /* 00 */
				   "mmmmmmmmmmmmmmmm"  /* 10 */
				   "mmmmxxxxmmmmmmmm"  /* 20 */
				   "......x.3x3xxxxx"  /* 30 */
				   "mmmmmmmmmmmmmmmm"  /* 40 */
				   "mmmmmmmmmmmmmmmm"  /* 50 */
				   "mmmmmmmmmmmmmmmm"  /* 60 */
				   "BBBBmmm.mmmmmmmm"  /* 70 */
				   "JJJJJJJJJJJJJJJJ"  /* 80 */
				   "mmmmmmmmmmmmmmmm"  /* 90 */
				   "...mBmxx...mBmmm"  /* a0 */
				   "mmmmmmmmmmBmmmmm"  /* b0 */
				   "mmBmBBBm........"  /* c0 */
				   "mmmmmmmmmmmmmmmm"  /* d0 */
				   "mmmmmmmmmmmmmmmm"  /* e0 */
				   "mmmmmmmmmmmmmmmm"; /* f0 */

/* One-byte opcodes that the kernel refuses. */
static const unsigned char x86_refused[] = {
	0x06, 0x07, 0x0e, 0x16, 0x17, 0x1e, 0x1f, 0x27, 0x2f, 0x37, 0x3f, 0x60, 0x61,
	0x6c, 0x6d, 0x6e, 0x6f, 0x82, 0x9a, 0xcc, 0xcd, 0xce, 0xcf, 0xd4, 0xd6, 0xe4,
	0xe5, 0xe6, 0xe7, 0xea, 0xec, 0xed, 0xee, 0xef, 0xf1, 0xf4, 0xfa, 0xfb,
};

enum x86_prefix {
	X86_OPERAND_SIZE = 1 << 0, /* 66 */
	X86_ADDRESS_SIZE = 1 << 1, /* 67 */
	X86_REPEAT = 1 << 2,	   /* f2, f3 */
	X86_SEGMENT = 1 << 3,	   /* fs, gs */
	X86_BAD = 1 << 4,	   /* es, cs, ss, ds, lock: refused */
};

#define REX_B	   0x01
#define REX_R	   0x04
#define REX_W	   0x08

#define MAP_VEX	   4 /* added to the map of what VEX and EVEX encode: in no pattern */
#define MAX_LENGTH 15

struct x86 {
	unsigned int prefixes;
	unsigned char rex, map, opcode;
	char operands; /* of the maps above */
	bool has_modrm;
	unsigned char mod, reg, rm; /* reg, rm with their REX bits */
	unsigned char base, index;  /* of a memory operand, where there is a SIB */
	bool has_sib;
	unsigned int at, length;
	int32_t displacement; /* of a direct jump */
};

enum x86_kind { X86_PUSH, X86_NOP, X86_JUMP, X86_OTHER };

/* Where a harmless one puts its result. */
enum x86_result { IN_FLAGS, IN_REG, IN_RM, IN_OPCODE };

struct x86_pattern {
	const char *name;
	unsigned char map, opcode, mask;
	signed char reg; /* of the ModRM byte; -1: any */
	enum x86_kind kind;
	bool harmless;
	enum x86_result result;
};

/* clang-format off */
static const struct x86_pattern x86_patterns[] = {
	{"push",	0, 0x50, 0xf8, -1, X86_PUSH,	false,	IN_FLAGS},
	{"nop",		0, 0x90, 0xff, -1, X86_NOP,	true,	IN_FLAGS},
	{"nop",		1, 0x1f, 0xff,  0, X86_NOP,	true,	IN_FLAGS},
	{"jmp",		0, 0xe9, 0xff, -1, X86_JUMP,	false,	IN_FLAGS},
	{"jmp",		0, 0xeb, 0xff, -1, X86_JUMP,	false,	IN_FLAGS},
	{"call",	0, 0xe8, 0xff, -1, X86_JUMP,	false,	IN_FLAGS},
	{"jcc",		0, 0x70, 0xf0, -1, X86_JUMP,	false,	IN_FLAGS},
	{"jcc",		1, 0x80, 0xf0, -1, X86_JUMP,	false,	IN_FLAGS},
	{"endbr64",	1, 0x1e, 0xff,  7, X86_OTHER,	true,	IN_FLAGS},
	{"test",	0, 0x84, 0xfe, -1, X86_OTHER,	true,	IN_FLAGS},
	{"test",	0, 0xa8, 0xfe, -1, X86_OTHER,	true,	IN_FLAGS},
	{"test",	0, 0xf6, 0xfe,  0, X86_OTHER,	true,	IN_FLAGS},
	{"cmp",		0, 0x38, 0xfc, -1, X86_OTHER,	true,	IN_FLAGS},
	{"cmp",		0, 0x3c, 0xfe, -1, X86_OTHER,	true,	IN_FLAGS},
	{"cmp",		0, 0x80, 0xfe,  7, X86_OTHER,	true,	IN_FLAGS},
	{"cmp",		0, 0x83, 0xff,  7, X86_OTHER,	true,	IN_FLAGS},
	{"mov",		0, 0x89, 0xff, -1, X86_OTHER,	true,	IN_RM},
	{"mov",		0, 0x8b, 0xff, -1, X86_OTHER,	true,	IN_REG},
	{"mov",		0, 0xb8, 0xf8, -1, X86_OTHER,	true,	IN_OPCODE},
	{"mov",		0, 0xc7, 0xff,  0, X86_OTHER,	true,	IN_RM},
	{"lea",		0, 0x8d, 0xff, -1, X86_OTHER,	true,	IN_REG},
	{"xor",		0, 0x31, 0xff, -1, X86_OTHER,	true,	IN_RM},
	{"xor",		0, 0x33, 0xff, -1, X86_OTHER,	true,	IN_REG},
	{"sub",		0, 0x29, 0xff, -1, X86_OTHER,	false,	IN_FLAGS},
	{"sub",		0, 0x81, 0xff,  5, X86_OTHER,	false,	IN_FLAGS},
	{"sub",		0, 0x83, 0xff,  5, X86_OTHER,	false,	IN_FLAGS},
	{"ret",		0, 0xc3, 0xff, -1, X86_OTHER,	false,	IN_FLAGS},
};

static const char *const conditional_jumps[] = {
	"jo", "jno", "jb", "jae", "je", "jne", "jbe", "ja",
	"js", "jns", "jp", "jnp", "jl", "jge", "jle", "jg",
};
/* clang-format on */

/* Registers that a call may leave in any state and that carry no argument. */
static bool x86_is_scratch(unsigned int reg)
{
	return reg == 0 || reg == 10 || reg == 11; /* rax, r10, r11 */
}

static unsigned int x86_prefix_of(unsigned char byte)
{
	switch (byte) {
	case 0x66:
		return X86_OPERAND_SIZE;
	case 0x67:
		return X86_ADDRESS_SIZE;
	case 0xf2:
	case 0xf3:
		return X86_REPEAT;
	case 0x64:
	case 0x65:
		return X86_SEGMENT;
	default:
		return X86_BAD;
	}
}

static unsigned int x86_immediate(const struct x86 *x)
{
	unsigned int z = x->prefixes & X86_OPERAND_SIZE && !(x->rex & REX_W) ? 2 : 4;

	switch (x->operands) {
	case 'b':
	case 'B':
	case 'j':
		return 1;
	case 'w':
		return 2;
	case 'e':
		return 3;
	case 'J':
		return 4;
	case 'z':
	case 'Z':
		return z;
	case 'v':
		return x->rex & REX_W ? 8 : z;
	case 'a':
		return x->prefixes & X86_ADDRESS_SIZE ? 4 : 8;
	case '6':
		return (x->reg & 7) < 2 ? 1 : 0;
	case '7':
		return (x->reg & 7) < 2 ? z : 0;
	default:
		return 0;
	}
}

/* The bytes of a VEX or EVEX prefix and the opcode behind it, at code[x->at]. */
static bool x86_read_vex(const unsigned char *code, size_t n, struct x86 *x)
{
	unsigned int bytes = x->operands == 'V' ? 1 : x->operands == 'W' ? 2 : 3;
	unsigned int map = 1;

	if (x->at + bytes >= n || x->rex)
		return false;
	if (bytes == 2)
		map = code[x->at] & 0x1f;
	else if (bytes == 3)
		map = code[x->at] & 0x07;
	if (map == 0 || map == 4 || map > 6 || (bytes < 3 && map > 3))
		return false;
	x->at += bytes;
	x->opcode = code[x->at++];
	x->map = MAP_VEX + map;
	x->operands = map == 1 ? two_byte_map[x->opcode] : map == 3 ? 'B' : 'm';
	return x->operands == 'm' || x->operands == 'B' || x->operands == '.';
}

static bool x86_read_opcode(const unsigned char *code, size_t n, struct x86 *x)
{
	for (;;) {
		if (x->at >= n)
			return false;
		x->opcode = code[x->at++];
		x->operands = one_byte_map[x->opcode];
		if (x->operands == 'p')
			x->prefixes |= x86_prefix_of(x->opcode);
		else if (x->operands == 'r')
			x->rex = x->opcode;
		else
			break;
		if (x->operands == 'p' && x->rex)
			return false; /* a REX that is not last counts for nothing */
	}
	if (x->operands == 'V' || x->operands == 'W' || x->operands == 'E')
		return x86_read_vex(code, n, x);
	if (x->operands != '2')
		return x->operands != 'x';
	if (x->at >= n)
		return false;
	x->map = 1;
	x->opcode = code[x->at++];
	x->operands = two_byte_map[x->opcode];
	if (x->operands == '3') {
		if (x->at >= n)
			return false;
		x->map = x->opcode == 0x38 ? 2 : 3;
		x->operands = x->opcode == 0x38 ? 'm' : 'B';
		x->opcode = code[x->at++];
	}
	return x->operands != 'x';
}

static bool x86_read_modrm(const unsigned char *code, size_t n, struct x86 *x)
{
	unsigned char rm;

	if (x->at >= n)
		return false;
	x->has_modrm = true;
	x->mod = code[x->at] >> 6;
	x->reg = (code[x->at] >> 3 & 7) | (x->rex & REX_R ? 8 : 0);
	rm = code[x->at++] & 7;
	x->rm = rm | (x->rex & REX_B ? 8 : 0);
	if (x->mod == 3)
		return true;
	if (rm == 4) {
		if (x->at >= n)
			return false;
		x->has_sib = true;
		x->index = (code[x->at] >> 3 & 7) | (x->rex & 2 ? 8 : 0);
		rm = code[x->at++] & 7;
		x->base = rm | (x->rex & REX_B ? 8 : 0);
	}
	if (x->mod == 1)
		x->at += 1;
	else if (x->mod == 2 || rm == 5)
		x->at += 4;
	return true;
}

/* Take the instruction apart. False where it is none that is known, or cut off: then *@x holds what
 * was read up to there. */
static bool x86_read(const unsigned char *code, size_t n, struct x86 *x)
{
	unsigned int immediate;

	*x = (struct x86){0};
	if (n > MAX_LENGTH)
		n = MAX_LENGTH;
	if (!x86_read_opcode(code, n, x))
		return false;
	if (strchr("mBZ67", x->operands) && !x86_read_modrm(code, n, x))
		return false;
	if (x->map == 0 && x->opcode == 0x8f && x->reg & 7)
		return false; /* AMD's XOP */
	if (x->operands == 'J' && x->prefixes & X86_OPERAND_SIZE && !(x->rex & REX_W))
		return false; /* Intel and AMD differ */
	immediate = x86_immediate(x);
	if (x->at + immediate > n)
		return false;
	if (x->operands == 'j')
		x->displacement = (int8_t)code[x->at];
	else if (x->operands == 'J')
		memcpy(&x->displacement, code + x->at, sizeof(x->displacement));
	x->length = x->at + immediate;
	return true;
}

static bool x86_is_refused(const struct x86 *x)
{
	if (x->prefixes & X86_BAD)
		return true;
	if (x->prefixes & X86_OPERAND_SIZE && strchr("jJ", x->operands))
		return x->map || (x->opcode & 0xfc) != 0xe0; /* not loop, jrcxz */
	if (x->map)
		return false;
	return memchr(x86_refused, x->opcode, sizeof(x86_refused)) ||
	       (x->opcode == 0x8e && (x->reg & 7) == 2); /* mov to ss */
}

static enum placement_cost x86_nop_cost(const struct placement_code *f, uint64_t at,
					const struct x86 *x)
{
	/* Kernels before 6.18 take xchg %r8,%rax for a nop. */
	if (x->map == 0 && x->rex & REX_B)
		return PLACEMENT_REFUSED;
	if (f->nops == PLACEMENT_NOPS_5 && x->length == 5 &&
	    (f->offset + at) % UPROBE_PAGE + 5 <= UPROBE_PAGE)
		return PLACEMENT_OPTIMISED_NOP;
	return x->map == 0 || f->nops ? PLACEMENT_EMULATED : PLACEMENT_SINGLE_STEPPED;
}

static bool x86_is_harmless(const struct x86 *x, const struct x86_pattern *p)
{
	bool in_memory = x->has_modrm && x->mod != 3;

	if (!p->harmless)
		return false;
	if (p->kind == X86_NOP)
		return !(x->map == 0 && x->rex & REX_B);
	if (x->map == 1) /* endbr64 */
		return x->mod == 3;
	if (x->prefixes & ~(X86_OPERAND_SIZE | X86_SEGMENT))
		return false;
	/* The return address is what a return probe replaces. */
	if (in_memory && x->has_sib && x->base == 4)
		return false;
	switch (p->result) {
	case IN_REG:
		return x86_is_scratch(x->reg);
	case IN_RM:
		return !in_memory && x86_is_scratch(x->rm);
	case IN_OPCODE:
		return x86_is_scratch((x->opcode & 7) | (x->rex & REX_B ? 8 : 0));
	default:
		return true;
	}
}

static const struct x86_pattern *x86_match(const struct x86 *x)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(x86_patterns); i++) {
		const struct x86_pattern *p = &x86_patterns[i];

		if (p->map == x->map && (x->opcode & p->mask) == p->opcode &&
		    (p->reg < 0 || (x->reg & 7) == p->reg))
			return p;
	}
	return NULL;
}

/* jmp *%reg and jmp *table(,%reg,8); through a slot at a fixed place it is a call's last. */
static bool x86_is_computed_jump(const struct x86 *x)
{
	if (x->map || x->opcode != 0xff || (x->reg & 7) != 4)
		return false;
	return x->mod == 3 || (x->has_sib && x->index != 4);
}

static void x86_decode(const struct placement_code *f, uint64_t at, size_t n,
		       struct instruction *ret)
{
	const struct x86_pattern *p;
	struct x86 x;

	*ret = (struct instruction){.name = "unknown", .cost = PLACEMENT_SINGLE_STEPPED};
	if (!x86_read(f->bytes + at, n, &x)) {
		if (x.at && x86_is_refused(&x))
			ret->cost = PLACEMENT_REFUSED;
		return;
	}
	ret->length = x.length;
	ret->name = "other";
	if (x86_is_computed_jump(&x))
		ret->jump = JUMP_COMPUTED;
	if (x.operands == 'j' || x.operands == 'J') {
		ret->jump = JUMP_DIRECT;
		ret->target = (int64_t)(at + x.length) + x.displacement;
	}
	p = x86_match(&x);
	if (p) {
		ret->name = p->name;
		ret->harmless = x86_is_harmless(&x, p);
		if (p->kind == X86_NOP)
			ret->cost = x86_nop_cost(f, at, &x);
		if (p->kind == X86_JUMP)
			ret->cost = x.prefixes & X86_OPERAND_SIZE ? PLACEMENT_REFUSED
								  : PLACEMENT_EMULATED;
		if (p->kind == X86_PUSH && !x.prefixes && (!x.rex || x.rex == 0x41))
			ret->cost = PLACEMENT_EMULATED;
		if (p->mask == 0xf0)
			ret->name = conditional_jumps[x.opcode & 0xf];
	}
	if (x86_is_refused(&x))
		ret->cost = PLACEMENT_REFUSED;
}

/* --- arm64 --- */

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

static void arm64_decode(const struct placement_code *f, uint64_t at, size_t n,
			 struct instruction *ret)
{
	static const unsigned char low[] = {[IMM26] = 0, [IMM19] = 5, [IMM14] = 5};
	static const unsigned char bits[] = {[IMM26] = 26, [IMM19] = 19, [IMM14] = 14};
	const unsigned char *b = f->bytes + at;
	uint32_t word;
	size_t i;

	*ret = (struct instruction){.name = "unknown", .cost = PLACEMENT_SINGLE_STEPPED};
	if (n < 4)
		return;
	if ((f->offset + at) % 4) {
		ret->cost = PLACEMENT_REFUSED;
		return;
	}
	word = b[0] | b[1] << 8 | b[2] << 16 | (uint32_t)b[3] << 24;
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

/* --- where execution goes on --- */

static bool x86_step(const unsigned char *bytes, size_t n, struct placement_step *ret)
{
	struct x86 x;
	bool through_slot;
	int32_t disp = 0;

	if (!x86_read(bytes, n, &x))
		return false;
	*ret = (struct placement_step){.length = x.length};
	if (x.operands == 'j' || x.operands == 'J') {
		ret->target = (int64_t)x.length + x.displacement;
		ret->flow = x.map == 0 && x.opcode == 0xe8 ? PLACEMENT_FLOW_CALL
			    : x.map == 0 && (x.opcode == 0xe9 || x.opcode == 0xeb)
				    ? PLACEMENT_FLOW_JUMP
				    : PLACEMENT_FLOW_BRANCH;
		return true;
	}
	if (x.map == 1 && x.opcode == 0x0b) /* ud2 */
		ret->flow = PLACEMENT_FLOW_END;
	if (x.map)
		return true;
	if (x.opcode == 0xc2 || x.opcode == 0xc3)
		ret->flow = PLACEMENT_FLOW_RETURN;
	else if (x.opcode == 0xcc || x.opcode == 0xf4) /* int3, hlt */
		ret->flow = PLACEMENT_FLOW_END;
	if (x.opcode != 0xff || ((x.reg & 7) != 2 && (x.reg & 7) != 4))
		return true;
	/* call and jmp; the slot's address is counted from the next instruction */
	through_slot = x.mod == 0 && (x.rm & 7) == 5;
	if (through_slot)
		memcpy(&disp, bytes + x.length - sizeof(disp), sizeof(disp));
	ret->target = (int64_t)x.length + disp;
	if ((x.reg & 7) == 2)
		ret->flow = through_slot ? PLACEMENT_FLOW_CALL_SLOT : PLACEMENT_FLOW_NEXT;
	else
		ret->flow = through_slot ? PLACEMENT_FLOW_JUMP_SLOT : PLACEMENT_FLOW_COMPUTED;
	return true;
}

static bool arm64_step(const unsigned char *bytes, size_t n, struct placement_step *ret)
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
	word = bytes[0] | bytes[1] << 8 | bytes[2] << 16 | (uint32_t)bytes[3] << 24;
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

bool placement__step(uint16_t machine, const unsigned char *bytes, size_t n,
		     struct placement_step *ret)
{
	if (machine == EM_X86_64)
		return x86_step(bytes, n, ret);
	return machine == EM_AARCH64 && arm64_step(bytes, n, ret);
}

/* --- any machine --- */

static bool decode(const struct placement_code *f, uint64_t at, struct instruction *ret)
{
	size_t n = at < f->n ? f->n - at : 0;

	/* Not beyond the function's end. */
	if (f->size && n > f->size - at)
		n = f->size - at;
	if (f->machine == EM_X86_64)
		x86_decode(f, at, n, ret);
	else if (f->machine == EM_AARCH64)
		arm64_decode(f, at, n, ret);
	else
		*ret = (struct instruction){.name = "unknown", .cost = PLACEMENT_SINGLE_STEPPED};
	return ret->length != 0;
}

/* The cheapest candidate, in front of @limit. */
static void take_cheapest(const struct placement_code *f, uint64_t limit, struct placement *ret)
{
	struct placement p = {.offset = f->offset};
	struct instruction in;
	uint64_t at = 0;
	unsigned int i;

	decode(f, 0, &in);
	p.cost = in.cost;
	p.instruction = in.name;
	*ret = p;
	for (i = 0; i < PLACEMENT_STEPS && in.length && in.harmless; i++) {
		p.over[p.nr_over++] = in.name;
		at += in.length;
		if (at >= f->size || at >= limit || !decode(f, at, &in))
			return;
		p.offset = f->offset + at;
		p.cost = in.cost;
		p.instruction = in.name;
		if (p.cost < ret->cost)
			*ret = p;
	}
}

/* The lowest place behind the first byte, up to @place, that a jump in the function leads to, or
 * may lead to; UINT64_MAX: there is none. */
static uint64_t lowest_target(const struct placement_code *f, uint64_t place)
{
	uint64_t lowest = UINT64_MAX;
	struct instruction in;
	uint64_t at = 0;

	if (f->n < f->size)
		return 1;
	for (; at < f->size; at += in.length) {
		if (!decode(f, at, &in) || in.jump == JUMP_COMPUTED)
			return 1;
		if (in.jump == JUMP_DIRECT && in.target > 0 && (uint64_t)in.target <= place &&
		    (uint64_t)in.target < lowest)
			lowest = in.target;
	}
	return lowest;
}

void placement__choose_bytes(const struct placement_code *code, struct placement *ret)
{
	struct placement p;
	uint64_t limit;

	take_cheapest(code, UINT64_MAX, &p);
	if (p.offset != code->offset) {
		limit = lowest_target(code, p.offset - code->offset);
		if (limit != UINT64_MAX)
			take_cheapest(code, limit, &p);
	}
	*ret = p;
}

int placement__choose(const struct object *o, uint64_t offset, uint64_t size,
		      enum placement_nops nops, struct placement *ret)
{
	struct placement_code code = {
		.machine = o->machine,
		.size = size <= MAX_BODY ? size : 0,
		.offset = offset,
		.nops = nops,
	};
	size_t want = code.size > MAX_LENGTH ? code.size : MAX_LENGTH;
	CLEANUP_FREE unsigned char *bytes = malloc(want);
	ssize_t got;

	if (!bytes)
		return -ENOMEM;
	got = pread(o->fd, bytes, want, offset);
	if (got < 0)
		return -errno;
	code.bytes = bytes;
	code.n = got;
	placement__choose_bytes(&code, ret);
	return 0;
}

enum placement_nops placement__nops(void)
{
#if defined(__x86_64__)
	/* uprobe(2) is for the kernel's own trampoline; how it refuses others tells. */
	if (syscall(336) < 0 && errno == ENXIO)
		return PLACEMENT_NOPS_5;
	if (errno == EPROTO)
		return PLACEMENT_NOPS_10;
#endif
	return PLACEMENT_NOPS_OLD;
}

void placement__describe(const struct placement *p, uint64_t start, char *buf, size_t n)
{
	static const char *const costs[] = {
		[PLACEMENT_OPTIMISED_NOP] = "optimised",
		[PLACEMENT_EMULATED] = "emulated",
		[PLACEMENT_SINGLE_STEPPED] = "single-stepped",
		[PLACEMENT_REFUSED] = "refused",
	};
	char over[128] = "";
	size_t length = 0;
	unsigned int i;

	for (i = 0; i < p->nr_over && length < sizeof(over); i++)
		length += snprintf(over + length, sizeof(over) - length, "%s%s",
				   i ? ", " : "stepped over ", p->over[i]);
	snprintf(buf, n, "+%llu (%s%s%s, %s)", (unsigned long long)(p->offset - start), over,
		 p->nr_over ? "; " : "", p->instruction, costs[p->cost]);
}
