// SPDX-License-Identifier: GPL-2.0-or-later
#include "probe/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "target/inspect.h"
#include "util/vector.h"

struct files {
	VECTOR(struct file) list; /* by number */
	struct sandbox *sandbox;
	const struct allocator_search *search;
};

int files__create(struct sandbox *sandbox, const struct allocator_search *search,
		  struct files **ret)
{
	struct files *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	f->sandbox = sandbox;
	f->search = search;
	*ret = f;
	return 0;
}

void files__destroy(struct files *f)
{
	size_t i;

	if (!f)
		return;
	for (i = 0; i < f->list.count; i++) {
		object__destroy(f->list.items[i].object);
		allocator__release(&f->list.items[i].allocator);
	}
	vector_release(&f->list);
	free(f);
}

int files__add(struct files *f, uint32_t id, int fd, const char *path)
{
	struct file *file;
	int err;

	if (files__get(f, id)) {
		close(fd);
		return 0;
	}
	while (f->list.count <= id) {
		err = vector_push(&f->list, (struct file){0});
		if (err) {
			close(fd);
			return err;
		}
	}
	file = &f->list.items[id];
	return inspect(f->sandbox, fd, path, f->search, &file->object, &file->allocator);
}

const struct file *files__get(const struct files *f, uint32_t id)
{
	if (id >= f->list.count || !f->list.items[id].object)
		return NULL;
	return &f->list.items[id];
}

/* How much of a path is that of the file, also when it is gone (proc(5), of /proc/PID/maps). */
static size_t path_length(const char *path)
{
	static const char gone[] = " (deleted)";
	size_t n = strlen(path), suffix = sizeof(gone) - 1;

	return n > suffix && strcmp(path + n - suffix, gone) == 0 ? n - suffix : n;
}

uint32_t files__find(const struct files *f, const char *path, uint64_t inode)
{
	size_t n = path_length(path);
	uint32_t id, found = 0;
	struct stat st;

	for (id = f->list.count; id-- > 0;) {
		const struct object *o = f->list.items[id].object;

		if (!o || path_length(o->path) != n || memcmp(o->path, path, n) != 0)
			continue;
		if (fstat(o->fd, &st) == 0 && st.st_ino == inode)
			return id;
		found = found ? found : id;
	}
	return found;
}

/* Whether @o has the build ID that its file has now, which may only have been touched. */
static bool has_same_build_id(struct files *f, struct object *o)
{
	struct allocator allocator = {0};
	struct object *now;
	bool same;

	if (!o->build_id || o->fd < 0 ||
	    inspect(f->sandbox, fcntl(o->fd, F_DUPFD_CLOEXEC, 0), o->path, f->search, &now,
		    &allocator))
		return false;
	same = now->build_id && strcmp(now->build_id, o->build_id) == 0;
	if (same)
		o->changed = now->changed;
	object__destroy(now);
	allocator__release(&allocator);
	return same;
}

bool files__is_unchanged(struct files *f, uint32_t id)
{
	const struct file *file = files__get(f, id);

	return file && (object__is_unchanged(file->object) || has_same_build_id(f, file->object));
}
