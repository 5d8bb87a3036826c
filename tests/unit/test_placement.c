// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "target/placement.h"
#include "util/cleanup.h"

/* A function, or what stands at its start, and where its probe belongs. */
struct example {
	const char *name;
	const char *code; /* hex; its length is the function's size */
	const char *place;
};

/* clang-format off */

/* As objdump shows them in Debian 12's and 13's packages. */
static const struct example libraries[] = {
	{"glibc 2.36 malloc", "41 54 55 53 48 89 fb 48 83 ec 10 80 3d 46 1b 14 00 00",
	 "+0 (push, emulated)"},
	{"glibc 2.36 calloc", "41 55 48 89 f8 41 54 55 53 48 83 ec 18 48 f7 e6 48 89 c3",
	 "+0 (push, emulated)"},
	{"glibc 2.36 realloc", "41 57 41 56 41 55 41 54 55 48 89 f5 53 48 89 fb 48 83 ec 28",
	 "+0 (push, emulated)"},
	{"glibc 2.36 free", "48 85 ff 0f 84 bf 00 00 00 55 48 8d 77 f0 53 48 83 ec 18",
	 "+3 (stepped over test; je, emulated)"},
	{"glibc 2.36 posix_memalign",
	 "80 3d 01 02 14 00 00 41 54 49 89 d4 55 48 89 fd 53 48 89 f3",
	 "+7 (stepped over cmp; push, emulated)"},
	{"glibc 2.36 mmap", "41 89 ca 41 f7 c1 ff 0f 00 00 75 14 b8 09 00 00 00 0f 05",
	 "+10 (stepped over mov, test; jne, emulated)"},
	{"glibc 2.36 munmap", "b8 0b 00 00 00 0f 05 48 3d 01 f0 ff ff 73 01 c3",
	 "+0 (mov, single-stepped)"},
	{"glibc 2.41 malloc", "41 54 55 53 48 89 fb 48 83 ec 10 80 3d 46 99 14 00 00",
	 "+0 (push, emulated)"},
	{"glibc 2.41 calloc", "41 56 48 89 f8 41 55 41 54 55 53 48 83 ec 10 48 f7 e6",
	 "+0 (push, emulated)"},
	{"glibc 2.41 realloc", "41 57 41 56 41 55 41 54 55 48 89 f5 53 48 89 fb 48 83 ec 38",
	 "+0 (push, emulated)"},
	{"glibc 2.41 free", "48 85 ff 0f 84 7f 01 00 00 41 57 41 56 41 55 41 54 55",
	 "+3 (stepped over test; je, emulated)"},
	{"glibc 2.41 mmap", "41 f7 c1 ff 0f 00 00 75 27 55 89 cd 53 48 89 fb 48 85 ff",
	 "+7 (stepped over test; jne, emulated)"},
	{"libstdc++ 12 _Znwm", "f3 0f 1e fa 48 85 ff b8 01 00 00 00 53 48 0f 45 c7 48 89 c3",
	 "+12 (stepped over endbr64, test, mov; push, emulated)"},
	{"libstdc++ 12 _Znam", "f3 0f 1e fa e9 f7 02 ff ff",
	 "+4 (stepped over endbr64; jmp, emulated)"},
	{"libstdc++ 12 _ZdlPv", "f3 0f 1e fa e9 87 2f ff ff",
	 "+4 (stepped over endbr64; jmp, emulated)"},
	{"libstdc++ 12 _ZdlPvm", "f3 0f 1e fa e9 17 27 ff ff",
	 "+4 (stepped over endbr64; jmp, emulated)"},
	{"libstdc++ 12 _ZnwmRKSt9nothrow_t",
	 "f3 0f 1e fa 48 83 ec 08 e8 13 03 ff ff 48 83 c4 08 c3",
	 "+0 (endbr64, single-stepped)"},
	{"libstdc++ 14 _Znwm", "f3 0f 1e fa 48 85 ff b8 01 00 00 00 53 48 0f 45 c7 48 89 c3",
	 "+12 (stepped over endbr64, test, mov; push, emulated)"},
	{"libstdc++ 14 _ZdlPvm", "f3 0f 1e fa e9 f7 c2 fe ff",
	 "+4 (stepped over endbr64; jmp, emulated)"},
	{"musl 1.2.3 malloc", "e9 6b 19 00 00", "+0 (jmp, emulated)"},
	{"musl 1.2.3 calloc", "41 54 49 89 f4 55 53 48 85 f6 74 0c 48 89 f8 48 f7 e6",
	 "+0 (push, emulated)"},
	{"musl 1.2.3 free", "e9 bb 0a 00 00", "+0 (jmp, emulated)"},
	{"jemalloc 5.3 malloc", "48 81 ff 00 10 00 00 0f 87 93 00 00 00 48 8d 15 5c 7f 2c 00",
	 "+7 (stepped over cmp; ja, emulated)"},
	{"jemalloc 5.3 free", "48 89 f8 48 8b 15 0e 53 0a 00 48 89 f9 48 c1 e8 1a",
	 "+0 (mov, single-stepped)"},
	{"jemalloc 5.3 _ZdlPvm", "48 85 ff 74 13 48 83 ec 08 e8 12 33 f8 ff 48 83 c4 08 c3",
	 "+3 (stepped over test; je, emulated)"},
	{"tcmalloc 2.10 malloc", "48 8b 05 59 ab 00 00 48 85 c0 75 75 48 8b 05 05 a1 00 00",
	 "+10 (stepped over mov, test; jne, emulated)"},
	{"tcmalloc 2.10 free", "48 8b 05 59 b1 1b 00 48 85 c0 0f 85 90 00 00 00 48 89 fa",
	 "+10 (stepped over mov, test; jne, emulated)"},
	{"mimalloc 2.0 malloc", "48 8b 05 49 b4 00 00 48 89 fe 64 48 8b 38",
	 "+0 (mov, single-stepped)"},
	{"mimalloc 2.0 free", "48 89 f9 48 85 ff 74 5d 48 8d 7f ff 48 89 c8",
	 "+0 (mov, single-stepped)"},
	{"mimalloc 2.0 _Znwm", "55 53 48 89 fb 48 83 ec 08 48 8b 05 00 a5 00 00 64 48 8b 28",
	 "+0 (push, emulated)"},
	{"mimalloc 2.0 _ZdlPvm", "e9 3b 52 ff ff", "+0 (jmp, emulated)"},
};

