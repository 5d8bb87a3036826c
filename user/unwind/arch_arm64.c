// SPDX-License-Identifier: GPL-2.0-or-later
#include "unwind/arch.h"

#include <elf.h>

/* DWARF for the Arm 64-bit Architecture (AADWARF64), 4.1: DWARF register names */
const struct unwind_arch unwind_arch_arm64 = {
	.machine = EM_AARCH64,
	.sp = 31,
	.fp = 29,
	.ra = 30,
	.ra_is_register = true,
	/*
	 * The vDSO's trampoline. Its CFI follows the frame record that the kernel made of x29 and
	 * x30, so that it loses the interrupted instruction and the leaf that it may be in.
	 */
	.signal =
		{
			.cfa = UNWIND_CFA_SIGNAL,
			.fp = UNWIND_AT_SP,
			.ra = UNWIND_AT_SP,
			.cfa_offset = UNWIND_ARM64_SIGNAL_SP,
			.fp_offset = UNWIND_ARM64_SIGNAL_FP,
			.ra_offset = UNWIND_ARM64_SIGNAL_IP,
		},
};
