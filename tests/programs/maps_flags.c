/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the flags of mmap and mremap mean for what is mapped afterwards; and what is no mapping. */
#include <sys/mman.h>

#include "expect.h"

#define KIB   1024
#define FLAGS (MAP_PRIVATE | MAP_ANONYMOUS)

static char *check(void *p)
{
	if (p == MAP_FAILED)
		abort();
	return p;
}

/* The pages move, the mapping that they were in stays. */
NOIPA static void leak_both(void)
{
	char *p = check(mmap(NULL, 64 * KIB, PROT_READ | PROT_WRITE, FLAGS, -1, 0));
	char *q = mremap(p, 64 * KIB, 64 * KIB, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);

	if (q == MAP_FAILED || q == p)
		abort();
	expect_mmap(__func__, 2, 128 * KIB);
}

/* An old size of 0 maps shared pages once more. */
NOIPA static void leak_doubled(void)
{
	char *p = check(mmap(NULL, 32 * KIB, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0));

	check(mremap(p, 0, 32 * KIB, MREMAP_MAYMOVE));
	expect_mmap(__func__, 2, 64 * KIB);
}

/* The middle of a mapping moves away and grows, its ends stay. */
NOIPA static void leak_middle_moved(void)
{
	char *p = check(mmap(NULL, 192 * KIB, PROT_READ, FLAGS, -1, 0));

	if (check(mremap(p + 64 * KIB, 64 * KIB, 256 * KIB, MREMAP_MAYMOVE)) == p + 64 * KIB)
		abort();
	expect_mmap(__func__, 3, 384 * KIB);
}

NOIPA static void leak_not_replaced(void)
{
	char *p = check(mmap(NULL, 128 * KIB, PROT_READ, FLAGS, -1, 0));
	int flags = FLAGS | MAP_FIXED_NOREPLACE;

	/* Refused over what is there, granted where nothing is. */
	if (mmap(p + 64 * KIB, 128 * KIB, PROT_READ, flags, -1, 0) != MAP_FAILED)
		abort();
	munmap(p + 64 * KIB, 64 * KIB);
	if (mmap(p + 64 * KIB, 64 * KIB, PROT_NONE, flags, -1, 0) != p + 64 * KIB)
		abort();
	expect_mmap(__func__, 2, 128 * KIB);
}

/* One MAP_FIXED over the end of one mapping and the beginning of the next. */
NOIPA static void leak_over_two(void)
{
	char *p = check(mmap(NULL, 256 * KIB, PROT_READ, FLAGS, -1, 0));

	check(mmap(p + 128 * KIB, 128 * KIB, PROT_NONE, FLAGS | MAP_FIXED, -1, 0));
	check(mmap(p + 64 * KIB, 128 * KIB, PROT_READ | PROT_WRITE, FLAGS | MAP_FIXED, -1, 0));
	expect_mmap(__func__, 3, 256 * KIB);
}

NOIPA static void leak_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	check(mmap(NULL, 4 * KIB, PROT_READ, MAP_PRIVATE, fd, 0));
	munmap(check(mmap(NULL, 4 * KIB, PROT_READ, MAP_SHARED, fd, 0)), 4 * KIB);
	close(fd);
	expect_mmap(__func__, 1, 4 * KIB);
}

/* The size asked for, not that of its pages; munmap takes the whole page. */
NOIPA static void leak_odd_size(void)
{
	check(mmap(NULL, 100, PROT_READ, FLAGS, -1, 0));
	munmap(check(mmap(NULL, 5000, PROT_READ, FLAGS, -1, 0)), 4097);
	expect_mmap(__func__, 1, 100);
}

/* Three mappings and the holes between them end at once. */
NOIPA static void munmap_of_several(void)
{
	char *p = check(mmap(NULL, 320 * KIB, PROT_READ, FLAGS, -1, 0));
	int i;

	for (i = 1; i < 5; i += 2)
		munmap(p + 64 * KIB * i, 64 * KIB);
	munmap(p, 320 * KIB);
}

/* brk is no mapping, and what an allocator maps for itself is no second one. */
NOIPA static void leak_heap(void)
{
	sbrk(1024 * KIB);
	malloc(300 * KIB);
}

int main(int argc, char **argv)
{
	(void)argc;
	leak_both();
	leak_doubled();
	leak_middle_moved();
	leak_not_replaced();
	leak_over_two();
	leak_file(argv[0]);
	leak_odd_size();
	munmap_of_several();
	leak_heap();
	return expect_done(0);
}
