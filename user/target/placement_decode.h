/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_TARGET_PLACEMENT_DECODE_H
#define MEMLEAK_TARGET_PLACEMENT_DECODE_H

/*
 * What placement.c asks about an instruction: placement_x86.c and placement_arm64.c know those of
 * one machine each, and what the kernel does for them.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "target/placement.h"

/* No instruction of any machine is longer. */
#define MAX_LENGTH 15

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

/* The instruction @at in @f, of which @n bytes may be read. */
void x86_decode(const struct placement_code *f, uint64_t at, size_t n, struct instruction *ret);
void arm64_decode(const struct placement_code *f, uint64_t at, size_t n, struct instruction *ret);

/* As placement__step. */
bool x86_step(const unsigned char *bytes, size_t n, struct placement_step *ret);
bool arm64_step(const unsigned char *bytes, size_t n, struct placement_step *ret);

#endif
