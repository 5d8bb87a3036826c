/* SPDX-License-Identifier: GPL-2.0-or-later */
/* After a fork both processes get the same addresses for different blocks. */
#include <sys/wait.h>

#include "expect.h"

NOIPA static void *leak_here(size_t n)
{
	return malloc(n);
}

int main(void)
{
	int pipe_fd[2];
	void *mine, *theirs;
	pid_t child;

	if (pipe(pipe_fd))
		abort();
	child = fork();
	if (!child) {
		expect_reset();
		mine = leak_here(2000);
		free(leak_here(2000));
		free(mine);
		mine = leak_here(2000);
		if (write(pipe_fd[1], &mine, sizeof(mine)) != sizeof(mine))
			abort();
		return expect_done(0);
	}
	mine = leak_here(1990);
	if (read(pipe_fd[0], &theirs, sizeof(theirs)) != sizeof(theirs) || mine != theirs)
		abort();
	waitpid(child, NULL, 0);
	return expect_done(0);
}
