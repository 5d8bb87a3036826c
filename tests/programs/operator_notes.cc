/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Calls an operator new[] of its own for small blocks, and after each of them malloc for a large
 * one, further down the stack, where the return address of the operator is still what it was.
 */
#include <alloca.h>
#include <cstdlib>
#include <new>

static void *volatile lost, *volatile area;

__attribute__((noipa)) void *operator new[](std::size_t size)
{
	return malloc(size);
}

void operator delete[](void *p) noexcept
{
	free(p);
}

void operator delete[](void *p, std::size_t) noexcept
{
	free(p);
}

__attribute__((noipa)) static void use(void *p)
{
	lost = p;
}

__attribute__((noipa)) static void allocate()
{
	void *small = ::operator new[](8);

	/* No call from here on that would write where the operator's return address is. */
	area = alloca(256);
	use(malloc(200));
	use(small);
}

int main()
{
	for (int i = 0; i < 50; i++)
		allocate();
	return 0;
}
