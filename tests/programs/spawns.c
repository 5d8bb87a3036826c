/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfork and posix_spawn share the parent's memory until exec: the parent's numbers stay its own. */
#include <spawn.h>
#include <sys/wait.h>

#include "expect.h"

extern char **environ;

NOIPA static void leak_parent(size_t n)
{
	malloc(n);
}

NOIPA static void leak_in_spawned(void)
{
	malloc(303);
	free(malloc(304));
}

int main(int argc, char **argv)
{
	char *args[] = {argv[0], "child", NULL};
	pid_t child;

	if (argc > 1) {
		leak_in_spawned();
		return expect_done(0);
	}
	leak_parent(1);
	if (posix_spawn(&child, argv[0], NULL, NULL, args, environ))
		abort();
	waitpid(child, NULL, 0);
	leak_parent(2);
	child = vfork();
	if (!child) {
		execv(argv[0], args);
		_exit(99);
	}
	waitpid(child, NULL, 0);
	leak_parent(3);
	return expect_done(0);
}
