/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An empty C++ program: what the runtime allocates on its own. */
#include <new>

#include "expect.h"

int main()
{
	/* Named, so that a static program has that part of the runtime too. */
	void *(*volatile named)(std::size_t) = ::operator new;

	(void)named;
	return expect_done(0);
}
