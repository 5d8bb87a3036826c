/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A function whose code stands in another one keeps its name, by the debug information. */
#include "expect.h"

__attribute__((always_inline)) static inline void leak_inlined(void)
{
	malloc(606);
}

NOIPA static void holder(void)
{
	leak_inlined();
}

int main(void)
{
	holder();
	return expect_done(0);
}
