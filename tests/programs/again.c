/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Programs whose blocks come again or, as samples, pass, so that libmemleak.so does not tell of them:
 *   again pairs N           N allocations and frees of one block; 1 of another size stays
 *   again paths N           by two callers' callers, four times each in turn; every 100th block stays
 *   again peak 0            20 blocks of two kinds, one kind at a time until they come again, then both
 *   again between 0         10 small blocks come again between a large one and its free, three times
 *   again plugins A B       by a function of library A until they come again, then by the same of B: 6 stay
 *   again grow N            a block that is grown by realloc, N times
 *   again fork 0            until they come again; then in a child, of which 2 stay
 *   again threads N         four threads, N pairs each, of which every 1000th stays
 *   again refused N         a block that realloc cannot grow, and frees then, N times; 1 stays
 *   again many N            N pairs, then N blocks that stay, then N pairs
 * Each prints how many have come again, and how many have passed.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NOIPA __attribute__((noipa))

/* Where the library counts: in its mapping that knows its own address (bpf/deferred.h). */
static const volatile uint64_t *counts;

static void find_counts(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned long start, end;
	char line[512];

	while (maps && fgets(line, sizeof(line), maps)) {
		const uint64_t *head;

		if (sscanf(line, "%lx-%lx rw-p %*s 00:00 0", &start, &end) != 2 || end - start < 1 << 20)
			continue;
		head = (const uint64_t *)(start + 65536);
		if (head[7] == (uintptr_t)head)
			counts = head;
	}
	if (maps)
		fclose(maps);
}

static uint64_t came_again(void)
{
	return counts ? counts[2] : 0;
}

static uint64_t passed(void)
{
	return counts ? counts[11] >> 16 : 0;
}

static uint64_t untold(void)
{
	return came_again() + passed();
}

/* Until @n more have been left untold, or for so long that they will not. */
static int may_go_on(uint64_t since, uint64_t n, time_t start)
{
	return untold() - since < n && time(NULL) - start < 10;
}

NOIPA static void *get(size_t size)
{
	void *p = malloc(size);

	if (!p)
		abort();
	return p;
}

NOIPA static void pair(size_t size)
{
	free(get(size));
}

static void pairs(long n)
{
	long i;

	for (i = 0; i < n; i++)
		pair(100);
	get(50);
}

NOIPA static void *middle(size_t size)
{
	void *p = get(size);

	__asm__ volatile("" ::: "memory");
	return p;
}

NOIPA static void *path_a(size_t size)
{
	void *p = middle(size);

	__asm__ volatile("" ::: "memory");
	return p;
}

NOIPA static void *path_b(size_t size)
{
	void *p = middle(size);

	__asm__ volatile("" ::: "memory");
	return p;
}

static void paths(long n)
{
	long i;

	for (i = 0; i < n; i++) {
		void *p = i / 4 % 2 ? path_b(64) : path_a(64);

		if (i % 100)
			free(p);
	}
}

#define KINDS 10

NOIPA static void fill(void **blocks, size_t size)
{
	int i;

	for (i = 0; i < KINDS; i++)
		blocks[i] = get(size);
}

NOIPA static void drain(void **blocks)
{
	int i;

	for (i = KINDS; i--;)
		free(blocks[i]);
}

/* One kind, then the other, then both: each by one call, or it would be another stack. */
static void peak(void)
{
	void *blocks[2][KINDS];
	uint64_t since = untold();
	time_t start = time(NULL);
	volatile int part = 0; /* or the compiler makes several loops, with a call each */
	int k;

	while (part < 3) {
		for (k = 0; k < 2; k++)
			if (part == k || part == 2)
				fill(blocks[k], k ? 9000 : 5000);
		for (k = 0; k < 2; k++)
			if (part == k || part == 2)
				drain(blocks[k]);
		if (part < 2 && may_go_on(since, 50 * KINDS, start))
			continue;
		since = untold();
		part++;
	}
}

