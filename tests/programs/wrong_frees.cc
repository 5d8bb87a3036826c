/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every kind of wrong free, with the pairs that are right in between. `wrong_frees dies` frees
 * twice as a program does that has not prepared for it: glibc ends it. `wrong_frees dies N` takes N
 * other blocks in between.
 */
#include <cstdint>
#include <cstring>
#include <new>

#include "findings.h"

struct alignas(64) aligned {
	char room[128];
};

PLAINNAME void *by_malloc(size_t n)
{
	return malloc(n);
}

PLAINNAME void *by_new(size_t n)
{
	return ::operator new(n);
}

PLAINNAME void *by_array(size_t n)
{
	return ::operator new[](n);
}

PLAINNAME void *by_aligned()
{
	return new aligned;
}

PLAINNAME void do_free(void *p)
{
	free(p);
}

PLAINNAME void *do_realloc(void *p, size_t n)
{
	return realloc(p, n);
}

PLAINNAME void do_delete(void *p)
{
	::operator delete(p);
}

PLAINNAME void do_sized(void *p, size_t n)
{
	::operator delete(p, n);
}

PLAINNAME void do_sized_array(void *p, size_t n)
{
	::operator delete[](p, n);
}

PLAINNAME void do_array(void *p)
{
	::operator delete[](p);
}

static void right()
{
	do_free(by_malloc(10));
	do_delete(by_new(11));
	do_sized(by_new(12), 12);
	do_array(by_array(13));
	do_sized_array(by_array(14), 14);
	do_sized(by_new(0), 0);
	delete static_cast<aligned *>(by_aligned());
	do_free(do_realloc(by_malloc(15), 1500));
	do_delete(nullptr);
	do_free(nullptr);
}

static void mismatched()
{
	do_free(by_new(20));
	do_free(by_array(21));
	do_free(by_aligned());
	do_delete(by_malloc(22));
	do_delete(by_array(23));
	do_array(by_malloc(24));
	do_array(by_new(25));
	for (int i = 0; i < 5; i++)
		do_sized(by_malloc(26), 7); /* two faults, one finding */
	do_free(do_realloc(by_new(27), 100));
	finding("mismatched_free", 1, 20, "new", "by_new", "free", "do_free", 0);
	finding("mismatched_free", 1, 21, "new[]", "by_array", "free", "do_free", 0);
	finding("mismatched_free", 1, 128, "new", "by_aligned", "free", "do_free", 0);
	finding("mismatched_free", 1, 22, "malloc", "by_malloc", "delete", "do_delete", 0);
	finding("mismatched_free", 1, 23, "new[]", "by_array", "delete", "do_delete", 0);
	finding("mismatched_free", 1, 24, "malloc", "by_malloc", "delete[]", "do_array", 0);
	finding("mismatched_free", 1, 25, "new", "by_new", "delete[]", "do_array", 0);
	finding("mismatched_free", 5, 26, "malloc", "by_malloc", "delete", "do_sized", 0);
	finding("mismatched_free", 1, 27, "new", "by_new", "realloc", "do_realloc", 0);
}

static void sized()
{
	do_sized(by_new(30), 16);
	do_sized_array(by_array(31), 32);
	finding("sized_delete", 1, 30, "new", "by_new", "delete", "do_sized", 16);
	finding("sized_delete", 1, 31, "new[]", "by_array", "delete[]", "do_sized_array", 32);
}

/* glibc knows what is in its cache by the second word: without it, it takes the block once more. */
static void twice()
{
	volatile uintptr_t *p = static_cast<volatile uintptr_t *>(by_malloc(600));

	do_free((void *)p);
	p[1] = 0;
	do_free((void *)p);
	finding("double_free", 1, 600, "malloc", "by_malloc", "free", "do_free", 0);
}

/* What looks like a block to glibc and is none. */
static void invalid()
{
	static uintptr_t room[8] __attribute__((aligned(16)));

	room[1] = 0x31; /* its size */
	do_free(&room[2]);
	finding("invalid_free", 1, 0, nullptr, nullptr, "free", "do_free", 0);
}

static void *volatile kept;

int main(int argc, char **argv)
{
	right();
	if (argc > 1 && strcmp(argv[1], "dies") == 0) {
		void *p = by_malloc(700);

		finding("double_free", 1, 700, "malloc", "by_malloc", "free", "do_free", 0);
		do_free(p);
		for (int n = argc > 2 ? atoi(argv[2]) : 0; n; n--)
			kept = by_malloc(20);
		do_free(p);
	}
	mismatched();
	sized();
	twice();
	invalid();
	_exit(0); /* what glibc has in its caches now is no heap any more */
}