static const struct example stepped[] = {
	{"endbr64; push", "f3 0f 1e fa 55 c3", "+4 (stepped over endbr64; push, emulated)"},
	{"endbr64; test; je", "f3 0f 1e fa 48 85 ff 74 00 c3",
	 "+7 (stepped over endbr64, test; je, emulated)"},
	{"endbr64; call", "f3 0f 1e fa e8 00 10 00 00 c3",
	 "+4 (stepped over endbr64; call, emulated)"},
	{"cmp %al; jo", "3c 05 70 00 c3", "+2 (stepped over cmp; jo, emulated)"},
	{"cmpb $0,(%rdi); jne", "80 3f 00 75 00 c3", "+3 (stepped over cmp; jne, emulated)"},
	{"mov %fs:0x28,%rax; test; je", "64 48 8b 04 25 28 00 00 00 85 c0 74 00 c3",
	 "+11 (stepped over mov, test; je, emulated)"},
	{"mov %rcx,%r10; push", "49 89 ca 55 c3", "+3 (stepped over mov; push, emulated)"},
	{"movabs $1,%r11; push", "49 bb 01 00 00 00 00 00 00 00 55",
	 "+10 (stepped over mov; push, emulated)"},
	{"mov $1,%rax; push", "48 c7 c0 01 00 00 00 55", "+7 (stepped over mov; push, emulated)"},
	{"xor %eax,%eax; lea; push", "31 c0 4c 8d 57 08 55",
	 "+6 (stepped over xor, lea; push, emulated)"},
	{"ten bytes of nop; push", "66 2e 0f 1f 84 00 00 00 00 00 55 c3",
	 "+10 (stepped over nop; push, emulated)"},
	{"ten bytes of nop; sub", "66 2e 0f 1f 84 00 00 00 00 00 48 83 ec 08 c3",
	 "+10 (stepped over nop; sub, single-stepped)"},
	{"nothing behind them is cheaper", "f3 0f 1e fa 48 85 ff 48 83 ec 08 c3",
	 "+0 (endbr64, single-stepped)"},
	{"more than eight", "85 c0 85 c0 85 c0 85 c0 85 c0 85 c0 85 c0 85 c0 85 c0 55",
	 "+0 (test, single-stepped)"},
};

