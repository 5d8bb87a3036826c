/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An empty C++ program: what the runtime allocates on its own. */
#include <new>

#include "expect.h"

int main()
{
	/* Names something of the runtime, so that it is linked. */
	std::set_new_handler(nullptr);
	return expect_done(0);
}
