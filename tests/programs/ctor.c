/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Allocations of a library's constructor, before main, are seen. */
#include "expect.h"

extern void *ctor_block;

int main(void)
{
	static char freed;

	expect_add(&freed, 99, "malloc", "at_start", false);
	expect_del(&freed);
	expect_add(ctor_block, 1234, "malloc", "ctor_leak", false);
	return expect_done(0);
}
