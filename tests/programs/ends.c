/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ways to end: argv[1] is one of return, exit, _exit, abort, segv, kill, term, threads. */
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>

#include "expect.h"

NOIPA static void leak_at_end(void)
{
	for (int i = 0; i < 3; i++)
		malloc(1000 + i);
}

static void *end_all(void *arg)
{
	exit((int)(long)arg);
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "return";
	pthread_t thread;

	leak_at_end();
	if (!strcmp(how, "thread"))
		expect.totals_unknown = true; /* pthread_create allocates */
	expect_done(0);
	if (!strcmp(how, "exit"))
		exit(3);
	if (!strcmp(how, "_exit"))
		_exit(4);
	if (!strcmp(how, "abort"))
		abort();
	if (!strcmp(how, "segv"))
		raise(SIGSEGV);
	if (!strcmp(how, "kill"))
		raise(SIGKILL);
	if (!strcmp(how, "term"))
		raise(SIGTERM);
	if (!strcmp(how, "thread")) {
		pthread_create(&thread, NULL, end_all, (void *)5L);
		syscall(SYS_exit, 0); /* the main thread alone */
	}
	return 0;
}
