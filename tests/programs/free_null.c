/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Freeing nothing, ten thousand times. */
#include "expect.h"

NOIPA static void leak_one(void)
{
	malloc(48);
}

int main(void)
{
	void *volatile nothing = NULL;

	for (int i = 0; i < 10000; i++)
		free(nothing);
	leak_one();
	return expect_done(0);
}
