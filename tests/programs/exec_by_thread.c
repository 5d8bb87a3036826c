// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A thread other than the first one execs PROGRAM: exec_by_thread [--when-told | --alone] PROGRAM
 * [ARG...].
 * --alone: the first one has ended by then.
 * exec_by_thread --lose: a thread comes to its end, and only then a block is lost.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int alone;

/* Whether the first thread has ended: the process is a zombie as far as /proc tells. */
static int first_has_ended(void)
{
	char line[512] = "", *end;
	FILE *f = fopen("/proc/self/stat", "r");

	if (!f || !fgets(line, sizeof(line), f))
		abort();
	fclose(f);
	end = strrchr(line, ')');
	return end && end[2] == 'Z';
}

static void *exec_it(void *argv)
{
	char **args = argv;

	free(malloc(77));
	while (alone && !first_has_ended())
		usleep(1000);
	execv(args[0], args);
	abort();
}

static void *nothing(void *unused)
{
	return unused;
}

__attribute__((noipa)) static void lose(void)
{
	*(void *volatile *)&(void *){0} = malloc(77);
}

static int lose_after_thread(void)
{
	pthread_t t;

	if (pthread_create(&t, NULL, nothing, NULL))
		return 1;
	pthread_join(t, NULL);
	lose();
	return 0;
}

int main(int argc, char **argv)
{
	pthread_t t;
	char c;

	if (argc < 2)
		return 2;
	if (!strcmp(argv[1], "--lose"))
		return lose_after_thread();
	if (!strcmp(argv[1], "--when-told")) {
		argv++;
		if (read(0, &c, 1) != 1)
			return 1;
	} else if (!strcmp(argv[1], "--alone")) {
		argv++;
		alone = 1;
	}
	if (pthread_create(&t, NULL, exec_it, argv + 1))
		return 1;
	if (alone)
		pthread_exit(NULL);
	pthread_join(t, NULL);
	return 1;
}
