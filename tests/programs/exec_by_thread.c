// SPDX-License-Identifier: GPL-2.0-or-later
/* A thread other than the first one execs PROGRAM: exec_by_thread [--when-told] PROGRAM [ARG...].
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
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
	char c;

	if (argc < 2)
		return 2;
	if (!strcmp(argv[1], "--when-told")) {
		argv++;
		if (read(0, &c, 1) != 1)
			return 1;
	}
	if (pthread_create(&t, NULL, exec_it, argv + 1))
		return 1;
	pthread_join(t, NULL);
	return 1;
}
