// SPDX-License-Identifier: GPL-2.0-or-later
#include "sandbox/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/capability.h"
#include "util/cleanup.h"

/* The debug information of the largest program takes 4 GiB at most (dwarfimage.c), another file of
 * dwz as much; then there are the files before. */
#define MAX_MEMORY (12ULL << 30)

/*
 * glibc asks for an open file by newfstatat(fd, "", AT_EMPTY_PATH), and a filter cannot tell that
 * from a question about a path. elfutils gets these instead, which stand before glibc's.
 */
int fstat(int fd, struct stat *st)
{
	return syscall(SYS_fstat, fd, st);
}

#if __WORDSIZE == 64 && defined(__GLIBC__)
int fstat64(int fd, struct stat64 *st)
{
	return syscall(SYS_fstat, fd, st);
}
#endif

/* What glibc's allocator, elfutils, libdw and the channel need. */
static const int allowed[] = {
	SCMP_SYS(read),		 SCMP_SYS(pread64),
	SCMP_SYS(lseek),	 SCMP_SYS(fstat),
	SCMP_SYS(close),	 SCMP_SYS(brk),
	SCMP_SYS(munmap),	 SCMP_SYS(mremap),
	SCMP_SYS(madvise),	 SCMP_SYS(futex),
	SCMP_SYS(exit),		 SCMP_SYS(exit_group),
	SCMP_SYS(clock_gettime), SCMP_SYS(getrandom),
	SCMP_SYS(rt_sigreturn),	 SCMP_SYS(restart_syscall),
	SCMP_SYS(geteuid),
};

static const int refused[] = {SCMP_SYS(readlink), SCMP_SYS(readlinkat)};

static int add_rules(scmp_filter_ctx filter)
{
	size_t i;
	int err = 0;

	for (i = 0; i < ARRAY_SIZE(allowed) && !err; i++)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
	if (!err)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(sendmsg), 1,
				       SCMP_A0(SCMP_CMP_EQ, CONFINE_SOCKET, 0));
	if (!err)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(recvmsg), 1,
				       SCMP_A0(SCMP_CMP_EQ, CONFINE_SOCKET, 0));
	/* libdw asks for the name of every file that it is given, and does without. */
	for (i = 0; i < ARRAY_SIZE(refused) && !err; i++)
		err = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), refused[i], 0);
	if (!err)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1,
				       SCMP_A1(SCMP_CMP_EQ, F_GETFD, 0));
	if (!err) /* no code but what is there */
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
				       SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	if (!err)
		err = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
				       SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
	return err;
}

static void cleanup_filter(scmp_filter_ctx *filter)
{
	seccomp_release(*filter);
}

static int load_filter(void)
{
	CLEANUP(cleanup_filter) scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	int err;

	if (!filter)
		return -ENOMEM;
	err = add_rules(filter);
	return err ? err : seccomp_load(filter);
}

static int lower_limit(int resource, rlim_t most)
{
	struct rlimit limit;

	if (getrlimit(resource, &limit))
		return -errno;
	limit.rlim_max = limit.rlim_max < most ? limit.rlim_max : most;
	limit.rlim_cur = limit.rlim_cur < most ? limit.rlim_cur : most;
	return setrlimit(resource, &limit) ? -errno : 0;
}

/* A file may make us take all the memory that we can get: not more than this, nor most of the
 * machine's. */
static int limit_memory(void)
{
	uint64_t half = (uint64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE) / 2;
	int err = lower_limit(RLIMIT_AS, half < MAX_MEMORY ? half : MAX_MEMORY);

	return err ? err : lower_limit(RLIMIT_CORE, 0);
}

static int compare(const void *x, const void *y)
{
	return *(const char *)x - *(const char *)y;
}

/* glibc's qsort asks once how much memory the machine has, which may mean to read a file. */
static void warm_up(void)
{
	char bytes[4096] = {1};

	qsort(bytes, sizeof(bytes), 1, compare);
}

int confine(void)
{
	int err;

	/* The parent may be gone before this takes effect: then the socket is closed, which the
	 * first read shows. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_DUMPABLE, 0) || chdir("/") ||
	    syscall(SYS_close_range, CONFINE_SOCKET + 1, ~0U, 0))
		return -errno;
	err = capability__drop_all();
	warm_up();
	if (CONFINE_SANITIZED)
		return err; /* its run-time library needs more than the list */
	if (!err)
		err = limit_memory();
	return err ? err : load_filter();
}
