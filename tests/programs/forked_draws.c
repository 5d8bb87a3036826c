/* SPDX-License-Identifier: GPL-2.0-or-later */
/* forked_draws CHILDREN SIZE: children that keep one block each, of a parent that has kept one. */
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

__attribute__((noipa)) static void keep(size_t size)
{
	if (!malloc(size))
		abort();
}

int main(int argc, char **argv)
{
	int children = atoi(argv[1]);
	size_t size = atoi(argv[2]);

	(void)argc;
	keep(1);
	while (children--) {
		pid_t pid = fork();

		if (!pid) {
			keep(size);
			_exit(0);
		}
		if (pid < 0 || waitpid(pid, NULL, 0) != pid)
			return 1;
	}
	return 0;
}
