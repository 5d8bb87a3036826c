/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two allocators in one process: libc's, and one under the names that builds of jemalloc use. */
#include "expect.h"

static char arena[1 << 20] __attribute__((aligned(16)));
static size_t used;

__attribute__((noipa)) void *je_malloc(size_t n)
{
	char *p = arena + used;

	used += (n + 15) & ~(size_t)15;
	return p;
}

__attribute__((noipa)) void je_free(void *p)
{
	(void)p;
	__asm__ volatile("" ::: "memory");
}

NOIPA static void leak_ours(void)
{
	void *p = EXPECT_NOTE(je_malloc(64), 64);

	expect_del(p);
	je_free(p);
	EXPECT_NOTE(je_malloc(65), 65);
}

NOIPA static void leak_libc(void)
{
	free(malloc(66));
	malloc(67);
}

int main(void)
{
	for (int i = 0; i < 10; i++) {
		leak_ours();
		leak_libc();
	}
	return expect_done(0);
}
