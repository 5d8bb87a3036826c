// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Calls go around through six mappings of the program's code to an allocation, while another thread
 * moves where these begin and makes one of two, and two of it again: between them are pages that
 * nobody runs, which it makes unexecutable and executable. All blocks are kept: split_code ROUNDS.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

#define PLACED(page) __attribute__((noipa, no_reorder, aligned(page)))
#define PAGE	     65536 /* the largest there is */
#define AROUND	     6	   /* more mappings than a walk keeps */
#define DEPTH	     (5 * AROUND - 1)

static void *(*const hops[AROUND])(int);
static atomic_int stop;
static int rounds;

#define HOP(n)                                                                                     \
	PLACED(PAGE) static void *hop##n(int depth)                                                \
	{                                                                                          \
		void *p = depth ? hops[(n + 1) % AROUND](depth - 1) : malloc(32);                  \
                                                                                                   \
		__asm__ volatile("" ::"r"(p) : "memory");                                          \
		return p;                                                                          \
	}                                                                                          \
	PLACED(PAGE) static void idle##n(void)                                                     \
	{                                                                                          \
		__asm__ volatile(".skip 2 * 65536, 0");                                            \
	}

HOP(0)
HOP(1)
HOP(2)
HOP(3)
HOP(4)
HOP(5)

static void *(*const hops[AROUND])(int) = {hop0, hop1, hop2, hop3, hop4, hop5};
static void (*const idle[AROUND])(void) = {idle0, idle1, idle2, idle3, idle4, idle5};

static void *allocate(void *unused)
{
	for (int i = 0; i < rounds; i++)
		hop0(DEPTH);
	return unused;
}

static void protect(char *page, int protection)
{
	if (mprotect(page, PAGE, protection))
		abort();
}

static void *split(void *unused)
{
	for (int i = 0; i < AROUND; i++)
		protect((char *)idle[i], PROT_READ);
	for (int i = 0; !stop; i = (i + 1) % AROUND) {
		char *first = (char *)idle[i], *second = first + PAGE;

		protect(second, PROT_READ); /* what is behind it begins later */
		protect(second, PROT_READ | PROT_EXEC);
		protect(first, PROT_READ | PROT_EXEC); /* and goes with what is before it */
		protect(first, PROT_READ);
	}
	return unused;
}

int main(int argc, char **argv)
{
	pthread_t allocator, splitter;

	rounds = argc > 1 ? atoi(argv[1]) : 0;
	pthread_create(&splitter, NULL, split, NULL);
	pthread_create(&allocator, NULL, allocate, NULL);
	pthread_join(allocator, NULL);
	stop = 1;
	pthread_join(splitter, NULL);
	return 0;
}
