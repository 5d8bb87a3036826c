/* SPDX-License-Identifier: GPL-2.0-or-later */
/* 64 threads allocate while two others change the address space all the time. One block in ten is
 * kept. */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "expect.h"

#define THREADS 64
#define ROUNDS	150

static atomic_int stop;

NOIPA static void *deep(int depth, int n)
{
	void *p = depth ? deep(depth - 1, n) : malloc(n);

	__asm__ volatile("" ::"r"(p) : "memory");
	return p;
}

static void *allocate(void *arg)
{
	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		void *p = deep(10, 32 + i % 100);

		if (i % 10)
			free(p);
	}
	return NULL;
}

static void *map(void *arg)
{
	(void)arg;
	while (!stop) {
		char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			       -1, 0);

		if (p == MAP_FAILED)
			abort();
		p[0] = 1;
		mprotect(p, 4096, PROT_READ);
		munmap(p, 1 << 20);
	}
	return NULL;
}

int main(void)
{
	pthread_t threads[THREADS], mappers[2];

	for (int i = 0; i < 2; i++)
		pthread_create(&mappers[i], NULL, map, NULL);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, allocate, NULL);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	stop = 1;
	for (int i = 0; i < 2; i++)
		pthread_join(mappers[i], NULL);
	expect.totals_unknown = true; /* threads allocate when they are made */
	return expect_done(0);
}
