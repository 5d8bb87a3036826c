/* SPDX-License-Identifier: GPL-2.0-or-later */
/* mremap grows, shrinks and moves a mapping; MAP_FIXED replaces what was there. */
#include <sys/mman.h>

#include "expect.h"

#define KIB   1024
#define FLAGS (MAP_PRIVATE | MAP_ANONYMOUS)

NOIPA static void leak_grown(void)
{
	char *p = mmap(NULL, 64 * KIB, PROT_READ, FLAGS, -1, 0);

	p = mremap(p, 64 * KIB, 1024 * KIB, MREMAP_MAYMOVE);
	if (p == MAP_FAILED)
		abort();
	expect_mmap(__func__, 1, 1024 * KIB);
}

NOIPA static void leak_shrunk(void)
{
	char *p = mmap(NULL, 128 * KIB, PROT_READ, FLAGS, -1, 0);

	p = mremap(p, 128 * KIB, 64 * KIB, 0);
	if (p == MAP_FAILED)
		abort();
	expect_mmap(__func__, 1, 64 * KIB);
}

/* Moved on top of another mapping, which ends thereby. */
NOIPA static void leak_moved(void)
{
	char *p = mmap(NULL, 64 * KIB, PROT_READ, FLAGS, -1, 0);
	char *q = mmap(NULL, 64 * KIB, PROT_READ | PROT_WRITE, FLAGS, -1, 0);

	if (mremap(p, 64 * KIB, 64 * KIB, MREMAP_MAYMOVE | MREMAP_FIXED, q) != q)
		abort();
	expect_mmap(__func__, 1, 64 * KIB);
}

NOIPA static void mremap_fails(void)
{
	char *p = mmap(NULL, 64 * KIB, PROT_READ, FLAGS, -1, 0);

	if (mremap(p, 64 * KIB, (size_t)-1 / 2, MREMAP_MAYMOVE) != MAP_FAILED)
		abort();
	munmap(p, 64 * KIB);
}

NOIPA static char *leak_below(void)
{
	char *p = mmap(NULL, 192 * KIB, PROT_READ, FLAGS, -1, 0);

	if (p == MAP_FAILED)
		abort();
	return p;
}

NOIPA static void leak_fixed(char *below)
{
	char *p = mmap(below + 64 * KIB, 64 * KIB, PROT_READ | PROT_WRITE, FLAGS | MAP_FIXED, -1, 0);

	if (p == MAP_FAILED)
		abort();
	expect_mmap("leak_below", 2, 128 * KIB);
	expect_mmap(__func__, 1, 64 * KIB);
}

int main(void)
{
	leak_grown();
	leak_shrunk();
	leak_moved();
	mremap_fails();
	leak_fixed(leak_below());
	return expect_done(0);
}
