// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Machine code: where a probe goes in a function, and where execution goes on from an instruction.
 * The first byte says which machine, how new a kernel, and what the symbol table claims of its
 * size.
 */
#include <elf.h>

#include "target/placement.h"
#include "tests/fuzz/fuzz.h"

enum {
	ARM64 = 0x01,
	NEW_NOPS = 0x02,
	SIZE_UNKNOWN = 0x04,
	SIZE_TOO_LARGE = 0x08,
};

#define OFFSET 0x1000

static void check_place(const struct placement_code *code)
{
	struct placement p = {.nr_over = 99};
	char text[128];

	placement__choose_bytes(code, &p);
	REQUIRE(p.cost <= PLACEMENT_REFUSED && p.instruction && p.nr_over <= PLACEMENT_STEPS);
	REQUIRE(p.offset == OFFSET || p.offset - OFFSET < code->size);
	REQUIRE((p.offset == OFFSET) == !p.nr_over);
	REQUIRE(p.cost != PLACEMENT_REFUSED || p.offset == OFFSET);
	placement__describe(&p, OFFSET, text, sizeof(text));
	placement__describe(&p, OFFSET, text, 7);
}

static void check_steps(const struct placement_code *code)
{
	struct placement_step step;
	size_t at = 0;

	while (placement__step(code->machine, code->bytes + at, code->n - at, &step)) {
		REQUIRE(step.length && step.length <= 15 && step.length <= code->n - at);
		REQUIRE(step.flow <= PLACEMENT_FLOW_END);
		at += step.length;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct placement_code code = {.offset = OFFSET};

	if (!size)
		return 0;
	code.machine = data[0] & ARM64 ? EM_AARCH64 : EM_X86_64;
	code.nops = data[0] & NEW_NOPS ? PLACEMENT_NOPS_5 : PLACEMENT_NOPS_OLD;
	code.bytes = data + 1;
	code.n = size - 1;
	code.size = data[0] & SIZE_UNKNOWN     ? 0
		    : data[0] & SIZE_TOO_LARGE ? UINT64_MAX - code.n
					       : code.n;
	check_place(&code);
	check_steps(&code);
	return 0;
}
