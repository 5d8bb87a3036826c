/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pairs PAIRS [THREADS]: threads that together do PAIRS times malloc, at times realloc, and free, and
 * keep one block in a thousand, while the first one forks children and loads and unloads a library. Prints what it has kept: {"kept": BLOCKS, "bytes": BYTES}.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOIPA  __attribute__((noipa))
#define ROUNDS 20

static long pairs_each;
static long kept, bytes, ended;
static pthread_barrier_t gate;

static void die(const char *why)
{
	perror(why);
	exit(1);
}

NOIPA static void *keep(size_t size)
{
	void *p = malloc(size);

	if (!p)
		die("malloc");
	__atomic_add_fetch(&kept, 1, __ATOMIC_RELAXED);
	__atomic_add_fetch(&bytes, size, __ATOMIC_RELAXED);
	return p;
}

NOIPA static void pair(long i)
{
	size_t size = 16 + i % 500;
	char *p = malloc(size);

	if (!p)
		die("malloc");
	memset(p, i, size);
	if (i % 16 == 0) {
		p = realloc(p, size * 3);
		if (!p || p[0] != (char)i || p[size - 1] != (char)i)
			die("realloc");
	}
	free(p);
}

static void *work(void *arg)
{
	long i;

	(void)arg;
	pthread_barrier_wait(&gate);
	for (i = 0; i < pairs_each; i++) {
		pair(i);
		if (i % 1000 == 0)
			*(volatile char *)keep(32 + i / 1000 % 64) = 1;
	}
	__atomic_add_fetch(&ended, 1, __ATOMIC_RELAXED);
	return NULL;
}

static void fork_child(void)
{
	pid_t pid = fork();
	int status, i;

	if (pid == 0) {
		for (i = 0; i < 100; i++)
			pair(i);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		die("child");
}

static void load_library(const char *path)
{
	void *handle = dlopen(path, RTLD_NOW);

	if (!handle || dlclose(handle)) {
		fprintf(stderr, "%s\n", dlerror());
		exit(1);
	}
}

int main(int argc, char **argv)
{
	int threads = argc > 2 ? atoi(argv[2]) : 64, i;
	pthread_t *ids = calloc(threads, sizeof(*ids));
	char library[4096];

	pairs_each = (argc > 1 ? atol(argv[1]) : 1000000) / threads;
	snprintf(library, sizeof(library), "%.*slibplugin_a.so",
		 (int)(strrchr(argv[0], '/') - argv[0] + 1), argv[0]);
	pthread_barrier_init(&gate, NULL, threads + 1);
	for (i = 0; i < threads; i++)
		if (pthread_create(&ids[i], NULL, work, NULL))
			die("pthread_create");
	pthread_barrier_wait(&gate);
	for (i = 0; i < ROUNDS; i++) {
		fork_child();
		load_library(library);
	}
	for (i = 0; i < threads; i++)
		pthread_join(ids[i], NULL);
	if (ended != threads)
		die("threads");
	printf("{\"kept\": %ld, \"bytes\": %ld}\n", kept, bytes);
	return 0;
}
