/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Processes one after the other that all have the same pid, which it prints at the end: pid_again
 * N. Number i loses i blocks of 100 bytes; each second one then becomes another program, which
 * loses i blocks of 1000.
 */
#include <linux/sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "expect.h"

NOIPA static void leak_some(int n, size_t bytes)
{
	for (; n > 0; n--)
		malloc(bytes);
}

/* fork() with the pid @wanted; 0: any. */
static pid_t fork_as(pid_t wanted)
{
	struct clone_args args = {
		.exit_signal = SIGCHLD,
		.set_tid = wanted ? (uintptr_t)&wanted : 0,
		.set_tid_size = wanted != 0,
	};

	return syscall(SYS_clone3, &args, sizeof(args));
}

int main(int argc, char **argv)
{
	char number[16];
	int n = argc > 1 ? atoi(argv[1]) : 3;
	pid_t pid = 0, child;

	if (argc > 2) {
		leak_some(n, 1000);
		return 0;
	}
	for (int i = 1; i <= n; i++) {
		child = fork_as(pid);
		if (child < 0)
			return errno == EEXIST ? 3 : 4; /* somebody else has it; not permitted */
		if (!child) {
			leak_some(i, 100);
			if (i % 2)
				_exit(0);
			snprintf(number, sizeof(number), "%d", i);
			execl("/proc/self/exe", argv[0], number, "again", NULL);
			_exit(5);
		}
		pid = child;
		waitpid(pid, NULL, 0);
	}
	dprintf(1, "%d\n", pid);
	return 0;
}