static const struct example stayed[] = {
	{"one instruction: ret", "c3", "+0 (ret, single-stepped)"},
	{"one instruction: push", "55", "+0 (push, emulated)"},
	{"one instruction: endbr64", "f3 0f 1e fa", "+0 (endbr64, single-stepped)"},
	{"an argument changes: mov %rsi,%rdi", "48 89 f7 55", "+0 (mov, single-stepped)"},
	{"an argument changes: mov %rdi,%r8", "49 89 f8 55", "+0 (mov, single-stepped)"},
	{"an argument changes: xor %ecx,%ecx", "31 c9 55", "+0 (xor, single-stepped)"},
	{"a saved register changes: mov %rdi,%rbx", "48 89 fb 55", "+0 (mov, single-stepped)"},
	{"rsp changes: mov %rax,%rsp", "48 89 c4 55", "+0 (mov, single-stepped)"},
	{"rsp changes: sub", "48 83 ec 08 55", "+0 (sub, single-stepped)"},
	{"memory changes: mov %rax,(%rdi)", "48 89 07 55", "+0 (mov, single-stepped)"},
	{"memory changes: movl $0,(%rdi)", "c7 07 00 00 00 00 55", "+0 (mov, single-stepped)"},
	{"memory changes: not (%rdi)", "f7 17 55", "+0 (other, single-stepped)"},
	{"the return address is read: mov (%rsp),%rax", "48 8b 04 24 55",
	 "+0 (mov, single-stepped)"},
	{"a push that is not emulated: push %ax", "66 50 c3", "+0 (push, single-stepped)"},
	{"a push that is not emulated: rex.W", "48 55 c3", "+0 (push, single-stepped)"},
};

static const struct example jumps[] = {
	{"to the second instruction", "f3 0f 1e fa 48 85 ff 74 02 eb f9 c3",
	 "+0 (endbr64, single-stepped)"},
	{"to the place itself", "f3 0f 1e fa 55 74 fd c3", "+0 (endbr64, single-stepped)"},
	{"with 32 bits", "f3 0f 1e fa 55 e9 fa ff ff ff", "+0 (endbr64, single-stepped)"},
	{"conditional, with 32 bits", "f3 0f 1e fa 55 0f 85 f9 ff ff ff",
	 "+0 (endbr64, single-stepped)"},
	{"loop", "f3 0f 1e fa 55 e2 fd c3", "+0 (endbr64, single-stepped)"},
	{"to the first instruction: is another call", "f3 0f 1e fa 74 02 eb f8 c3",
	 "+4 (stepped over endbr64; je, emulated)"},
	{"behind the place", "f3 0f 1e fa 55 90 eb fd", "+4 (stepped over endbr64; push, emulated)"},
	{"in front of the function", "f3 0f 1e fa 55 eb f0",
	 "+4 (stepped over endbr64; push, emulated)"},
	{"to the cheapest: the next best", "66 2e 0f 1f 84 00 00 00 00 00 48 85 ff 74 02 eb fc c3",
	 "+10 (stepped over nop; test, single-stepped)"},
	{"of a switch", "f3 0f 1e fa 55 ff e0", "+0 (endbr64, single-stepped)"},
	{"of a switch with CET", "f3 0f 1e fa 55 3e ff e0", "+0 (endbr64, single-stepped)"},
	{"of a switch by a table", "f3 0f 1e fa 55 ff 24 c5 00 10 00 00",
	 "+0 (endbr64, single-stepped)"},
	{"through a slot", "f3 0f 1e fa 55 ff 25 00 10 00 00",
	 "+4 (stepped over endbr64; push, emulated)"},
	{"inside an operand is none", "f3 0f 1e fa 55 b8 eb fb 00 00 c3",
	 "+4 (stepped over endbr64; push, emulated)"},
	{"behind what cannot be decoded", "f3 0f 1e fa 55 06 c3", "+0 (endbr64, single-stepped)"},
	{"behind vector instructions", "f3 0f 1e fa 55 c5 fe 6f 07 62 f1 7c 48 58 c0 c5 f8 77 "
	 "c4 e2 7d 18 05 00 00 00 00 74 e7", "+0 (endbr64, single-stepped)"},
};

