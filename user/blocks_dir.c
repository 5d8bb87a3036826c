// SPDX-License-Identifier: GPL-2.0-or-later
#include "blocks_dir.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "util/cleanup.h"
#include "util/log.h"

#define NAME_SIZE 32
#define LINE	  "[+] caller: 0x%" PRIx64 ", addr: 0x%" PRIx64 ", size: %" PRIu64 "\n"
#define LINE_SCAN "[+] caller: 0x%" SCNx64 ", addr: 0x%" SCNx64 ", size: %" SCNu64
#define LINE_SIZE 96

/* One live block. */
struct line {
	uint64_t addr, caller, bytes;
	uint32_t pid;
};

typedef VECTOR(struct line) lines;

struct blocks_dir {
	int fd;
	char *path;
	lines made;	/* what the files say, sorted */
	size_t missing; /* blocks that should have a file and have none */
	int reason;	/* errno of the first of them */
};

static const char *name_of(char buf[static NAME_SIZE], uint64_t addr)
{
	snprintf(buf, NAME_SIZE, "0x%" PRIx64 ".mem", addr);
	return buf;
}

/* --- opening --- */

/* Whether @name is a file that an earlier run of this user made. */
static bool is_left_over(int dir, const char *name)
{
	CLEANUP_CLOSE int fd = -1;
	char canonical[NAME_SIZE], text[LINE_SIZE] = "";
	uint64_t caller, addr, size;
	struct stat st;

	if (strncmp(name, "0x", 2) != 0 || !isxdigit((unsigned char)name[2]))
		return false;
	if (strcmp(name, name_of(canonical, strtoull(name, NULL, 16))) != 0)
		return false;
	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_uid != geteuid())
		return false;
	if (read(fd, text, sizeof(text) - 1) < 0)
		return false;
	return sscanf(text, LINE_SCAN, &caller, &addr, &size) == 3 &&
	       addr == strtoull(name, NULL, 16);
}

static int remove_left_over(struct blocks_dir *d)
{
	CLEANUP_CLOSEDIR DIR *dir = NULL;
	int fd = openat(d->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *e;
	int err;

	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		err = -errno;
		cleanup_close(&fd);
		return err;
	}
	for (errno = 0; (e = readdir(dir)); errno = 0)
		if (is_left_over(d->fd, e->d_name) && unlinkat(d->fd, e->d_name, 0))
			return -errno;
	return -errno;
}

static int open_folder(struct blocks_dir *d)
{
	if (mkdir(d->path, 0777) && errno != EEXIST)
		return -errno;
	d->fd = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d->fd < 0 || faccessat(d->fd, ".", W_OK | X_OK, AT_EACCESS))
		return -errno;
	if (flock(d->fd, LOCK_EX | LOCK_NB))
		return -errno;
	return remove_left_over(d);
}

int blocks_dir__open(const char *path, struct blocks_dir **ret)
{
	struct blocks_dir *d = calloc(1, sizeof(*d));
	int err = -ENOMEM;

	if (d) {
		d->fd = -1;
		d->path = strdup(path);
		err = d->path ? open_folder(d) : -ENOMEM;
	}
	if (err) {
		log_error("cannot keep blocks in '%s': %s", path,
			  err == -EWOULDBLOCK ? "another memleak-bpf does" : strerror(-err));
		blocks_dir__close(d);
		return err;
	}
	*ret = d;
	return 0;
}

void blocks_dir__close(struct blocks_dir *d)
{
	if (!d)
		return;
	if (d->missing)
		log_warning("%zu outstanding block%s no file in '%s': %s", d->missing,
			    d->missing == 1 ? " has" : "s have", d->path, strerror(d->reason));
	cleanup_close(&d->fd);
	free(d->path);
	vector_release(&d->made);
	free(d);
}

/* --- files --- */

static int write_all(int fd, const char *text, size_t n)
{
	while (n) {
		ssize_t written = write(fd, text, n);

		if (written < 0 && errno != EINTR)
			return -errno;
		if (written > 0) {
			text += written;
			n -= written;
		}
	}
	return 0;
}

