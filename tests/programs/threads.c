/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Eight threads; a tenth of their blocks is lost, a tenth is freed by another thread. */
#include <pthread.h>

#include "expect.h"

#define THREADS 8
#define ROUNDS	3000

static pthread_barrier_t all_here;
static void *handed_over[THREADS][ROUNDS / 10];

NOIPA static void leak_in_thread(unsigned n)
{
	malloc(n);
}

NOIPA static void *hand_over(unsigned n)
{
	return malloc(n);
}

static void *work(void *arg)
{
	long me = (long)arg;
	long other = (me + 1) % THREADS;

	pthread_barrier_wait(&all_here);
	for (int i = 0; i < ROUNDS; i++) {
		if (i % 10 == 3)
			leak_in_thread(16 + i % 100);
		else if (i % 10 == 7)
			handed_over[me][i / 10] = hand_over(32 + i % 500);
		else
			free(malloc(8 + i % 300));
	}
	pthread_barrier_wait(&all_here);
	for (int i = 0; i < ROUNDS / 10; i++)
		free(handed_over[other][i]);
	pthread_barrier_wait(&all_here);
	return NULL;
}

int main(void)
{
	pthread_t threads[THREADS];

	pthread_barrier_init(&all_here, NULL, THREADS);
	for (long i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, work, (void *)i))
			abort();
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
#ifdef __GLIBC__
	expect.totals_unknown = true; /* pthread_create allocates */
#endif
	return expect_done(0);
}
