/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two processes that run in one memory at the same time, each of one thread: both take CALLS blocks
 * from an allocator of the program's own, and give back all but the last one.
 *
 * sharers --leave: one executes this program anew, which takes one block when the other is done.
 */
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "expect.h"

static char blocks[1 << 24];
static atomic_size_t used;
static atomic_int ready;
static int told[2];
static char stack[1 << 16] __attribute__((aligned(16)));

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

/* The other one has left. */
static int take_alone(void *unused)
{
	char byte;

	(void)unused;
	if (read(told[0], &byte, 1) != 1)
		return 1;
	my_alloc(64);
	return 0;
}

static int leave(char *name)
{
	char fd[16];

	if (pipe(told) || clone(take_alone, stack + sizeof(stack), CLONE_VM | SIGCHLD, NULL) < 0)
		return 1;
	snprintf(fd, sizeof(fd), "%d", told[1]);
	execl("/proc/self/exe", name, "--left", fd, NULL);
	return 1;
}

static int left(int fd)
{
	int status;

	if (write(fd, "", 1) != 1 || wait(&status) < 0)
		return 1;
	my_alloc(16);
	return status != 0;
}

int main(int argc, char **argv)
{
	static long calls;
	pid_t child;

	if (argc > 1 && strcmp(argv[1], "--leave") == 0)
		return leave(argv[0]);
	if (argc > 2)
		return left(atoi(argv[2]));
	calls = argc > 1 ? atol(argv[1]) : 1000;
	child = clone(take, stack + sizeof(stack), CLONE_VM | SIGCHLD, &calls);
	if (child < 0)
		abort();
	take(&calls);
	return waitpid(child, NULL, 0) != child;
}
