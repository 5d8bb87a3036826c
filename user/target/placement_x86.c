// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Lengths by the opcode maps of Intel's SDM, volume 2, appendix A; what is refused and what is
 * emulated, by arch/x86/kernel/uprobes.c of Linux 6.18 (is_prefix_bad, good_insns_64,
 * insn_masking_exception, branch_setup_xol_ops, push_setup_xol_ops). All opcodes of one and two
 * bytes were tried there, with each prefix: beyond what is listed here, only what its decoder does
 * not know is refused (AMD's extrq and insertq, and what is no instruction).
 */
#include "target/placement_decode.h"

#include <string.h>

#include "util/cleanup.h"

#define UPROBE_PAGE 4096

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

#define REX_B	0x01
#define REX_R	0x04
#define REX_W	0x08

#define MAP_VEX 4 /* added to the map of what VEX and EVEX encode: in no pattern */

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

void x86_decode(const struct placement_code *f, uint64_t at, size_t n, struct instruction *ret)
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

bool x86_step(const unsigned char *bytes, size_t n, struct placement_step *ret)
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
