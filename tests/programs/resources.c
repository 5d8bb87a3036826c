/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files, directories, libraries and locks, some of them never given back:
 * 2 by fopen, 3 by open, 1 by fdopen, 2 directories, 1 library (opened twice, closed once), 2 locks.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <pthread.h>
#include <sys/mman.h>

#include "expect.h"

static pthread_mutex_t never = PTHREAD_MUTEX_INITIALIZER, good = PTHREAD_MUTEX_INITIALIZER,
		       tried = PTHREAD_MUTEX_INITIALIZER;

NOIPA static void leak_fopen(void)
{
	for (int i = 0; i < 2; i++)
		if (!fopen("/dev/null", "r"))
			abort();
	if (fopen("/dev/null/nothing", "r"))
		abort();
	fclose(fopen("/dev/null", "r"));
}

NOIPA static void leak_open(void)
{
	for (int i = 0; i < 3; i++)
		if (open("/dev/null", O_RDONLY) < 0)
			abort();
	if (open("/dev/null/nothing", O_RDONLY) >= 0)
		abort();
	close(open("/dev/null", O_RDONLY));
}

/* Standard input's number is 0, and so may be another's. */
NOIPA static void reopen_zero(void)
{
	close(0);
	if (open("/dev/null", O_RDONLY) != 0)
		abort();
	close(0);
	if (dup(1) != 0)
		abort();
	close(0);
}

NOIPA static void leak_fdopen(void)
{
	int fd = open("/dev/null", O_RDONLY);

	if (fdopen(fd, "no such mode"))
		abort();
	if (!fdopen(fd, "r"))
		abort();
	fclose(fdopen(open("/dev/null", O_RDONLY), "r"));
}

NOIPA static void leak_opendir(void)
{
	for (int i = 0; i < 2; i++)
		if (!opendir("/"))
			abort();
	closedir(opendir("/"));
	if (opendir("/dev/null"))
		abort();
}

NOIPA static void leak_dlopen(void)
{
	void *a = dlopen("libm.so.6", RTLD_NOW), *b = dlopen("libm.so.6", RTLD_NOW);

	if (!a || a != b)
		abort();
	dlclose(a);
	if (dlopen("no such library", RTLD_NOW))
		abort();
}

NOIPA static void leak_lock(void)
{
	pthread_mutex_lock(&never);
	pthread_mutex_lock(&good);
	pthread_mutex_unlock(&good);
	if (pthread_mutex_trylock(&tried) || !pthread_mutex_trylock(&tried))
		abort();
}

int main(void)
{
	leak_fopen();
	leak_open();
	reopen_zero();
	leak_fdopen();
	leak_opendir();
	leak_dlopen();
	leak_lock();
	expect.totals_unknown = true;
	return expect_done(0);
}
