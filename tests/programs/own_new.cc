/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A program with an operator new of its own, from an array, that throws when it has no room. Its
 * caller catches that: a return address that the unwinder does not know would end the program.
 */
#include <new>

#include "expect.h"

static char arena[1 << 20] __attribute__((aligned(16)));
static size_t used;

static volatile bool refuse;

__attribute__((noinline)) static void *refill(size_t n)
{
	if (refuse || n > sizeof(arena) - used - 16)
		throw std::bad_alloc();
	used += (n + 15) & ~(size_t)15;
	return arena + used - ((n + 15) & ~(size_t)15);
}

__attribute__((noipa)) void *operator new(size_t n)
{
	if (n > 4096)
		return refill(n); /* a tail call */
	for (size_t i = 0; i < n; i++)
		arena[used + i] = 0;
	return refill(n + 1);
}

__attribute__((noipa)) void operator delete(void *) noexcept
{
	__asm__ volatile("" ::: "memory");
}

__attribute__((noipa)) void operator delete(void *, size_t) noexcept
{
	__asm__ volatile("" ::: "memory");
}

NOIPA static char *leak_small(size_t n)
{
	char *p = static_cast<char *>(::operator new(n));

	expect_add(p, n, "new", __func__, false);
	return p;
}

NOIPA static void leak_none()
{
	char *p = leak_small(77);

	expect_del(p);
	::operator delete(p);
}

/* Uses its stack as deep as the call that threw did, and allocates there. */
NOIPA static void leak_after()
{
	char room[512];

	memset(room, 1, sizeof(room));
	__asm__ volatile("" ::"r"(room) : "memory");
	expect_add(malloc(33), 33, "malloc", __func__, false);
}

int main()
{
	int caught = 0;

	leak_small(10);
	leak_small(10000);
	leak_none();
	refuse = true;
	for (int i = 0; i < 20; i++) {
		try {
			leak_small(i % 2 ? 100 : 100000);
		} catch (const std::bad_alloc &) {
			caught++;
		}
		leak_after();
	}
	refuse = false;
	leak_small(11);
	expect.totals_unknown = true; /* exceptions are allocated, and freed */
	return expect_done(caught != 20);
}