/* Tried on Linux 6.18: ENOTSUPP for every one. */
static const struct example refused[] = {
	{"cs je", "2e 74 00 c3", "+0 (je, refused)"},
	{"ds je", "3e 74 00 c3", "+0 (je, refused)"},
	{"ss nop", "36 90", "+0 (nop, refused)"},
	{"es nop", "26 90 48 83 ec 08", "+2 (stepped over nop; sub, single-stepped)"},
	{"notrack jmp *%rax", "3e ff e0", "+0 (other, refused)"},
	{"lock incq (%rdi)", "f0 48 ff 07 c3", "+0 (other, refused)"},
	{"data16 jmp", "66 e9 00 00 00 00", "+0 (unknown, refused)"},
	{"ten bytes of nop alone", "66 2e 0f 1f 84 00 00 00 00 00", "+0 (nop, refused)"},
	{"int3", "cc c3", "+0 (other, refused)"},
	{"int 0x80", "cd 80 c3", "+0 (other, refused)"},
	{"hlt", "f4", "+0 (other, refused)"},
	{"mov %eax,%ss", "8e d0", "+0 (other, refused)"},
	{"in", "e4 00", "+0 (other, refused)"},
	{"no instruction", "06", "+0 (unknown, refused)"},
	/* Accepted, but older kernels take it for a nop. */
	{"xchg %r8,%rax", "49 90 c3", "+0 (nop, refused)"},
	/* Prefixes that are not refused. */
	{"bnd jmp", "f2 e9 00 00 00 00", "+0 (jmp, emulated)"},
	{"pause", "f3 90 c3", "+0 (nop, emulated)"},
	{"fs mov", "64 48 8b 3c 25 28 00 00 00", "+0 (mov, single-stepped)"},
};

static const struct example truncated[] = {
	{"nothing", "", "+0 (unknown, single-stepped)"},
	{"prefixes", "f3", "+0 (unknown, single-stepped)"},
	{"the escape", "f3 0f", "+0 (unknown, single-stepped)"},
	{"ModRM", "48 85", "+0 (unknown, single-stepped)"},
	{"SIB", "48 8b 04", "+0 (unknown, single-stepped)"},
	{"the displacement", "48 8b 05 00 00", "+0 (unknown, single-stepped)"},
	{"the immediate", "b8 01 00 00", "+0 (unknown, single-stepped)"},
	{"VEX", "c5 f8", "+0 (unknown, single-stepped)"},
	{"the second instruction", "f3 0f 1e fa 48 85", "+0 (endbr64, single-stepped)"},
	{"a CS prefix", "2e", "+0 (unknown, refused)"},
	{"prefixes without end", "66 66 66 66 66 66 66 66 66 66 66 66 66 66 66 66 90",
	 "+0 (unknown, single-stepped)"},
};

/* glibc 2.36 and libstdc++ 12 of Debian 12, and by hand. Bytes are in the order of memory. */
static const struct example arm64[] = {
	{"malloc", "fd 7b bc a9 fd 03 00 91", "+0 (stp, single-stepped)"},
	{"free", "80 08 00 b4 fd 7b bc a9", "+0 (cbz, emulated)"},
	{"munmap", "1f 20 03 d5 e8 1a 80 d2 01 00 00 d4", "+0 (nop, emulated)"},
	{"_ZdlPv", "64 f1 ff 17", "+0 (b, emulated)"},
	{"bti c; cbz", "5f 24 03 d5 80 08 00 b4 c0 03 5f d6",
	 "+4 (stepped over bti; cbz, emulated)"},
	{"bti c; cmp x0, #0; b.eq", "5f 24 03 d5 1f 00 00 f1 40 00 00 54 c0 03 5f d6",
	 "+8 (stepped over bti, cmp; b.cond, emulated)"},
	{"tst; b.eq; b to the b.eq", "1f 2c 40 f2 40 00 00 54 ff ff ff 17 c0 03 5f d6",
	 "+0 (tst, single-stepped)"},
	{"tbnz back", "5f 24 03 d5 40 00 00 b4 e0 ff 07 37", "+0 (bti, single-stepped)"},
	{"bti c; stp", "5f 24 03 d5 fd 7b bc a9", "+0 (bti, single-stepped)"},
	{"paciasp; cbz: lr is signed", "3f 23 03 d5 80 08 00 b4", "+0 (paciasp, single-stepped)"},
	{"br of a switch", "5f 24 03 d5 80 00 00 b4 20 00 1f d6", "+0 (bti, single-stepped)"},
	{"br x16", "5f 24 03 d5 80 00 00 b4 00 02 1f d6", "+4 (stepped over bti; cbz, emulated)"},
	{"ldr literal", "40 00 00 58 c0 03 5f d6", "+0 (ldr literal, refused)"},
	{"svc", "01 00 00 d4", "+0 (exception, refused)"},
	{"ldxr", "00 7c 5f c8", "+0 (exclusive, refused)"},
	{"autiasp", "bf 23 03 d5", "+0 (hint, refused)"},
	{"yield", "3f 20 03 d5", "+0 (hint, refused)"},
	{"ret", "c0 03 5f d6", "+0 (ret, emulated)"},
	{"cut off", "5f 24 03", "+0 (unknown, single-stepped)"},
};
/* clang-format on */

