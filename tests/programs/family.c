/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Every C allocation function, each once kept and once freed, each from a function of its own. */
#include <malloc.h>
#include <stdlib.h>

#include "expect.h"

NOIPA static void leak_malloc(void)
{
	free(malloc(100));
	malloc(101);
	malloc(0);
}

NOIPA static void leak_calloc(void)
{
	free(calloc(3, 50));
	calloc(7, 29);
}

NOIPA static void leak_realloc(void)
{
	void *p = malloc(24);

	free(realloc(NULL, 40));
	p = realloc(p, 301);
	p = realloc(p, 307);
}

NOIPA static void leak_reallocarray(void)
{
	void *p = reallocarray(NULL, 2, 32);

	p = reallocarray(p, 5, 81);
}

NOIPA static void leak_posix_memalign(void)
{
	void *p;

	if (!posix_memalign(&p, 64, 500))
		free(p);
	if (posix_memalign(&p, 128, 501))
		abort();
}

NOIPA static void leak_aligned_alloc(void)
{
	free(aligned_alloc(32, 64));
	aligned_alloc(64, 640);
}

#ifdef __GLIBC__
NOIPA static void leak_memalign(void)
{
	free(memalign(32, 700));
	memalign(256, 701);
}

NOIPA static void leak_valloc(void)
{
	free(valloc(800));
	valloc(801);
}
#endif

int main(void)
{
	leak_malloc();
	leak_calloc();
	leak_realloc();
	leak_reallocarray();
	leak_posix_memalign();
	leak_aligned_alloc();
#ifdef __GLIBC__
	leak_memalign();
	leak_valloc();
#endif
	free(NULL);
	return expect_done(0);
}
