/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A process is killed while all of its threads allocate: killed THREADS BLOCKS. Each thread counts
 * what it holds in memory that the parent shares: what is held at the end is that, and for each
 * thread at most one block more, which its malloc had given out already.
 *
 * Prints "PID HELD THREADS".
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOIPA	    __attribute__((noipa))
#define MAX_THREADS 64

static atomic_long *held; /* one a thread */

NOIPA static void *hold_many(void *arg)
{
	atomic_long *mine = arg;

	for (;;) {
		void *volatile p = malloc(24);

		(void)p;
		(*mine)++;
	}
	return NULL;
}

static long sum(int threads)
{
	long n = 0;

	for (int i = 0; i < threads; i++)
		n += held[i];
	return n;
}

int main(int argc, char **argv)
{
	int threads = argc > 1 ? atoi(argv[1]) : 8;
	long blocks = argc > 2 ? atol(argv[2]) : 5000;
	pthread_t t;
	pid_t child;

	held = mmap(NULL, MAX_THREADS * sizeof(*held), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (held == MAP_FAILED || threads > MAX_THREADS)
		return 1;
	child = fork();
	if (!child) {
		for (int i = 1; i < threads; i++)
			if (pthread_create(&t, NULL, hold_many, &held[i]))
				_exit(1);
		hold_many(&held[0]);
	}
	while (sum(threads) < blocks)
		usleep(100);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	printf("%d %ld %d\n", (int)child, sum(threads), threads);
	return 0;
}
