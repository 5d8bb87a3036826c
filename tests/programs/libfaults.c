// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Preloaded into the program named $FAULTS_IN, it makes calls of the C library fail, or lie:
 *
 *   FAULTS_ALLOC=N     the N-th allocation fails
 *   FAULTS_MORE=1      ... and all that follow
 *   FAULTS_COUNT=FILE  write there how many allocations there were, at exit
 *   FAULTS_FSYNC=ENO   fsync() fails with this number; the same for FAULTS_RENAME
 *   FAULTS_CLOCK=S     from its third reading on, the wall clock is S seconds off
 *
 * All other programs that inherit it are left alone, and so are allocations by two libraries that do not
 * survive one that fails: json-c (0.16: json_tokener_parse_ex stores a key that strdup did not copy) and
 * libdw (0.188: resize_coordinator asserts that it got its table).
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);

static atomic_ulong allocations;
static unsigned long fail_at;
static int more, fsync_error, rename_error;
static long shift_s;
static atomic_int readings;
static pid_t self; /* not in what it forks */

static long number(const char *name)
{
	const char *s = getenv(name);

	return s ? atol(s) : 0;
}

__attribute__((constructor)) static void start(void)
{
	const char *name = getenv("FAULTS_IN");

	if (!name || strcmp(name, program_invocation_short_name) != 0)
		return;
	fsync_error = number("FAULTS_FSYNC");
	rename_error = number("FAULTS_RENAME");
	shift_s = number("FAULTS_CLOCK");
	more = number("FAULTS_MORE");
	fail_at = number("FAULTS_ALLOC");
	self = getpid();
}

__attribute__((destructor)) static void end(void)
{
	const char *path = getenv("FAULTS_COUNT");
	int fd = self == getpid() && path ? open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644) : -1;
	char text[32];

	if (fd < 0)
		return;
	if (write(fd, text, snprintf(text, sizeof(text), "%lu\n", allocations)) < 0)
		abort();
	close(fd);
}

static int fails(const void *caller)
{
	unsigned long n;
	Dl_info info;

	if (!self || (dladdr(caller, &info) && (strstr(info.dli_fname, "libjson-c") ||
						strstr(info.dli_fname, "libdw"))))
		return 0;
	n = ++allocations;
	if (!fail_at || !(more ? n >= fail_at : n == fail_at))
		return 0;
	errno = ENOMEM;
	return 1;
}

#define CALLER __builtin_return_address(0)

void *malloc(size_t size)
{
	return fails(CALLER) ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	return fails(CALLER) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
	return fails(CALLER) ? NULL : __libc_realloc(p, size);
}

char *strdup(const char *s)
{
	char *copy = fails(CALLER) ? NULL : __libc_malloc(strlen(s) + 1);

	return copy ? strcpy(copy, s) : NULL;
}

int fsync(int fd)
{
	if (fsync_error) {
		errno = fsync_error;
		return -1;
	}
	return syscall(SYS_fsync, fd);
}

int rename(const char *from, const char *to)
{
	if (rename_error) {
		errno = rename_error;
		return -1;
	}
	return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

int clock_gettime(clockid_t clock, struct timespec *ret)
{
	int err = syscall(SYS_clock_gettime, clock, ret);

	if (!err && clock == CLOCK_REALTIME && shift_s && ++readings > 2)
		ret->tv_sec += shift_s;
	return err;
}
