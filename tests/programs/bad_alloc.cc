/* SPDX-License-Identifier: GPL-2.0-or-later */
/* operator new that fails: tries, throws, has allocated nothing. */
#include <new>

#include "expect.h"

static volatile size_t huge = SIZE_MAX / 4;

NOIPA static void leak_nothing()
{
	*(volatile char *)::operator new[](huge) = 1;
}

NOIPA static void leak_after()
{
	expect_add(new char[70], 70, "new[]", __func__, false);
}

int main()
{
	int caught = 0;

	for (int i = 0; i < 3; i++) {
		try {
			leak_nothing();
		} catch (const std::bad_alloc &) {
			caught++;
		}
	}
	/* These throw inside, and catch. */
	if (::operator new(huge, std::nothrow) || ::operator new[](huge, std::nothrow))
		caught++;
	leak_after();
	expect.totals_unknown = true; /* exceptions are allocated, and freed */
	return expect_done(caught != 3);
}
