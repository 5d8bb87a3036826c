// SPDX-License-Identifier: GPL-2.0-or-later
#include "leakcheck/regions.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/types.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "util/cleanup.h"

void regions__release(struct regions *r)
{
	size_t i;

	for (i = 0; i < r->list.count; i++)
		free(r->list.items[i].name);
	vector_release(&r->list);
}

/* Devices are not memory: looking at them may do something. */
static bool is_device(const char *name)
{
	return strncmp(name, "/dev/", 5) == 0 && strncmp(name, "/dev/shm/", 9) != 0 &&
	       strncmp(name, "/dev/zero", 9) != 0;
}

/* One line of /proc/PID/maps. 0 or -ENOMEM. */
static int add_region(struct regions *regions, const char *line, bool names)
{
	struct region r = {0};
	const char *name;
	char prot[5] = "";
	int at = 0, err;

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %*x:%*x %" SCNu64 " %n", &r.start,
		   &r.end, prot, &r.offset, &r.inode, &at) < 5 ||
	    !at || r.start >= r.end)
		return 0;
	name = line + at;
	if (strcmp(name, "[uprobes]") == 0) {
		regions->trampoline_start = r.start;
		regions->trampoline_end = r.end;
	}
	r.readable = prot[0] == 'r';
	r.writable = prot[1] == 'w';
	r.executable = prot[2] == 'x';
	r.shared = prot[3] == 's';
	r.brk = strcmp(name, "[heap]") == 0;
	r.stack = strcmp(name, "[stack]") == 0;
	if (is_device(name) || (name[0] == '[' && name[1] == 'v')) /* [vdso], [vvar] ... */
		return 0;
	if (names && *name && !(r.name = strdup(name)))
		return -ENOMEM;
	err = vector_push(&regions->list, r);
	if (err)
		free(r.name);
	return err;
}

int regions__read(struct regions *r, pid_t reader, bool names)
{
	CLEANUP_FCLOSE FILE *f = NULL;
	CLEANUP_FREE char *line = NULL;
	size_t size = 0;
	char path[64];
	int err = 0;

	snprintf(path, sizeof(path), "/proc/%d/maps", reader);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (!err && getline(&line, &size, f) > 0) {
		line[strcspn(line, "\n")] = 0;
		err = add_region(r, line, names);
	}
	return err;
}

ssize_t regions__find(const struct regions *r, uint64_t addr)
{
	size_t low = 0, high = r->list.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (r->list.items[middle].end <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	return low < r->list.count && r->list.items[low].start <= addr ? (ssize_t)low : -1;
}

/* --- touched pages --- */

/* include/uapi/linux/fs.h of 6.7 */
struct page_region {
	__u64 start, end, categories;
};

struct pm_scan_arg {
	__u64 size, flags, start, end, walk_end, vec, vec_len, max_pages;
	__u64 category_inverted, category_mask, category_anyof_mask, return_mask;
};

#define PAGEMAP_SCAN_CALL _IOWR('f', 16, struct pm_scan_arg)
#define PAGE_IS_FILE	  (1 << 2)
#define PAGE_IS_PRESENT	  (1 << 3)
#define PAGE_IS_SWAPPED	  (1 << 4)
#define PAGE_IS_PFNZERO	  (1 << 5)

static int add_range(struct touched *t, uint64_t start, uint64_t end)
{
	struct range *last = t->ranges.count ? &t->ranges.items[t->ranges.count - 1] : NULL;

	if (last && last->end == start) {
		last->end = end;
		return 0;
	}
	return vector_push(&t->ranges, ((struct range){start, end}));
}

static int ask_pagemap(struct touched *t, const struct region *r)
{
	struct page_region found[256];
	struct pm_scan_arg arg = {
		.size = sizeof(arg),
		.start = r->start,
		.end = r->end,
		.vec = (uintptr_t)found,
		.vec_len = ARRAY_SIZE(found),
		.category_anyof_mask = PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
		.return_mask = PAGE_IS_PRESENT,
	};
	int n, i, err;

	if (!r->shared) {
		arg.category_mask = PAGE_IS_FILE | PAGE_IS_PFNZERO;
		arg.category_inverted = arg.category_mask;
	}
	while (arg.start < r->end) {
		n = ioctl(t->fd, PAGEMAP_SCAN_CALL, &arg);
		if (n < 0)
			return -errno;
		for (i = 0; i < n; i++) {
			err = add_range(t, found[i].start, found[i].end);
			if (err)
				return err;
		}
		if (arg.walk_end <= arg.start)
			break;
		arg.start = arg.walk_end;
	}
	return 0;
}

/* Before 6.7: a word for each page (Documentation/admin-guide/mm/pagemap.rst). */
static int read_pagemap(struct touched *t, const struct region *r)
{
	uint64_t entries[4096];
	uint64_t addr = r->start;
	ssize_t n, i;
	int err;

	while (addr < r->end) {
		size_t pages = (r->end - addr) / t->page;

		pages = pages < ARRAY_SIZE(entries) ? pages : ARRAY_SIZE(entries);
		n = pread(t->fd, entries, pages * sizeof(*entries),
			  addr / t->page * sizeof(*entries));
		if (n < (ssize_t)sizeof(*entries))
			return n < 0 ? -errno : 0;
		for (i = 0; i < n / (ssize_t)sizeof(*entries); i++, addr += t->page) {
			bool there = entries[i] >> 62, file = entries[i] >> 61 & 1;

			if (!there || (file && !r->shared))
				continue;
			err = add_range(t, addr, addr + t->page);
			if (err)
				return err;
		}
	}
	return 0;
}

int touched__find(struct touched *t, const struct region *r)
{
	int err = -ENOTTY;

	t->ranges.count = 0;
	if (!t->no_scan)
		err = ask_pagemap(t, r);
	if (err && err != -ENOMEM) {
		t->no_scan |= err == -ENOTTY || err == -EINVAL;
		t->ranges.count = 0;
		err = read_pagemap(t, r);
	}
	return err;
}
