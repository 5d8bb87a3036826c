/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A vfork child allocates and frees in its parent's memory, and ends; another one runs a program.
 */
#include <sys/wait.h>

#include "expect.h"

static char *first, *second, *third;

NOIPA static void in_child(void)
{
	second = malloc(200);
	third = malloc(300);
	free(first);
}

int main(int argc, char **argv)
{
	static int status, failed;
	pid_t pid;

	if (argc > 1)
		return 0;
	first = malloc(100);
	pid = vfork();
	if (!pid) {
		in_child();
		_exit(0);
	}
	failed |= waitpid(pid, &status, 0) != pid || status;
	free(second);
	first = malloc(100);
	pid = vfork();
	if (!pid) {
		in_child();
		execl(argv[0], argv[0], "again", NULL);
		_exit(1);
	}
	failed |= waitpid(pid, &status, 0) != pid || status;
	free(third);
	return expect_done(failed);
}
