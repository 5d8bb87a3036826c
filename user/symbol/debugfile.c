// SPDX-License-Identifier: GPL-2.0-or-later
#include "symbol/debugfile.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include <elfutils/libdwelf.h>
#include <zlib.h>

#include "util/cleanup.h"

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

/* Open @fd, which passes to the file, if it is what is wanted. */
static int adopt(int opened, bool ours, const struct identity *id, struct elffile **ret)
{
	CLEANUP_CLOSE int fd = opened;
	struct elffile *f;
	int err = elffile__open(fd, ours, &f);

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

/* The first of the places that @q has which fits. */
static int try_places(const struct debugfile_search *s, struct debugpath_question *q,
		      const struct identity *id, struct elffile **ret)
{
	for (q->nth = 0;; q->nth++) {
		bool ours;
		int fd = s->open(s->context, q, &ours);
		int err = fd < 0 ? fd : adopt(fd, ours, id, ret);

		if (fd == -ERANGE)
			return -ENOENT;
		if (err == -ENOMEM || (fd >= 0 && err != -ENOENT))
			return err;
	}
}

/* By build-id alone, on this machine or (@kind) at a server. */
static int try_build_id(const struct debugfile_search *s, enum debugpath_kind kind,
			const uint8_t *build_id, size_t size, struct elffile **ret)
{
	struct identity id = {.build_id = build_id, .build_id_size = size};
	struct debugpath_question q = {.kind = kind, .build_id = build_id, .build_id_size = size};

	if (kind == DEBUGPATH_FETCH && !s->fetches)
		return -ENOENT;
	return build_id && size >= 2 ? try_places(s, &q, &id, ret) : -ENOENT;
}

static int try_link(const struct debugfile_search *s, const struct elffile *file,
		    struct elffile **ret)
{
	struct identity id = {.build_id = file->build_id,
			      .build_id_size = file->build_id_size,
			      .has_checksum = true};
	struct debugpath_question q = {.kind = DEBUGPATH_LINK};
	GElf_Word checksum;

	if (!elffile__section(file, ".gnu_debuglink", MAX_LINK_SECTION))
		return -ENOENT;
	q.name = dwelf_elf_gnu_debuglink(file->elf, &checksum);
	if (!q.name)
		return -ENOENT;
	id.checksum = checksum;
	return try_places(s, &q, &id, ret);
}

int debugfile__find(const struct debugfile_search *s, const struct elffile *file,
		    struct elffile **ret)
{
	int err = try_build_id(s, DEBUGPATH_BUILD_ID, file->build_id, file->build_id_size, ret);

	return err == -ENOENT ? try_link(s, file, ret) : err;
}

int debugfile__fetch(const struct debugfile_search *s, const struct elffile *file,
		     struct elffile **ret)
{
	return try_build_id(s, DEBUGPATH_FETCH, file->build_id, file->build_id_size, ret);
}

int debugfile__find_alt(const struct debugfile_search *s, bool from_module, const char *name,
			const uint8_t *build_id, size_t size, struct elffile **ret)
{
	struct identity id = {.build_id = build_id, .build_id_size = size};
	struct debugpath_question q = {
		.kind = DEBUGPATH_ALT, .name = name, .from_module = from_module};
	int err = try_build_id(s, DEBUGPATH_BUILD_ID, build_id, size, ret);

	if (err == -ENOENT)
		err = try_places(s, &q, &id, ret);
	return err == -ENOENT ? try_build_id(s, DEBUGPATH_FETCH, build_id, size, ret) : err;
}
