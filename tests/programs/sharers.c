/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two processes that run in one memory at the same time, each of one thread: both take CALLS blocks
 * from an allocator of the program's own, and give back all but the last one.
 */
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "expect.h"

static char blocks[1 << 24];
static atomic_size_t used;
static atomic_int ready;

NOIPA void *my_alloc(size_t n)
{
	return blocks + atomic_fetch_add(&used, n);
}

NOIPA void my_free(void *p)
{
	__asm__ volatile("" ::"r"(p) : "memory");
}

static int take(void *calls)
{
	long i;

	atomic_fetch_add(&ready, 1);
	while (atomic_load(&ready) < 2)
		;
	for (i = 1; i < *(long *)calls; i++)
		my_free(my_alloc(32));
	my_alloc(32);
	return 0;
}

int main(int argc, char **argv)
{
	static char stack[1 << 16] __attribute__((aligned(16)));
	static long calls;
	pid_t child;

	calls = argc > 1 ? atol(argv[1]) : 1000;
	child = clone(take, stack + sizeof(stack), CLONE_VM | SIGCHLD, &calls);
	if (child < 0)
		abort();
	take(&calls);
	return waitpid(child, NULL, 0) != child;
}
