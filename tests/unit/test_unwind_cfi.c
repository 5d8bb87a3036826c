// SPDX-License-Identifier: GPL-2.0-or-later
/* Call frame information made by hand: every instruction, every encoding, damage. */
#include <dwarf.h>
#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "unwind/cfi.h"
#include "unwind/table.h"
#include "util/cleanup.h"

#define SECTION_ADDR 0x1000ULL
#define CODE_ADDR    0x400000ULL
#define CODE_OFFSET  0x2000ULL
#define CODE_SIZE    0x10000ULL

enum { RBX = 3, RBP = 6, RSP = 7, R10 = 10, RIP = 16 };

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

static void put_bytes(struct bytes *b, const void *data, size_t size)
{
	assert_true(b->size + size <= sizeof(b->data));
	if (size)
		memcpy(b->data + b->size, data, size);
	b->size += size;
}

/* Set the 32-bit length of the entry at @start, which ends here. */
static void end_entry(struct bytes *b, size_t start)
{
	uint32_t length = b->size - start - 4;

	memcpy(b->data + start, &length, 4);
}

struct program {
	const uint8_t *code;
	size_t size;
};

#define PROGRAM(...)                                                                               \
	((struct program){(const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})})
#define EMPTY ((struct program){NULL, 0})

/* What x86-64's compilers write: CFA = rsp + 8, return address below it. */
#define X86_INITIAL PROGRAM(DW_CFA_def_cfa, RSP, 8, DW_CFA_offset | RIP, 1)

/* A CIE of version 1 at the end of .eh_frame, with code alignment 1 and data alignment -8. */
static void put_cie(struct bytes *b, const char *letters, struct program data,
		    struct program program)
{
	size_t start = b->size;

	put(b, 0, 4);
	put(b, 0, 4);
	put(b, 1, 1);
	put_bytes(b, letters, strlen(letters) + 1);
	put(b, 1, 1);
	put(b, 0x78, 1);
	put(b, RIP, 1);
	if (*letters == 'z')
		put(b, data.size, 1);
	put_bytes(b, data.data_or_code, data.size);
	put_bytes(b, program.code, program.size);
	end_entry(b, start);
}
