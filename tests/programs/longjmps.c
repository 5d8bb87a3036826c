/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Jumps out over frames that allocated, again and again. */
#include <setjmp.h>

#include "expect.h"

static jmp_buf out;

NOIPA static void leak_and_jump(int n)
{
	void *p = malloc(44);

	if (n % 4)
		free(p);
	longjmp(out, 1);
}

NOIPA static void middle(int n)
{
	char room[256];

	memset(room, n, sizeof(room));
	leak_and_jump(n);
	abort();
}

NOIPA static void leak_afterwards(void)
{
	malloc(55);
}

int main(void)
{
	for (volatile int i = 0; i < 2000; i++)
		if (!setjmp(out))
			middle(i);
	leak_afterwards();
	return expect_done(0);
}
