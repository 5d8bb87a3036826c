/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An allocator that tells of 100 blocks that it has drawn itself, each of which stands for 100,000;
 * then 100 of malloc.
 */
#include <stddef.h>
#include <stdlib.h>

#define _SDT_HAS_SEMAPHORES 1
#include <sys/sdt.h>

#define NOIPA  __attribute__((noipa))
#define BLOCKS 100
#define SIZE   16UL

unsigned short otel_memory_alloc_semaphore __attribute__((section(".probes")));
unsigned short otel_memory_free_semaphore __attribute__((section(".probes")));

static char arena[BLOCKS * SIZE] __attribute__((aligned(16)));

NOIPA static void draw(int i)
{
	if (otel_memory_alloc_semaphore)
		DTRACE_PROBE3(otel_memory, alloc, arena + SIZE * i, SIZE, 100000 * SIZE);
}

/* Sites count only where both kinds are. */
NOIPA static void give_back(int i)
{
	if (otel_memory_free_semaphore)
		DTRACE_PROBE1(otel_memory, free, arena + SIZE * i);
}

NOIPA static void leak(void)
{
	void *volatile p = malloc(SIZE);

	(void)p;
}

int main(int argc, char **argv)
{
	int i;

	(void)argv;
	for (i = 0; i < BLOCKS; i++)
		draw(i);
	for (i = 0; i < BLOCKS; i++)
		leak();
	if (argc > 1)
		give_back(0);
	return 0;
}