static void between(void)
{
	uint64_t since = untold();
	time_t start = time(NULL);
	void *small[KINDS], *large = NULL;
	volatile size_t i = 0; /* or the compiler makes two loops, with a call each */

	while (i <= 3) {
		if (i)
			large = get(i * 500000);
		fill(small, 5000);
		free(large);
		drain(small);
		if (i || !may_go_on(since, 50 * KINDS, start))
			i++;
	}
	get(1);
}

static void plugins(const char *first, const char *second)
{
	const char *names[] = {first, second};
	uintptr_t places[2];
	void *blocks[6];
	int i, k, rounds;

	for (i = 0; i < 2; i++) {
		void *library = dlopen(names[i], RTLD_NOW);
		void *(*make)(size_t) = (void *(*)(size_t))dlsym(library, "plugin_run");
		time_t start = time(NULL);
		uint64_t since = untold();

		if (!make)
			abort();
		places[i] = (uintptr_t)make;
		for (rounds = 0; i ? !rounds : may_go_on(since, 1000, start); rounds++) {
			for (k = 0; k < 6; k++)
				blocks[k] = make(777); /* the one call of both */
			for (k = 6; !i && k--;)
				free(blocks[k]);
		}
		if (!i)
			dlclose(library);
	}
	printf("%s place\n", places[0] == places[1] ? "same" : "another");
}

NOIPA static void *grow(void *p, size_t size)
{
	p = realloc(p, size);
	if (!p)
		abort();
	return p;
}

static void growing(long n)
{
	void *p = NULL;
	long i;

	for (i = 0; i < n; i++) {
		p = grow(p, 1000);
		p = grow(p, 3000);
		p = grow(p, 20);
		free(p);
		p = NULL;
	}
	grow(NULL, 40);
}

static void forked(void)
{
	uint64_t since = untold();
	time_t start = time(NULL);
	int i;

	while (may_go_on(since, 1000, start))
		pair(100);
	if (fork()) {
		wait(NULL);
		return;
	}
	for (i = 0; i < 1000; i++)
		pair(100);
	for (i = 0; i < 2; i++)
		get(100);
	_exit(0);
}

static void *run(void *arg)
{
	long n = *(long *)arg, i;

	for (i = 0; i < n; i++) {
		void *p = get(80);

		if (i % 1000)
			free(p);
	}
	return NULL;
}

static void threads(long n)
{
	pthread_t all[4];
	int i;

	for (i = 0; i < 4; i++)
		pthread_create(&all[i], NULL, run, &n);
	for (i = 0; i < 4; i++)
		pthread_join(all[i], NULL);
}

static void refused(long n)
{
	long i;

	for (i = 0; i <= n; i++) {
		void *p = get(100);

		if (realloc(p, PTRDIFF_MAX))
			abort();
		if (i < n)
			free(p);
	}
}

static void many(long n)
{
	void **kept = calloc(n, sizeof(*kept));
	long i;

	for (i = 0; i < n; i++)
		pair(100);
	for (i = 0; i < n; i++)
		kept[i] = get(100);
	for (i = 0; i < n; i++)
		pair(300);
}

int main(int argc, char **argv)
{
	long n = argc > 2 ? atol(argv[2]) : 0;

	if (argc < 3)
		return 2;
	setvbuf(stdout, NULL, _IONBF, 0);
	find_counts();
	if (strcmp(argv[1], "pairs") == 0)
		pairs(n);
	else if (strcmp(argv[1], "paths") == 0)
		paths(n);
	else if (strcmp(argv[1], "peak") == 0)
		peak();
	else if (strcmp(argv[1], "between") == 0)
		between();
	else if (strcmp(argv[1], "plugins") == 0 && argc == 4)
		plugins(argv[2], argv[3]);
	else if (strcmp(argv[1], "grow") == 0)
		growing(n);
	else if (strcmp(argv[1], "fork") == 0)
		forked();
	else if (strcmp(argv[1], "threads") == 0)
		threads(n);
	else if (strcmp(argv[1], "refused") == 0)
		refused(n);
	else if (strcmp(argv[1], "many") == 0)
		many(n);
	else
		return 2;
	printf("%llu came again\n", (unsigned long long)came_again());
	printf("%llu have passed\n", (unsigned long long)passed());
	return 0;
}
