/* SPDX-License-Identifier: GPL-2.0-or-later */
/* free_twice ROUNDS: eight threads free what they have got, twice each time; the allocator has to
 * bear it (libbump.c). */
#include <pthread.h>

#include "expect.h"

#undef malloc
#undef free

#define THREADS 8

static long rounds;

NOIPA static void first(void *p)
{
	free(p);
	__asm__ volatile("" ::: "memory");
}

NOIPA static void second(void *p)
{
	free(p);
	__asm__ volatile("" ::: "memory");
}

static void *work(void *arg)
{
	for (long i = 0; i < rounds; i++) {
		void *p = malloc(16);

		first(p);
		second(p);
	}
	return arg;
}

int main(int argc, char **argv)
{
	pthread_t threads[THREADS];

	rounds = argc > 1 ? atol(argv[1]) : 1;
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, work, NULL);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	_exit(0);
}
