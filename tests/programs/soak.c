// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * soak PLUGIN: until its standard input ends, processes that lose blocks, start threads, load a library,
 * and end in one of three ways: by themselves, in another program's image, killed. Begins at the first line.
 * At the end it prints how many blocks those that ended had lost, which is what reports of them must say.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORKERS 4
#define THREADS 3

enum end { END_EXIT, END_EXEC, END_KILL, ENDS };

/* Shared by all of them, also behind exec. */
struct counts {
	atomic_ulong lost, dropped_by_exec, processes, execs, kills, threads, libraries;
};

static struct counts *counts;
static int counts_fd;

__attribute__((noipa)) static void soak_leak(size_t n)
{
	for (; n; n--)
		memset(malloc(40 + n), 1, 40 + n);
}

static void churn(unsigned int seed)
{
	void *kept[16] = {0};
	int i;

	for (i = 0; i < 300; i++) {
		void **p = &kept[rand_r(&seed) % 16];

		free(*p);
		*p = malloc(rand_r(&seed) % 2000);
	}
	for (i = 0; i < 16; i++)
		free(kept[i]);
}

static void *thread(void *argument)
{
	churn((size_t)argument);
	soak_leak(1);
	return NULL;
}

static void share(int fd)
{
	counts = mmap(NULL, sizeof(*counts), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (counts == MAP_FAILED)
		abort();
	counts_fd = fd;
}

/* What all of them do; how many blocks are lost. */
static size_t live(unsigned int seed, const char *plugin)
{
	pthread_t threads[THREADS];
	size_t n = rand_r(&seed) % 50 + 1, i;
	void *library;

	soak_leak(n);
	for (i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, thread, (void *)(size_t)(seed + i)))
			abort();
	library = dlopen(plugin, RTLD_NOW);
	if (!library)
		abort();
	churn(seed);
	dlclose(library);
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	counts->threads += THREADS;
	counts->libraries++;
	usleep(rand_r(&seed) % 200000);
	return n + THREADS;
}

static void work(unsigned int seed, enum end end, int ready, const char *plugin)
{
	char fd[16], text[16];
	size_t n = live(seed, plugin);

	counts->processes++;
	if (end == END_EXEC) {
		counts->dropped_by_exec += n;
		counts->execs++;
		snprintf(fd, sizeof(fd), "%d", counts_fd);
		snprintf(text, sizeof(text), "%u", seed + 1);
		execl("/proc/self/exe", "soak", plugin, fd, text, NULL);
		abort();
	}
	counts->lost += n;
	if (end == END_EXIT)
		exit(0);
	counts->kills++;
	if (write(ready, "x", 1) != 1)
		abort();
	pause();
}

static pid_t start(unsigned int seed, const char *plugin, int *ready)
{
	enum end end = seed % ENDS;
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC))
		abort();
	pid = fork();
	if (!pid) {
		work(seed, end, fds[1], plugin);
		_exit(1);
	}
	close(fds[1]);
	*ready = fds[0];
	return pid;
}

/* Wait for its end, which may be ours to bring about; true where all is well. */
static void finish(pid_t pid, int ready)
{
	char byte;
	int status;

	if (read(ready, &byte, 1) == 1)
		kill(pid, SIGKILL);
	close(ready);
	if (waitpid(pid, &status, 0) != pid ||
	    !(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == 0))
		abort();
}

static int ended(void)
{
	struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};

	return poll(&p, 1, 0) > 0;
}

int main(int argc, char **argv)
{
	unsigned int seed = 1, i;
	int ready[WORKERS];
	pid_t pids[WORKERS];

	if (argc == 4) { /* behind exec */
		share(atoi(argv[2]));
		counts->lost += live(atoi(argv[3]), argv[1]);
		return 0;
	}
	if (argc != 2 || getchar() != '\n')
		return 2;
	share(memfd_create("counts", 0));
	if (ftruncate(counts_fd, sizeof(*counts)))
		return 1;
	while (!ended()) {
		for (i = 0; i < WORKERS; i++)
			pids[i] = start(seed++, argv[1], &ready[i]);
		for (i = 0; i < WORKERS; i++)
			finish(pids[i], ready[i]);
	}
	printf("{\"lost\": %lu, \"dropped_by_exec\": %lu, \"processes\": %lu, \"execs\": %lu, \"kills\": %lu, "
	       "\"threads\": %lu, \"libraries\": %lu}\n",
	       counts->lost, counts->dropped_by_exec, counts->processes, counts->execs, counts->kills,
	       counts->threads, counts->libraries);
	return 0;
}
