/* SPDX-License-Identifier: GPL-2.0-or-later */
/* munmap of a part leaves the rest; of a middle part, two pieces. */
#include <sys/mman.h>

#include "expect.h"

#define KIB 1024

static long page;

static char *map(size_t n)
{
	char *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		abort();
	return p;
}

NOIPA static void leak_head(void)
{
	char *p = mmap(NULL, 64 * KIB, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	munmap(p + 32 * KIB, 32 * KIB);
	expect_mmap(__func__, 1, 32 * KIB);
}

NOIPA static void leak_all_but_first_page(void)
{
	char *p = mmap(NULL, 64 * KIB, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	munmap(p, page);
	expect_mmap(__func__, 1, 64 * KIB - page);
}

NOIPA static void leak_two_pieces(void)
{
	char *p = mmap(NULL, 64 * KIB, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	munmap(p + 16 * KIB, 16 * KIB);
	expect_mmap(__func__, 2, 48 * KIB);
}

NOIPA static void no_leak_at_all(void)
{
	char *p = mmap(NULL, 128 * KIB, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	munmap(p + 64 * KIB, 64 * KIB);
	munmap(p, 128 * KIB); /* the second half is a hole by now */
}

/* One munmap over the end of one mapping, all of a second, and the beginning of a third. */
NOIPA static void leak_outer_ends(void)
{
	char *room = map(256 * KIB);
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;

	munmap(room, 256 * KIB);
	mmap(room, 64 * KIB, PROT_READ, flags, -1, 0);
	mmap(room + 64 * KIB, 64 * KIB, PROT_READ | PROT_WRITE, flags, -1, 0);
	mmap(room + 128 * KIB, 64 * KIB, PROT_READ, flags, -1, 0);
	munmap(room + 32 * KIB, 128 * KIB);
	expect_mmap(__func__, 2, 64 * KIB);
}

int main(void)
{
	page = sysconf(_SC_PAGESIZE);
	leak_head();
	leak_all_but_first_page();
	leak_two_pieces();
	no_leak_at_all();
	leak_outer_ends();
	return expect_done(0);
}
