/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A constructor that throws gives its memory back; the exception itself is allocated and freed. */
#include <stdexcept>

#include "expect.h"

struct thrower {
	char room[4000];
	explicit thrower(int n)
	{
		room[0] = (char)n;
		if (n % 2)
			throw std::runtime_error("odd");
	}
};

NOIPA static void leak_half(int n)
{
	expect_add(new thrower(n), sizeof(thrower), "new", __func__, false);
}

int main()
{
	int caught = 0;

	for (int i = 0; i < 20; i++) {
		try {
			leak_half(i);
		} catch (const std::runtime_error &) {
			caught++;
		}
	}
	expect.totals_unknown = true;
	return expect_done(caught != 10);
}
