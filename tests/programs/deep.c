/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A block lost at the bottom of DEPTH calls. */
#include "expect.h"

#ifndef DEPTH
#define DEPTH 60
#endif

NOIPA static int down(int n, volatile int *sum)
{
	if (n == 1)
		malloc(40);
	else
		down(n - 1, sum);
	*sum += n;
	return *sum;
}

int main(void)
{
	volatile int sum = 0;

	down(DEPTH, &sum);
	return expect_done(sum != DEPTH * (DEPTH + 1) / 2);
}
