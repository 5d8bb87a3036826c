/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Processes that come and go: churn N BYTES [HOW] starts N of them, eight at a time; each loses a
 * block of BYTES bytes. HOW is fork (the default), vfork or daemon: forked twice, so that nobody
 * waits for it but whoever adopts orphans.
 */
#include <spawn.h>
#include <sys/wait.h>

#include "expect.h"

extern char **environ;

NOIPA static void leak_here(size_t bytes)
{
	malloc(bytes);
}

static void start(const char *self, const char *how, const char *bytes)
{
	char *argv[] = {(char *)self, (char *)"0", (char *)bytes, NULL};
	pid_t pid;

	if (!strcmp(how, "vfork")) {
		if (posix_spawn(&pid, self, NULL, NULL, argv, environ))
			abort();
		return;
	}
	pid = fork();
	if (pid)
		return;
	if (!strcmp(how, "daemon") && (setsid() < 0 || fork()))
		_exit(0);
	expect_reset();
	leak_here(atol(bytes));
	_exit(expect_done(0));
}

int main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 0, running = 0;
	const char *bytes = argc > 2 ? argv[2] : "1", *how = argc > 3 ? argv[3] : "fork";

	if (!n) {
		leak_here(atol(bytes));
		return expect_done(0);
	}
	/* Grandchildren come back to us. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	for (; n > 0; n--) {
		start(argv[0], how, bytes);
		if (++running == 8)
			running -= wait(NULL) > 0;
	}
	while (wait(NULL) > 0)
		;
	return expect_done(0);
}
