// SPDX-License-Identifier: GPL-2.0-or-later
#include "target/process.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "util/cleanup.h"
#include "util/log.h"

#define PF_KTHREAD 0x00200000 /* include/linux/sched.h */

/* The value behind "@key:" in /proc/PID/status. 0 or -errno. */
static int read_status(pid_t pid, const char *key, char *value, size_t size)
{
	CLEANUP_FCLOSE FILE *f = NULL;
	char path[64], line[512];
	size_t n = strlen(key);

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f)) {
		if (strncmp(line, key, n) != 0 || line[n] != ':')
			continue;
		line[strcspn(line, "\n")] = 0;
		snprintf(value, size, "%s", line + n + 1 + strspn(line + n + 1, " \t"));
		return 0;
	}
	return -ESRCH;
}

/* The flags of /proc/PID/stat, its ninth field; 0 where unknown. */
static unsigned long read_flags(pid_t pid)
{
	CLEANUP_FCLOSE FILE *f = NULL;
	char path[64], line[1024];
	unsigned long flags;
	char *end;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (!f || !fgets(line, sizeof(line), f))
		return 0;
	end = strrchr(line, ')'); /* the name may hold anything */
	if (!end || sscanf(end + 1, " %*c %*d %*d %*d %*d %*d %lu", &flags) != 1)
		return 0;
	return flags;
}

bool process__is_alive(pid_t pid)
{
	char state[64];
	int err = read_status(pid, "State", state, sizeof(state));

	if (err)
		return err != -ENOENT && err != -ESRCH;
	return state[0] != 'Z' && state[0] != 'X';
}

pid_t process__live_thread(pid_t pid)
{
	CLEANUP_CLOSEDIR DIR *dir = NULL;
	struct dirent *d;
	char path[64];

	if (process__is_alive(pid))
		return pid;
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && (d = readdir(dir))) {
		pid_t tid = atoi(d->d_name);

		if (tid > 0 && process__is_alive(tid))
			return tid;
	}
	return pid;
}

pid_t process__tgid(pid_t tid)
{
	char value[64];
	int err = read_status(tid, "Tgid", value, sizeof(value));

	return err ? err : atoi(value);
}

pid_t process__tracer(pid_t tid)
{
	char value[64];
	int err = read_status(tid, "TracerPid", value, sizeof(value));

	return err ? err : atoi(value);
}

int process__check(pid_t pid)
{
	char state[64] = "";
	pid_t tgid;
	int err = read_status(pid, "State", state, sizeof(state));

	if (err) {
		log_error("no process with PID %d: see `ps -e` for the ones there are", pid);
		return -ESRCH;
	}
	tgid = process__tgid(pid);
	if (tgid != pid) {
		log_error("%d is a thread of process %d: give the process, -p %d", pid, tgid, tgid);
		return -EINVAL;
	}
	if (pid == getpid()) {
		log_error("%d is memleak-bpf itself, which is never traced", pid);
		return -EINVAL;
	}
	if (read_flags(pid) & PF_KTHREAD) {
		log_error("%d is a kernel thread: it has no user memory to trace", pid);
		return -EINVAL;
	}
	if (process__live_thread(pid) != pid) {
		log_error("the first thread of process %d has ended and others go on: such a "
			  "process can be traced from its start alone, as a command",
			  pid);
		return -ENOTSUP;
	}
	if (state[0] == 'Z' || state[0] == 'X') {
		log_error("process %d has ended already (a zombie that its parent has not waited "
			  "for)",
			  pid);
		return -ESRCH;
	}
	return 0;
}

int process__open_mapping(pid_t pid, uint64_t start, uint64_t end, char **path)
{
	CLEANUP_CLOSE int fd = -1;
	char link[128], name[PATH_MAX];
	ssize_t n;
	struct stat st;

	snprintf(link, sizeof(link), "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, pid, start, end);
	n = readlink(link, name, sizeof(name) - 1);
	if (n < 0)
		return -errno;
	name[n] = 0;
	/* Not a FIFO: a mapping is of a regular file or of a device. */
	if (stat(link, &st) || !S_ISREG(st.st_mode))
		return -EINVAL;
	fd = open(link, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return -errno;
	*path = strdup(name);
	return *path ? TAKE_FD(fd) : -ENOMEM;
}

char *process__exe(pid_t pid)
{
	char link[64], name[PATH_MAX];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/%d/exe", pid);
	n = readlink(link, name, sizeof(name) - 1);
	if (n < 0)
		return NULL;
	name[n] = 0;
	return strdup(name);
}

uint64_t process__auxv(pid_t pid, unsigned long type)
{
	CLEANUP_CLOSE int fd = -1;
	char path[64];
	Elf64_auxv_t entry;

	snprintf(path, sizeof(path), "/proc/%d/auxv", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && read(fd, &entry, sizeof(entry)) == sizeof(entry)) {
		if (entry.a_type == AT_NULL)
			break;
		if (entry.a_type == type)
			return entry.a_un.a_val;
	}
	return 0;
}
