// SPDX-License-Identifier: GPL-2.0-or-later
#include "util/replace.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "util/cleanup.h"

#define TEMPORARY ".memleak-bpf-XXXXXX"

char *replace__folder(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return strdup(".");
	return strndup(path, slash > path ? slash - path : 1);
}

int replace__check(const char *path)
{
	CLEANUP_FREE char *folder = replace__folder(path);
	struct stat st;

	if (!folder)
		return -ENOMEM;
	if (access(folder, W_OK | X_OK))
		return -errno;
	if (stat(path, &st))
		return errno == ENOENT ? 0 : -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	return S_ISREG(st.st_mode) ? 0 : -EINVAL;
}

/* As if the file had been made by open(2). */
static int set_mode(int fd)
{
	mode_t mask = umask(0);

	umask(mask);
	return fchmod(fd, 0666 & ~mask) ? -errno : 0;
}

static int write_temporary(int fd, replace_fn *write, void *context)
{
	CLEANUP_FCLOSE FILE *out = fdopen(fd, "w");
	int err;

	if (!out) {
		err = -errno;
		close(fd);
		return err;
	}
	err = set_mode(fd);
	if (!err)
		err = write(context, out);
	errno = 0;
	if (!err && (fflush(out) || ferror(out)))
		err = errno ? -errno : -EIO;
	if (!err && fsync(fd))
		err = -errno;
	return err;
}

/* The new name is to be on the disk too. */
static void sync_folder(const char *folder)
{
	CLEANUP_CLOSE int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		fsync(fd); /* the file itself is safe, whatever comes of this */
}

int replace__file(const char *path, replace_fn *write, void *context)
{
	CLEANUP_FREE char *folder = replace__folder(path), *temporary = NULL;
	void (*limit)(int);
	int fd, err;

	if (!folder || asprintf(&temporary, "%s/" TEMPORARY, folder) < 0) {
		temporary = NULL;
		return -ENOMEM;
	}
	fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* A limit on the size of files (RLIMIT_FSIZE) is an error, not the end. */
	limit = signal(SIGXFSZ, SIG_IGN);
	err = write_temporary(fd, write, context);
	signal(SIGXFSZ, limit);
	if (!err && rename(temporary, path))
		err = -errno;
	if (err)
		unlink(temporary);
	else
		sync_folder(folder);
	return err;
}
