// SPDX-License-Identifier: GPL-2.0-or-later
#include "unwind/arch.h"

#include <stddef.h>

#include "util/cleanup.h"

const struct unwind_arch *unwind_arch__find(uint16_t machine)
{
	static const struct unwind_arch *const all[] = {&unwind_arch_x86_64, &unwind_arch_arm64};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(all); i++)
		if (all[i]->machine == machine)
			return all[i];
	return NULL;
}
