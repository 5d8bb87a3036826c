// SPDX-License-Identifier: GPL-2.0-or-later
#include "symbol/debugfile.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <elfutils/libdwelf.h>
#include <zlib.h>

#include "symbol/rootfs.h"
#include "util/cleanup.h"

#define DEBUG_DIR	 "/usr/lib/debug"
#define MAX_LINK_SECTION 65536
#define MAX_SUMMED_BYTES (8LL << 30) /* of a file whose checksum is taken */

/* What a found file has to be. */
struct identity {
	const uint8_t *build_id;
	size_t build_id_size;
	bool has_checksum;
	uint32_t checksum;
};

static bool checksum_fits(int fd, uint32_t wanted)
{
	CLEANUP_FREE uint8_t *buffer = malloc(1 << 18);
	uint32_t sum = crc32(0, NULL, 0);
	struct stat st;
	off_t at = 0;
	ssize_t n;

	if (!buffer || fstat(fd, &st) || st.st_size > MAX_SUMMED_BYTES)
		return false;
	while (at < st.st_size && (n = pread(fd, buffer, 1 << 18, at)) > 0) {
		sum = crc32(sum, buffer, n);
		at += n;
	}
	return at == st.st_size && sum == wanted;
}

static bool fits(const struct elffile *f, int fd, const struct identity *id)
{
	if (id->build_id && f->build_id)
		return elffile__same_build_id(f, id->build_id, id->build_id_size);
	return id->has_checksum && checksum_fits(fd, id->checksum);
}

/* Nobody but root or ourselves can cut it short while it is mapped. */
static bool is_trusted(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && (st.st_uid == 0 || st.st_uid == geteuid()) &&
	       !(st.st_mode & (S_IWGRP | S_IWOTH));
}

/* Open @fd, which passes to the file, if it is what is wanted. */
static int adopt(int opened, bool ours, const struct identity *id, struct elffile **ret)
{
	CLEANUP_CLOSE int fd = opened;
	struct elffile *f;
	int err = elffile__open(fd, ours && is_trusted(fd), &f);

	if (err)
		return err == -ENOMEM ? err : -ENOENT;
	if (!fits(f, fd, id)) {
		elffile__destroy(f);
		return -ENOENT;
	}
	elffile__own_fd(f, TAKE_FD(fd));
	*ret = f;
	return 0;
}

static int try_path(int root, bool ours, const char *path, const struct identity *id,
		    struct elffile **ret)
{
	int fd = root < 0 ? -ENOENT : rootfs__open(root, path, true);

	return fd < 0 ? -ENOENT : adopt(fd, ours, id, ret);
}

/* @path below the process's root, then below ours. */
static int try_roots(const struct debugfile_search *s, const char *path, const struct identity *id,
		     struct elffile **ret)
{
	int err = try_path(s->process_root, false, path, id, ret);

	return err == -ENOENT ? try_path(s->own_root, true, path, id, ret) : err;
}

static int try_build_id(const struct debugfile_search *s, const uint8_t *build_id, size_t size,
			struct elffile **ret)
{
	struct identity id = {.build_id = build_id, .build_id_size = size};
	char path[PATH_MAX];
	size_t i, n;

	if (!build_id || size < 2)
		return -ENOENT;
	n = snprintf(path, sizeof(path), DEBUG_DIR "/.build-id/%02x/", build_id[0]);
	for (i = 1; i < size && n + 16 < sizeof(path); i++)
		n += snprintf(path + n, sizeof(path) - n, "%02x", build_id[i]);
	snprintf(path + n, sizeof(path) - n, ".debug");
	return try_roots(s, path, &id, ret);
}

static int try_link(const struct debugfile_search *s, const struct elffile *file,
		    struct elffile **ret)
{
	static const char *const forms[] = {"%.*s%s", "%.*s.debug/%s", DEBUG_DIR "%.*s%s"};
	struct identity id = {.build_id = file->build_id,
			      .build_id_size = file->build_id_size,
			      .has_checksum = true};
	const char *slash = s->path ? strrchr(s->path, '/') : NULL;
	const char *name;
	GElf_Word checksum;
	size_t i;

	if (!slash || s->path[0] != '/' ||
	    !elffile__section(file, ".gnu_debuglink", MAX_LINK_SECTION))
		return -ENOENT;
	name = dwelf_elf_gnu_debuglink(file->elf, &checksum);
	if (!name || !*name || strchr(name, '/'))
		return -ENOENT;
	id.checksum = checksum;
	for (i = 0; i < ARRAY_SIZE(forms); i++) {
		char path[PATH_MAX];
		int n = snprintf(path, sizeof(path), forms[i], (int)(slash - s->path + 1), s->path,
				 name);
		int err = n < (int)sizeof(path) ? try_roots(s, path, &id, ret) : -ENOENT;

		if (err != -ENOENT)
			return err;
	}
	return -ENOENT;
}

int debugfile__find(const struct debugfile_search *s, const struct elffile *file,
		    struct elffile **ret)
{
	int err = try_build_id(s, file->build_id, file->build_id_size, ret);

	return err == -ENOENT ? try_link(s, file, ret) : err;
}

static int fetch(const struct debugfile_search *s, const uint8_t *build_id, size_t size,
		 struct elffile **ret)
{
	struct identity id = {.build_id = build_id, .build_id_size = size};
	int fd;

	if (!s->debuginfod || !build_id)
		return -ENOENT;
	fd = debuginfod__fetch(s->debuginfod, build_id, size, s->shown, s->tell);
	return fd < 0 ? -ENOENT : adopt(fd, true, &id, ret);
}

int debugfile__fetch(const struct debugfile_search *s, const struct elffile *file,
		     struct elffile **ret)
{
	return fetch(s, file->build_id, file->build_id_size, ret);
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

int debugfile__find_alt(const struct debugfile_search *s, int from_fd, const char *name,
			const uint8_t *build_id, size_t size, struct elffile **ret)
{
	struct identity id = {.build_id = build_id, .build_id_size = size};
	char path[PATH_MAX] = "";
	size_t n;
	int err = try_build_id(s, build_id, size, ret);

	if (err != -ENOENT)
		return err;
	if (name[0] != '/')
		directory_of(from_fd, path, sizeof(path));
	n = strlen(path);
	if ((n || name[0] == '/') &&
	    snprintf(path + n, sizeof(path) - n, "%s", name) < (int)(sizeof(path) - n)) {
		err = try_roots(s, path, &id, ret);
		if (err != -ENOENT)
			return err;
	}
	return fetch(s, build_id, size, ret);
}
