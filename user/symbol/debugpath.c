// SPDX-License-Identifier: GPL-2.0-or-later
#include "symbol/debugpath.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "symbol/perfmap.h"
#include "symbol/rootfs.h"
#include "util/cleanup.h"

#define DEBUG_DIR "/usr/lib/debug"

/* Places of a debug link: beside the file, in .debug/ beside it, below DEBUG_DIR. */
static const char *const forms[] = {"%.*s%s", "%.*s.debug/%s", DEBUG_DIR "%.*s%s"};

/* The process's root where it is another directory than ours. */
static int open_other_root(const char *root, int own)
{
	CLEANUP_CLOSE int fd = root ? open(root, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	struct stat a, b;

	if (fd < 0 || fstat(fd, &a) || fstat(own, &b) ||
	    (a.st_dev == b.st_dev && a.st_ino == b.st_ino))
		return -1;
	return TAKE_FD(fd);
}

/* Nobody but root or ourselves can cut it short while it is mapped. */
static bool is_trusted(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && (st.st_uid == 0 || st.st_uid == geteuid()) &&
	       !(st.st_mode & (S_IWGRP | S_IWOTH));
}

/* Whoever made up the name gets no other kind of file by it. */
static bool is_elf(int fd)
{
	char magic[SELFMAG];

	return pread(fd, magic, sizeof(magic), 0) == sizeof(magic) &&
	       memcmp(magic, ELFMAG, SELFMAG) == 0;
}

/* @path below the process's root (@own: below ours). */
static int open_below(const struct debugpath *p, const char *path, bool own, bool *ours)
{
	CLEANUP_CLOSE int own_root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	CLEANUP_CLOSE int other = own ? -1 : open_other_root(p->source.root, own_root);
	CLEANUP_CLOSE int fd = -1;
	int root = own ? own_root : other;

	if (root >= 0)
		fd = rootfs__open(root, path, true);
	if (fd < 0 || !is_elf(fd))
		return -ENOENT;
	*ours = own && is_trusted(fd);
	return TAKE_FD(fd);
}

static int open_by_build_id(const struct debugpath *p, const struct debugpath_question *q,
			    bool *ours)
{
	char path[PATH_MAX];
	size_t i, n;

	if (q->nth > 1)
		return -ERANGE;
	n = snprintf(path, sizeof(path), DEBUG_DIR "/.build-id/%02x/", q->build_id[0]);
	for (i = 1; i < q->build_id_size; i++)
		n += snprintf(path + n, sizeof(path) - n, "%02x", q->build_id[i]);
	snprintf(path + n, sizeof(path) - n, ".debug");
	return open_below(p, path, q->nth, ours);
}

static int open_link(const struct debugpath *p, const struct debugpath_question *q, bool *ours)
{
	const char *slash = p->source.path ? strrchr(p->source.path, '/') : NULL;
	char path[PATH_MAX];
	size_t form = q->nth / 2;
	int n;

	if (form >= ARRAY_SIZE(forms) || !slash || p->source.path[0] != '/')
		return -ERANGE;
	if (!q->name || !*q->name || strchr(q->name, '/') || strcmp(q->name, "..") == 0)
		return -ERANGE;
	n = snprintf(path, sizeof(path), forms[form], (int)(slash - p->source.path + 1),
		     p->source.path, q->name);
	return n < (int)sizeof(path) ? open_below(p, path, q->nth % 2, ours) : -ENOENT;
}

/* The directory of an open file, with a slash at the end; an empty string if it is not known. */
static void directory_of(int fd, char *path, size_t size)
{
	char self[64];
	ssize_t n = -1;
	char *slash;

	path[0] = '\0';
	if (fd >= 0) {
		snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
		n = readlink(self, path, size - 1);
	}
	path[n > 0 ? n : 0] = '\0';
	slash = strrchr(path, '/');
	path[slash && path[0] == '/' ? slash - path + 1 : 0] = '\0';
}

static int open_alt(const struct debugpath *p, const struct debugpath_question *q, bool *ours)
{
	char path[PATH_MAX] = "";
	size_t n;

	if (q->nth > 1 || !q->name)
		return -ERANGE;
	if (q->name[0] != '/')
		directory_of(q->from_module ? p->source.fd : p->last, path, sizeof(path));
	n = strlen(path);
	if ((!n && q->name[0] != '/') ||
	    snprintf(path + n, sizeof(path) - n, "%s", q->name) >= (int)(sizeof(path) - n))
		return -ERANGE;
	return open_below(p, path, q->nth, ours);
}

static int fetch(const struct debugpath *p, const struct debugpath_question *q, bool *ours)
{
	CLEANUP_CLOSE int fd = -1;

	if (q->nth || !p->debuginfod)
		return -ERANGE;
	fd = debuginfod__fetch(p->debuginfod, q->build_id, q->build_id_size, p->shown, p->tell);
	if (fd < 0 || !is_elf(fd))
		return -ENOENT;
	*ours = is_trusted(fd);
	return TAKE_FD(fd);
}

/* At the one place; -ENOENT where it is not there. */
static int open_there(struct debugpath *p, const struct debugpath_question *q, bool *ours)
{
	bool by_id = q->kind == DEBUGPATH_BUILD_ID || q->kind == DEBUGPATH_FETCH;
	int fd = -ERANGE;

	*ours = false;
	if (by_id && (q->build_id_size < 2 || q->build_id_size > DEBUGPATH_MAX_BUILD_ID))
		return -ERANGE;
	switch (q->kind) {
	case DEBUGPATH_BUILD_ID:
		fd = open_by_build_id(p, q, ours);
		break;
	case DEBUGPATH_LINK:
		fd = open_link(p, q, ours);
		break;
	case DEBUGPATH_ALT:
		return open_alt(p, q, ours);
	case DEBUGPATH_FETCH:
		fd = fetch(p, q, ours);
		break;
	case DEBUGPATH_PERF_MAP:
		return p->source.jit_pid && !q->nth ? perfmap__open(p->source.jit_pid) : -ERANGE;
	}
	if (fd >= 0) {
		debugpath__release(p);
		p->last = dup(fd);
	}
	return fd;
}

int debugpath__open(void *context, struct debugpath_question *q, bool *ours)
{
	int fd = open_there(context, q, ours);

	for (; fd == -ENOENT; fd = open_there(context, q, ours))
		q->nth++;
	return fd;
}

void debugpath__release(struct debugpath *p)
{
	if (p->last >= 0)
		close(p->last);
	p->last = -1;
}