static size_t from_hex(const char *hex, unsigned char *ret)
{
	size_t n = 0;

	for (; *hex; hex += hex[2] ? 3 : 2)
		ret[n++] = strtoul(hex, NULL, 16);
	return n;
}

static void check(const struct placement_code *code, const char *name, const char *want)
{
	struct placement p;
	char got[256];

	placement__choose_bytes(code, &p);
	placement__describe(&p, code->offset, got, sizeof(got));
	if (strcmp(got, want) != 0)
		fail_msg("%s: %s, not %s", name, got, want);
}

static void check_all(uint16_t machine, const struct example *examples, size_t n)
{
	unsigned char bytes[64];
	size_t i;

	for (i = 0; i < n; i++) {
		struct placement_code code = {.machine = machine, .bytes = bytes, .offset = 0x1000};

		code.n = code.size = from_hex(examples[i].code, bytes);
		check(&code, examples[i].name, examples[i].place);
	}
}

static void libraries_as_packaged(void **state)
{
	(void)state;
	check_all(EM_X86_64, libraries, ARRAY_SIZE(libraries));
}

static void harmless_ones_are_stepped_over(void **state)
{
	(void)state;
	check_all(EM_X86_64, stepped, ARRAY_SIZE(stepped));
}

static void others_are_not(void **state)
{
	(void)state;
	check_all(EM_X86_64, stayed, ARRAY_SIZE(stayed));
}

static void jumps_back_keep_the_probe_in_front(void **state)
{
	(void)state;
	check_all(EM_X86_64, jumps, ARRAY_SIZE(jumps));
}

static void refused_ones_are_known(void **state)
{
	(void)state;
	check_all(EM_X86_64, refused, ARRAY_SIZE(refused));
}

static void truncated_code_stays(void **state)
{
	(void)state;
	check_all(EM_X86_64, truncated, ARRAY_SIZE(truncated));
}

static void arm64_too(void **state)
{
	(void)state;
	check_all(EM_AARCH64, arm64, ARRAY_SIZE(arm64));
}

static void size_is_respected(void **state)
{
	unsigned char bytes[64];
	struct placement_code code = {.machine = EM_X86_64, .bytes = bytes, .offset = 0x1000};

	(void)state;
	code.n = from_hex("f3 0f 1e fa 55 c3", bytes);
	check(&code, "unknown size", "+0 (endbr64, single-stepped)");
	code.size = 4;
	check(&code, "the next function begins behind it", "+0 (endbr64, single-stepped)");
	code.size = 5;
	check(&code, "the push is its last", "+4 (stepped over endbr64; push, emulated)");
	code.size = 7;
	check(&code, "its end was not read", "+0 (endbr64, single-stepped)");
	code.size = 2;
	check(&code, "shorter than an instruction", "+0 (unknown, single-stepped)");
	code.size = 6;
	code.machine = EM_RISCV;
	check(&code, "unknown machine", "+0 (unknown, single-stepped)");
	code.machine = EM_AARCH64;
	code.offset = 0x1002;
	check(&code, "arm64, not aligned", "+0 (unknown, refused)");
}

