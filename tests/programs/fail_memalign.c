/* SPDX-License-Identifier: GPL-2.0-or-later */
/* posix_memalign fails by its return value; the pointer then keeps what it held before. */
#include "expect.h"

static volatile size_t huge = SIZE_MAX / 2, three = 3;

NOIPA static void *leak_one(void)
{
	void *p;

	if (posix_memalign(&p, 64, 100))
		abort();
	return p;
}

int main(void)
{
	void *p = leak_one(), *q = p;

	if (posix_memalign(&p, three, 1000) != EINVAL || p != q)
		abort();
	if (posix_memalign(&p, 0, 1000) != EINVAL || p != q)
		abort();
	if (posix_memalign(&p, 64, huge) != ENOMEM || p != q)
		abort();
	return expect_done(0);
}
