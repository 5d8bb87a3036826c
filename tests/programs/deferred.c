/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Programs in which it counts when a free is told of:
 *   deferred addresses SECONDS   two blocks at most, each at an address where none was for long
 *   deferred lists SECONDS       threads with lists: each block is reachable at any time
 *   deferred load LIBRARY        threads free a million blocks while the library is loaded; 9 stay
 *   deferred peak LIBRARY        frees 4,000 of 1,000 bytes, loads it, has 8,000 of them at once
 *   deferred twice LIBRARY       frees a block, loads it, frees the block again
 *   deferred vfork 0             frees 1,000 blocks, whose addresses a vfork child takes; 10 stay
 *   deferred vforks 0            has 1,000 blocks; 50 are freed each before a vfork child takes its address; 200 more
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NOIPA __attribute__((noipa))

static time_t end;

static void load(const char *library)
{
	if (!dlopen(library, RTLD_NOW))
		abort();
}

NOIPA static void *get(size_t size)
{
	void *p = malloc(size);

	if (!p)
		abort();
	return p;
}

static void addresses(void)
{
	size_t i;

	while (time(NULL) < end) {
		for (i = 70; i < 8000; i++) {
			void *p = get(i * 8), *q = get(2000);

			free(q);
			free(p);
		}
		usleep(3000);
	}
}

#define LISTS	256
#define THREADS 6

struct node {
	struct node *next;
	int depth;
};

static struct node *volatile heads[THREADS][LISTS];

static void *keep_lists(void *arg)
{
	struct node *volatile *own = arg;
	unsigned int random = (uintptr_t)arg;

	while (time(NULL) < end) {
		struct node *head, *n;
		int i;

		for (i = 0; i < 1000; i++) {
			random = random * 1103515245 + 12345;
			head = own[random >> 16 & (LISTS - 1)];
			if (head && (random >> 25 & 1 || head->depth > 12)) {
				own[random >> 16 & (LISTS - 1)] = head->next;
				free(head);
				continue;
			}
			n = get(32 + (random >> 26 & 1) * 16);
			n->next = head;
			n->depth = head ? head->depth + 1 : 1;
			own[random >> 16 & (LISTS - 1)] = n;
		}
	}
	return NULL;
}

static void lists(void)
{
	pthread_t threads[THREADS];
	int i;

	for (i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, keep_lists, (void *)heads[i]);
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

#define BLOCKS 500000

static void *blocks[2][BLOCKS];
static int filled, freeing;

static void *free_all(void *arg)
{
	void **own = arg;
	int i;

	for (i = 0; i < BLOCKS; i++)
		own[i] = get(40);
	__atomic_add_fetch(&filled, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&filled, __ATOMIC_SEQ_CST) < 3)
		usleep(1000);
	for (i = 0; i < BLOCKS; i++) {
		free(own[i]);
		__atomic_store_n(&freeing, i, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void load_meanwhile(const char *library)
{
	pthread_t threads[2];
	int i;

	for (i = 0; i < 9; i++)
		get(50);
	for (i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, free_all, blocks[i]);
	while (__atomic_load_n(&filled, __ATOMIC_SEQ_CST) < 2)
		usleep(1000);
	__atomic_store_n(&filled, 3, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&freeing, __ATOMIC_RELAXED) < BLOCKS / 20)
		usleep(100);
	load(library);
	for (i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
}

static void peak(const char *library)
{
	static void *large[8000], *between[4000];
	int i;

	for (i = 0; i < 4000; i++) {
		large[i] = get(1000);
		between[i] = get(24);
	}
	for (i = 0; i < 4000; i++)
		free(large[i]);
	load(library);
	for (i = 0; i < 8000; i++)
		large[i] = get(1000);
	for (i = 0; i < 8000; i++)
		free(large[i]);
	for (i = 0; i < 4000; i++)
		free(between[i]);
}

NOIPA static void second(void *p)
{
	free(p);
}

static void twice(const char *library)
{
	void *p = get(100), *volatile again = p;

	free(p);
	load(library);
	second(again);
}

static void child(void)
{
	static void *freed[1000];
	int i;

	for (i = 0; i < 1000; i++)
		freed[i] = get(777);
	for (i = 0; i < 1000; i++)
		free(freed[i]);
	if (!vfork()) {
		for (i = 0; i < 1000; i++)
			get(777);
		_exit(0);
	}
	wait(NULL);
	for (i = 0; i < 10; i++)
		get(555);
}

static void children(void)
{
	static void *blocks[1000];
	static int i; /* a child shares it */

	for (i = 0; i < 1000; i++)
		blocks[i] = get(100);
	for (i = 0; i < 50; i++) {
		free(blocks[i]);
		if (!vfork()) {
			blocks[i] = get(100);
			_exit(0);
		}
		wait(NULL);
	}
	for (i = 0; i < 200; i++)
		get(100);
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	end = time(NULL) + atoi(argv[2]);
	if (!strcmp(argv[1], "addresses"))
		addresses();
	else if (!strcmp(argv[1], "lists"))
		lists();
	else if (!strcmp(argv[1], "load"))
		load_meanwhile(argv[2]);
	else if (!strcmp(argv[1], "peak"))
		peak(argv[2]);
	else if (!strcmp(argv[1], "twice"))
		twice(argv[2]);
	else if (!strcmp(argv[1], "vfork"))
		child();
	else if (!strcmp(argv[1], "vforks"))
		children();
	_exit(0);
}
