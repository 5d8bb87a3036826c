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
 */
#include "target/placement_decode.h"

#include <errno.h>
#include <gelf.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/cleanup.h"

/* Larger functions are not searched for jumps. */
#define MAX_BODY (256 * 1024)

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

bool placement__step(uint16_t machine, const unsigned char *bytes, size_t n,
		     struct placement_step *ret)
{
	if (machine == EM_X86_64)
		return x86_step(bytes, n, ret);
	return machine == EM_AARCH64 && arm64_step(bytes, n, ret);
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
