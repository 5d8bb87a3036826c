/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Blocks lost by the same calls on a stack that lies between pages which cannot be read, at every
 * distance from the end of a page: what a walk reads ends where a page does, also between the two
 * words that a frame has saved.
 */
#include <alloca.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "expect.h"

#define GUARD 65536 /* a page, however large */
#define STACK (8 * GUARD)
#define PAGE  4096

static ucontext_t outside, inside;
static volatile int sum;

NOIPA static void leak(int n)
{
	malloc(40);
	sum += n;
}

NOIPA static void between(int n, int m, int k)
{
	leak(n * m);
	leak(n + k);
	sum += n * k + m;
}

NOIPA static void shifted(size_t distance)
{
	volatile char *room = alloca(distance + 1);

	room[distance] = 1;
	between(room[distance], 2, 3);
	sum += room[distance];
}

static void run(void)
{
	for (size_t distance = 0; distance < PAGE; distance += 16)
		shifted(distance);
}

int main(void)
{
	char *area = mmap(NULL, STACK + 2 * GUARD, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (area == MAP_FAILED || mprotect(area + GUARD, STACK, PROT_READ | PROT_WRITE))
		return 1;
	getcontext(&inside);
	inside.uc_stack.ss_sp = area + GUARD;
	inside.uc_stack.ss_size = STACK;
	inside.uc_link = &outside;
	makecontext(&inside, run, 0);
	swapcontext(&outside, &inside);
	munmap(area, STACK + 2 * GUARD);
	return expect_done(!sum);
}
