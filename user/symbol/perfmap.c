// SPDX-License-Identifier: GPL-2.0-or-later
#include "symbol/perfmap.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "symbol/intervals.h"
#include "symbol/rootfs.h"
#include "util/cleanup.h"
#include "util/log.h"

#define MAX_BYTES (256LL << 20)

struct entry {
	uint64_t start;
	const char *name; /* in text */
};

struct perfmap {
	pid_t pid;
	perfmap_open_fn *open; /* NULL: perfmap__open */
	void *context;
	bool read; /* once at least */
	struct stat seen;
	char *text; /* each name ends with a NUL */
	VECTOR(struct entry) entries;
	struct intervals ranges; /* indexes of entries */
};

int perfmap__create(pid_t pid, struct perfmap **ret)
{
	struct perfmap *m = calloc(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	m->pid = pid;
	*ret = m;
	return 0;
}

static void forget(struct perfmap *m)
{
	intervals__release(&m->ranges);
	vector_release(&m->entries);
	free(m->text);
	m->text = NULL;
}

void perfmap__destroy(struct perfmap *m)
{
	if (!m)
		return;
	forget(m);
	free(m);
}

/* The process's id in its own, innermost pid namespace. */
static pid_t namespace_pid(pid_t pid)
{
	CLEANUP_FCLOSE FILE *f = NULL;
	char line[512];
	pid_t ret = pid;

	snprintf(line, sizeof(line), "/proc/%d/status", pid);
	f = fopen(line, "re");
	while (f && fgets(line, sizeof(line), f)) {
		char *last = strrchr(line, '\t');

		if (strncmp(line, "NSpid:", 6) == 0 && last && atoi(last + 1) > 0)
			ret = atoi(last + 1);
	}
	return ret;
}

/* Another user could have put it there to mislead. */
static bool is_owned(int fd, pid_t pid)
{
	struct stat st, process;
	char path[64];

	if (fstat(fd, &st))
		return false;
	if (st.st_uid == 0 || st.st_uid == geteuid())
		return true;
	snprintf(path, sizeof(path), "/proc/%d", pid);
	return !stat(path, &process) && process.st_uid == st.st_uid;
}

static int open_in(const char *root, pid_t name, pid_t pid)
{
	CLEANUP_CLOSE int dir = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	CLEANUP_CLOSE int fd = -1;
	char path[64];

	if (dir < 0)
		return -errno;
	snprintf(path, sizeof(path), "/tmp/perf-%d.map", name);
	fd = rootfs__open(dir, path, false);
	if (fd >= 0 && !is_owned(fd, pid))
		return -EPERM;
	return TAKE_FD(fd);
}

int perfmap__open(pid_t pid)
{
	char root[64];
	int fd;

	snprintf(root, sizeof(root), "/proc/%d/root", pid);
	fd = open_in(root, namespace_pid(pid), pid);
	return fd >= 0 ? fd : open_in("/", pid, pid);
}

void perfmap__open_by(struct perfmap *m, perfmap_open_fn *open, void *context)
{
	m->open = open;
	m->context = context;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* Read a hexadecimal number, with or without 0x, and the blanks behind it; NULL where there is
 * none. */
static char *parse_hex(char *s, uint64_t *ret)
{
	char *end;

	if (!isxdigit((unsigned char)*s))
		return NULL;
	errno = 0;
	*ret = strtoull(s, &end, 16);
	if (errno || (*end != ' ' && *end != '\t'))
		return NULL;
	return end + strspn(end, " \t");
}

/* One line, without its newline; what makes no sense is left out. */
static int add_line(struct perfmap *m, char *line)
{
	uint64_t start, size, end;
	size_t n = strlen(line);
	int err;

	if (n && line[n - 1] == '\r')
		line[n - 1] = '\0';
	line = parse_hex(line, &start);
	line = line ? parse_hex(line, &size) : NULL;
	if (!line || !*line || !size)
		return 0;
	if (__builtin_add_overflow(start, size, &end))
		end = UINT64_MAX;
	err = vector_push(&m->entries, (struct entry){.start = start, .name = line});
	return err ? err : intervals__add(&m->ranges, start, end, m->entries.count - 1);
}

static int parse(struct perfmap *m, char *text, size_t size)
{
	size_t at = 0;

	while (at < size) {
		char *line = text + at;
		char *newline = memchr(line, '\n', size - at);
		size_t n = newline ? (size_t)(newline - line) : size - at;
		int err;

		line[n] = '\0';
		err = add_line(m, line);
		if (err)
			return err;
		at += n + 1;
	}
	return intervals__settle(&m->ranges, INTERVALS_LATEST);
}

static int read_map(struct perfmap *m)
{
	CLEANUP_CLOSE int fd = m->open ? m->open(m->context) : perfmap__open(m->pid);
	struct stat st;
	size_t size = 0, max;
	ssize_t n;
	int err;

	if (fd < 0 || fstat(fd, &st))
		return -ENOENT;
	if (m->read && same_file(&st, &m->seen))
		return -ENOENT;
	forget(m);
	m->read = true;
	m->seen = st;
	if (st.st_size > MAX_BYTES)
		log_warning("the perf map of process %d is too large: read up to %lld MiB", m->pid,
			    MAX_BYTES >> 20);
	max = st.st_size > MAX_BYTES ? MAX_BYTES : st.st_size;
	m->text = malloc(max + 1);
	if (!m->text)
		return -ENOMEM;
	while (size < max && (n = pread(fd, m->text + size, max - size, size)) > 0)
		size += n;
	err = parse(m, m->text, size);
	if (err)
		forget(m);
	return err;
}

int perfmap__find(struct perfmap *m, uint64_t addr, const char **name, uint64_t *start)
{
	uint32_t i = intervals__find(&m->ranges, addr);

	if (i == INTERVALS_NONE) {
		int err = read_map(m);

		if (err)
			return err;
		i = intervals__find(&m->ranges, addr);
		if (i == INTERVALS_NONE)
			return -ENOENT;
	}
	*name = m->entries.items[i].name;
	*start = m->entries.items[i].start;
	return 0;
}