static void nops_depend_on_the_kernel(void **state)
{
	unsigned char bytes[64];
	struct placement_code code = {.machine = EM_X86_64, .bytes = bytes, .offset = 0x1000};

	(void)state;
	code.n = code.size = from_hex("0f 1f 44 00 00 c3", bytes);
	check(&code, "nop5", "+0 (nop, single-stepped)");
	code.nops = PLACEMENT_NOPS_5;
	check(&code, "new, nop5", "+0 (nop, optimised)");
	code.offset = 0x1ffb;
	check(&code, "new, nop5 up to the page's end", "+0 (nop, optimised)");
	code.offset = 0x1ffc;
	check(&code, "new, nop5 across pages", "+0 (nop, emulated)");
	code.offset = 0x1000;
	code.n = code.size = from_hex("f3 0f 1e fa 0f 1f 44 00 00 55 c3", bytes);
	check(&code, "new, endbr64; nop5", "+4 (stepped over endbr64; nop, optimised)");
	code.nops = PLACEMENT_NOPS_OLD;
	check(&code, "endbr64; nop5; push", "+9 (stepped over endbr64, nop; push, emulated)");
	code.n = code.size = from_hex("90 0f 1f 44 00 00 55 c3", bytes);
	check(&code, "nop; nop5", "+0 (nop, emulated)");
	code.nops = PLACEMENT_NOPS_5;
	check(&code, "new, nop; nop5", "+1 (stepped over nop; nop, optimised)");
	code.n = code.size = from_hex("0f 1f 80 00 00 00 00 c3", bytes);
	check(&code, "new, nop7", "+0 (nop, emulated)");
}

/* Whatever the bytes are: inside the function, and nothing read behind them (ASan looks). */
static void any_bytes_are_survived(void **state)
{
	static const uint16_t machines[] = {EM_X86_64, EM_AARCH64};
	uint32_t seed = 1, round;
	size_t i;

	(void)state;
	for (round = 0; round < 200000; round++) {
		size_t n = round % 40;
		CLEANUP_FREE unsigned char *bytes = malloc(n ? n : 1);
		struct placement_code code = {.machine = machines[round % 2],
					      .bytes = bytes,
					      .n = n,
					      .size = round % 3 ? n : n + 3,
					      .offset = 0x1000,
					      .nops = round & 4 ? PLACEMENT_NOPS_5
								: PLACEMENT_NOPS_OLD};
		struct placement p;
		char text[64];

		assert_non_null(bytes);
		for (i = 0; i < n; i++) {
			seed = seed * 1664525 + 1013904223;
			bytes[i] = seed >> 24;
		}
		if (n > 4 && round & 8)
			memcpy(bytes, "\xf3\x0f\x1e\xfa", 4);
		placement__choose_bytes(&code, &p);
		assert_true(p.offset == 0x1000 || p.offset < 0x1000 + n);
		assert_true(p.nr_over <= PLACEMENT_STEPS);
		assert_non_null(p.instruction);
		placement__describe(&p, code.offset, text, sizeof(text));
		assert_true(strlen(text) < sizeof(text));
	}
}

static void code_is_read_from_the_file(void **state)
{
	char path[] = "/tmp/test_placement.XXXXXX";
	struct object o = {.machine = EM_X86_64, .is_64bit = true};
	unsigned char bytes[64] = {0};
	struct placement p = {.offset = 1};
	size_t n;

	(void)state;
	o.fd = mkstemp(path);
	assert_true(o.fd >= 0);
	unlink(path);
	n = from_hex("f3 0f 1e fa 55 c3", bytes + 16);
	assert_int_equal(write(o.fd, bytes, 16 + n), 16 + n);
	assert_int_equal(placement__choose(&o, 16, n, false, &p), 0);
	assert_int_equal(p.offset, 20);
	assert_int_equal(placement__choose(&o, 16, 0, false, &p), 0);
	assert_int_equal(p.offset, 16);
	/* A symbol table can claim anything. */
	assert_int_equal(placement__choose(&o, 16, UINT64_MAX, false, &p), 0);
	assert_int_equal(p.offset, 16);
	assert_int_equal(placement__choose(&o, 4096, n, false, &p), 0);
	assert_int_equal(p.offset, 4096);
	assert_int_equal(p.cost, PLACEMENT_SINGLE_STEPPED);
	close(o.fd);
	o.fd = -1;
	p.offset = 1;
	assert_int_equal(placement__choose(&o, 16, n, false, &p), -EBADF);
	assert_int_equal(p.offset, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(libraries_as_packaged),
		cmocka_unit_test(harmless_ones_are_stepped_over),
		cmocka_unit_test(others_are_not),
		cmocka_unit_test(jumps_back_keep_the_probe_in_front),
		cmocka_unit_test(refused_ones_are_known),
		cmocka_unit_test(truncated_code_stays),
		cmocka_unit_test(arm64_too),
		cmocka_unit_test(size_is_respected),
		cmocka_unit_test(nops_depend_on_the_kernel),
		cmocka_unit_test(any_bytes_are_survived),
		cmocka_unit_test(code_is_read_from_the_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
