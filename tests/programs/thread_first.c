/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The first malloc of a thread sets up an arena inside; the thread is gone when anybody looks. */
#include <pthread.h>

#include "expect.h"

NOIPA static void leak_first(void)
{
	malloc(333);
}

static void *work(void *arg)
{
	leak_first();
	return arg;
}

int main(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, work, NULL))
		abort();
	pthread_join(thread, NULL);
	expect.totals_unknown = true; /* pthread_create allocates */
	return expect_done(0);
}
