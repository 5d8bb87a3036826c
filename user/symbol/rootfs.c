// SPDX-License-Identifier: GPL-2.0-or-later
#include "symbol/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/openat2.h>

#include "util/cleanup.h"

/* openat2: Linux 5.6. Before, and where a sandbox forbids it, absolute links lead to our own root.
 */
static int open_path(int root, const char *path, bool follow)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW),
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	int fd = syscall(SYS_openat2, root, path, &how, sizeof(how));

	if (fd < 0 && (errno == ENOSYS || errno == EPERM)) {
		while (*path == '/')
			path++;
		fd = openat(root, path, how.flags);
	}
	return fd < 0 ? -errno : fd;
}

int rootfs__open(int root, const char *path, bool follow)
{
	CLEANUP_CLOSE int at = open_path(root, path, follow);
	struct stat st;
	char again[64];
	int fd;

	if (at < 0)
		return at;
	if (fstat(at, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	snprintf(again, sizeof(again), "/proc/self/fd/%d", at);
	fd = open(again, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	return fd < 0 ? -errno : fd;
}
