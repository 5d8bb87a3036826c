// SPDX-License-Identifier: GPL-2.0-or-later
/* A thread other than the first one execs PROGRAM: exec_by_thread PROGRAM [ARG...]. */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static void *exec_it(void *argv)
{
	char **args = argv;

	free(malloc(77));
	execv(args[0], args);
	abort();
}

int main(int argc, char **argv)
{
	pthread_t t;

	if (argc < 2)
		return 2;
	if (pthread_create(&t, NULL, exec_it, argv + 1))
		return 1;
	pthread_join(t, NULL);
	return 1;
}
