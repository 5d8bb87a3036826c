/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A child frees what it inherited and loses blocks of its own: the parent's numbers stay. */
#include <sys/wait.h>

#include "expect.h"

static void *inherited[10];

NOIPA static void leak_before(void)
{
	for (int i = 0; i < 10; i++)
		inherited[i] = malloc(100 + i);
}

NOIPA static void leak_in_child(void)
{
	malloc(64);
	malloc(65);
}

NOIPA static void leak_after(void)
{
	malloc(1000);
}

int main(void)
{
	pid_t child;
	int status;

	leak_before();
	child = fork();
	if (!child) {
		expect_reset();
		for (int i = 0; i < 5; i++)
			free(inherited[i]);
		inherited[5] = realloc(inherited[5], 5000);
		free(malloc(17));
		leak_in_child();
		return expect_done(7);
	}
	free(inherited[9]);
	if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 7)
		abort();
	leak_after();
	return expect_done(0);
}
