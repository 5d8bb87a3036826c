// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * vanishing FILE: memory that comes and goes, whatever is done to the process: another one cuts off
 * the file that it maps, and one that shares its memory maps and unmaps. 500 blocks of 48 bytes are
 * kept by a variable, 100 of 32 bytes by nobody. Prints "ready" and waits for a line.
 */
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#define SIZE (8UL << 20)
#define PAGE 4096

static void *kept[500];
static sigjmp_buf again;

/* In a process of its own: the file is there, and it is not. */
static void cut(int fd)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		ftruncate(fd, 0);
		ftruncate(fd, SIZE);
	}
}

/* In one that shares the memory. */
static int map(void *unused)
{
	size_t i;

	(void)unused;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		char *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			       0);

		for (i = 0; p != MAP_FAILED && i < SIZE; i += PAGE)
			*(void **)(p + i) = kept[i / PAGE % 500];
		for (i = 0; p != MAP_FAILED && i < SIZE; i += 16 * PAGE)
			munmap(p + i, 16 * PAGE);
	}
	return 0;
}

static void on_bus(int signal)
{
	(void)signal;
	siglongjmp(again, 1);
}

/* Keep touching what may be cut off at any moment. */
static void touch(char *shared, char *private)
{
	size_t i;

	if (sigsetjmp(again, 1))
		return;
	for (i = 0; i < SIZE; i += PAGE) {
		*(void **)(shared + i) = kept[i / PAGE % 500];
		*(void **)(private + i) = kept[i / PAGE % 500];
	}
}

int main(int argc, char **argv)
{
	static char stack[65536] __attribute__((aligned(16)));
	int i, fd = open(argv[argc > 1], O_RDWR | O_CREAT | O_TRUNC, 0600);
	char *shared, *private;
	struct pollfd input = {.events = POLLIN};
	pid_t cutter;

	ftruncate(fd, SIZE);
	shared = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	private = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	if (shared == MAP_FAILED || private == MAP_FAILED)
		return 2;
	for (i = 0; i < 500; i++)
		kept[i] = calloc(1, 48);
	for (i = 0; i < 100; i++)
		memset(malloc(32), 1, 32);
	signal(SIGBUS, on_bus);
	cutter = fork();
	if (!cutter)
		cut(fd);
	if (cutter < 0 || clone(map, stack + sizeof(stack), CLONE_VM | SIGCHLD, NULL) < 0)
		return 2;
	puts("ready");
	fflush(stdout);
	while (!poll(&input, 1, 0))
		touch(shared, private);
	_exit(0);
}
