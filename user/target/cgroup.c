// SPDX-License-Identifier: GPL-2.0-or-later
#include "target/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/hash.h"
#include "util/log.h"

#define MOUNT_POINT "/sys/fs/cgroup"

struct cgroup {
	int fd;
	struct hash pids; /* (pid, 0) */
};

static bool is_cgroup(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC;
}

/* As it is, or below where version 2 is mounted; beside version 1, that is the second place. */
static int open_directory(const char *path, char **found)
{
	static const char *const roots[] = {"", MOUNT_POINT "/", MOUNT_POINT "/unified/"};
	int err = -ENOENT;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(roots); i++) {
		CLEANUP_FREE char *full = NULL;
		int fd;

		if (asprintf(&full, "%s%s", roots[i], path) < 0)
			return -ENOMEM;
		fd = open(full, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0 && is_cgroup(fd)) {
			*found = TAKE_PTR(full);
			return fd;
		}
		if (fd >= 0) {
			close(fd);
			err = -EMEDIUMTYPE;
		}
	}
	return err;
}

/* Add the processes that one directory's file lists. */
static int add_processes(struct cgroup *c, const char *directory)
{
	CLEANUP_FREE char *path = NULL;
	CLEANUP_FCLOSE FILE *f = NULL;
	int pid, err = 0;

	if (asprintf(&path, "%s/cgroup.procs", directory) < 0)
		return -ENOMEM;
	f = fopen(path, "re");
	while (f && !err && fscanf(f, "%d", &pid) == 1)
		err = hash__set(&c->pids, pid, 0, 0);
	return err; /* a directory that has just gone has no processes */
}

static int add_below(struct cgroup *c, char *path)
{
	char *const roots[] = {path, NULL};
	FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	FTSENT *e;
	int err = 0;

	if (!tree)
		return -errno;
	while (!err && (e = fts_read(tree)))
		if (e->fts_info == FTS_D)
			err = add_processes(c, e->fts_path);
	fts_close(tree);
	return err;
}

int cgroup__open(const char *path, struct cgroup **ret)
{
	CLEANUP_FREE char *found = NULL;
	struct cgroup *c = calloc(1, sizeof(*c));
	int err;

	if (!c)
		return -ENOMEM;
	c->fd = open_directory(path, &found);
	if (c->fd < 0) {
		err = c->fd;
		log_error(err == -EMEDIUMTYPE ? "'%s' is no cgroup of version 2: these lie where "
						"cgroup2 is mounted, often " MOUNT_POINT
					      : "cannot open the cgroup '%s': no such directory",
			  path);
		cgroup__close(c);
		return err;
	}
	err = add_below(c, found);
	if (err) {
		log_error("cannot list the processes of the cgroup '%s': %s", path, strerror(-err));
		cgroup__close(c);
		return err;
	}
	*ret = c;
	return 0;
}

void cgroup__close(struct cgroup *c)
{
	if (!c)
		return;
	if (c->fd >= 0)
		close(c->fd);
	hash__release(&c->pids);
	free(c);
}

int cgroup__fd(const struct cgroup *c)
{
	return c->fd;
}

bool cgroup__has(const struct cgroup *c, pid_t pid)
{
	return hash__get(&c->pids, pid, 0) != HASH_NONE;
}
