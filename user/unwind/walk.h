/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_UNWIND_WALK_H
#define MEMLEAK_UNWIND_WALK_H

/* The kernel side's step from a frame to its caller, on memory that was copied. */

#include <stdint.h>

#include "bpf/unwind.h"

struct unwind_world {
	void *context;
	/* @size bytes at @addr to @to: 0 or not. */
	int (*read)(void *context, void *to, uint32_t size, uint64_t addr);
	/* What holds for the code at @pc: 0, 1 where there is no code, or -errno. */
	int (*rule)(void *context, uint64_t pc, struct unwind_rule *ret);
};

/* From the frame @regs to its caller: enum unwind_result, with @regs unchanged unless it is
 * UNWIND_STEPPED, or -errno of unwind_world.rule. */
int unwind_walk__step(const struct unwind_world *w, struct unwind_regs *regs);

#endif
