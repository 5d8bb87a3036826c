/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * At its end a thread gives back what its cache holds through free's own address: these are blocks
 * that were freed long ago, not frees.
 */
#include <pthread.h>

#include "expect.h"

NOIPA static void leak_some(int i)
{
	malloc(50 + i);
}

static void *work(void *arg)
{
	void *p[20];

	for (int i = 0; i < 20; i++)
		p[i] = malloc(24 * (i + 1));
	for (int i = 0; i < 20; i++)
		free(p[i]);
	leak_some((int)(long)arg);
	return NULL;
}

int main(void)
{
	for (long i = 0; i < 10; i++) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, work, (void *)i))
			abort();
		pthread_join(thread, NULL);
	}
	expect.totals_unknown = true;
	return expect_done(0);
}
