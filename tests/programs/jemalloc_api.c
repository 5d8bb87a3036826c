/* SPDX-License-Identifier: GPL-2.0-or-later */
/* jemalloc's own functions beside malloc: mallocx, rallocx, xallocx, dallocx, sdallocx. */
#include <jemalloc/jemalloc.h>

#include "expect.h"

NOIPA static void leak_mallocx(void)
{
	void *p = EXPECT_NOTE(mallocx(100, 0), 100);

	expect_del(p);
	dallocx(p, 0);
	p = EXPECT_NOTE(mallocx(110, MALLOCX_ALIGN(64)), 110);
	expect_del(p);
	sdallocx(p, 110, MALLOCX_ALIGN(64));
	EXPECT_NOTE(mallocx(120, MALLOCX_ZERO), 120);
}

NOIPA static void leak_rallocx(void)
{
	void *p = EXPECT_NOTE(mallocx(50, 0), 50);

	p = EXPECT_MOVE(p, rallocx(p, 5000, 0), 5000);
	EXPECT_MOVE(p, rallocx(p, 130, 0), 130);
}

/* A block of 1000 bytes has room for 1020, and none for a million. */
NOIPA static void leak_xallocx(void)
{
	void *p = EXPECT_NOTE(mallocx(1000, 0), 1000);

	if (xallocx(p, 1000000, 0, 0) >= 1000000)
		abort();
	if (xallocx(p, 1020, 0, 0) < 1020)
		abort();
	expect_del(p);
	expect_add(p, 1020, "malloc", __func__, false);
}

NOIPA static void leak_nothing(void)
{
	void *p = malloc(64);

	if (malloc_usable_size(p) < 64 || sallocx(p, 0) < 64 || nallocx(64, 0) < 64)
		abort();
	free(p);
}

int main(void)
{
	leak_mallocx();
	leak_rallocx();
	leak_xallocx();
	leak_nothing();
	return expect_done(0);
}
