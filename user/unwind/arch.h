/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_UNWIND_ARCH_H
#define MEMLEAK_UNWIND_ARCH_H

/* What the table compiler has to know of a machine: one constant per architecture. */

#include <stdbool.h>
#include <stdint.h>

#include "bpf/unwind.h"

struct unwind_arch {
	uint16_t machine;    /* e_machine */
	uint8_t sp, fp, ra;  /* DWARF numbers; ra is the column that CIEs name as return address */
	bool ra_is_register; /* a call leaves the return address in register `ra` */
	/*
	 * The rule of a function that its CIE marks as a signal trampoline and whose CFI does not
	 * find the interrupted stack pointer itself; cfa is UNWIND_CFA_INVALID where there is none.
	 */
	struct unwind_rule signal;
};

extern const struct unwind_arch unwind_arch_x86_64;
extern const struct unwind_arch unwind_arch_arm64;

/* NULL for other machines. */
const struct unwind_arch *unwind_arch__find(uint16_t machine);

#endif