/* One file, of the @n blocks at one address. 0 or -errno with no file. */
static int make_file(struct blocks_dir *d, const struct line *l, size_t n)
{
	char name[NAME_SIZE], text[LINE_SIZE];
	size_t i;
	int fd, err = 0;

	name_of(name, l->addr);
	fd = openat(d->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
	if (fd < 0)
		return -errno;
	for (i = 0; i < n && !err; i++) {
		int length = snprintf(text, sizeof(text), LINE, l[i].caller, l[i].addr, l[i].bytes);

		err = write_all(fd, text, length);
	}
	if (close(fd) && !err)
		err = -errno;
	if (err)
		unlinkat(d->fd, name, 0);
	return err;
}

static void remove_file(struct blocks_dir *d, uint64_t addr)
{
	char name[NAME_SIZE];

	if (unlinkat(d->fd, name_of(name, addr), 0) && errno != ENOENT)
		log_warning("cannot remove '%s/%s': %m", d->path, name);
}

static void note_missing(struct blocks_dir *d, uint64_t addr, size_t n, int err)
{
	char name[NAME_SIZE];

	d->missing += n;
	if (d->reason)
		return;
	d->reason = -err;
	log_warning("cannot make '%s/%s': %s; blocks without a file are counted", d->path,
		    name_of(name, addr), strerror(-err));
}

/* --- bringing up to date --- */

static int compare_lines(const void *x, const void *y)
{
	const struct line *a = x, *b = y;

	if (a->addr != b->addr)
		return a->addr < b->addr ? -1 : 1;
	return (a->pid > b->pid) - (a->pid < b->pid);
}

/* How many lines from @i on share one address. */
static size_t run_length(const lines *v, size_t i)
{
	size_t n = 1;

	while (i + n < v->count && v->items[i + n].addr == v->items[i].addr)
		n++;
	return n;
}

static bool equal_runs(const struct line *a, size_t na, const struct line *b, size_t nb)
{
	size_t i;

	if (na != nb)
		return false;
	for (i = 0; i < na; i++)
		if (a[i].addr != b[i].addr || a[i].caller != b[i].caller ||
		    a[i].bytes != b[i].bytes || a[i].pid != b[i].pid)
			return false;
	return true;
}

static int list_blocks(const struct profile *p, lines *ret)
{
	size_t i, k;
	int err;

	for (i = 0; i < p->entries.count; i++) {
		const struct profile_entry *e = &p->entries.items[i];
		const struct profile_stack *s =
			e->stack < p->stacks.count ? &p->stacks.items[e->stack] : NULL;
		struct line l = {.pid = p->processes.items[e->process].pid};

		/* Mappings and resources stand beside the heap. */
		if (e->resource || strcmp(e->family, "mmap") == 0)
			continue;
		if (s && s->count)
			l.caller = p->locations.items[p->frames.items[s->first]].pc;
		for (k = 0; k < e->nr_blocks; k++) {
			l.addr = p->blocks.items[e->first_block + k].addr;
			l.bytes = p->blocks.items[e->first_block + k].bytes;
			err = vector_push(ret, l);
			if (err)
				return err;
		}
	}
	if (ret->count)
		qsort(ret->items, ret->count, sizeof(*ret->items), compare_lines);
	return 0;
}

static void release_lines(lines *v)
{
	vector_release(v);
}

/* Files that say something else than @live go, before new ones need the room; what stays as it was
 * is marked in @kept, by its place in @live. */
static void remove_old(struct blocks_dir *d, const lines *live, bool *kept)
{
	size_t i, k = 0, ni, nk;

	for (i = 0; i < d->made.count; i += ni) {
		const struct line *old = &d->made.items[i];

		ni = run_length(&d->made, i);
		while (k < live->count && live->items[k].addr < old->addr)
			k++;
		nk = k < live->count ? run_length(live, k) : 0;
		if (nk && equal_runs(old, ni, &live->items[k], nk))
			kept[k] = true;
		else
			remove_file(d, old->addr);
	}
}

int blocks_dir__sync(struct blocks_dir *d, const struct profile *p)
{
	CLEANUP(release_lines) lines live = {0};
	CLEANUP_FREE bool *kept = NULL;
	size_t k, n;
	int err = list_blocks(p, &live);

	kept = calloc(live.count + 1, sizeof(*kept));
	if (err || !kept || vector_reserve(&d->made, live.count))
		return -ENOMEM;
	remove_old(d, &live, kept);
	d->made.count = 0;
	d->missing = 0;
	for (k = 0; k < live.count; k += n) {
		n = run_length(&live, k);
		err = kept[k] ? 0 : make_file(d, &live.items[k], n);
		if (err) {
			note_missing(d, live.items[k].addr, n, err);
			continue;
		}
		memcpy(&d->made.items[d->made.count], &live.items[k], n * sizeof(*live.items));
		d->made.count += n;
	}
	return 0;
}
