/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Nothing wrong: a child frees what it inherited, another one runs a program, a third shares its
 * parent's memory. */
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

int main(int argc, char **argv)
{
	char *inherited[100], *args[] = {argv[0], "again", NULL};
	int status, i, failed = 0;
	pid_t pid;

	if (argc > 1) {
		free(realloc(malloc(10), 1000));
		return 0;
	}
	for (i = 0; i < 100; i++)
		inherited[i] = strdup("some text");
	pid = fork();
	if (!pid) {
		for (i = 0; i < 100; i++)
			free(i % 2 ? inherited[i] : realloc(inherited[i], 100));
		exit(0);
	}
	failed |= waitpid(pid, &status, 0) != pid || status;
	pid = fork();
	if (!pid) {
		execv(argv[0], args);
		_exit(1);
	}
	failed |= waitpid(pid, &status, 0) != pid || status;
	failed |= posix_spawn(&pid, argv[0], NULL, NULL, args, environ);
	failed |= waitpid(pid, &status, 0) != pid || status;
	for (i = 0; i < 100; i++)
		free(inherited[i]);
	return failed;
}
