/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Rounded up to whole pages inside; the size asked for is what counts. */
#include <malloc.h>

#include "expect.h"

NOIPA static void leak_pvalloc(void)
{
	free(pvalloc(4096));
	pvalloc(901);
}

int main(void)
{
	leak_pvalloc();
	return expect_done(0);
}
