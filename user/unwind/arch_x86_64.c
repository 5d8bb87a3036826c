// SPDX-License-Identifier: GPL-2.0-or-later
#include "unwind/arch.h"

#include <elf.h>

/* System V ABI, x86-64, figure 3.36: DWARF register numbers */
const struct unwind_arch unwind_arch_x86_64 = {
	.machine = EM_X86_64,
	.sp = 7,
	.fp = 6,
	.ra = 16,
	/* glibc's trampoline has CFI that reads the signal frame. */
	.signal = {.cfa = UNWIND_CFA_INVALID},
};
