/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Calls that fail count nothing. */
#include <malloc.h>
#include <sys/mman.h>

#include "expect.h"

static volatile size_t huge = SIZE_MAX / 2;

static void must_fail(void *p)
{
	if (p)
		abort();
}

NOIPA static void leak_around(void)
{
	malloc(100);
	must_fail(malloc(huge));
	must_fail(malloc(huge * 2));
	must_fail(calloc(huge, 4));
	must_fail(calloc(huge, 1));
	must_fail(reallocarray(NULL, huge, 8));
	must_fail(aligned_alloc(64, huge));
	must_fail(memalign(64, huge));
	must_fail(valloc(huge));
	if (mmap(NULL, huge, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)
		abort();
	if (mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)
		abort();
	malloc(11);
}

int main(void)
{
	leak_around();
	return expect_done(0);
}
