// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Roots are what the program can write to and may have written: pages of private mappings that are
 * its own by now (a file's untouched pages hold no address of any block), whatever their protection
 * is at this moment, and the pages of shared ones that it has mapped in. Reading what was never
 * touched would cost memory and time, and could wait for ever (userfaultfd).
 *
 * The unused part of a stack is no root. Where stacks end is only known for the first thread's, and
 * for those that the C library made: it puts the thread's control block at their top.
 */
#include "leakcheck/memory.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/types.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/vector.h"

#define WORD	       8
#define PIECE	       (512UL << 10) /* read by one call; fits into a cache */
#define RED_ZONE       128	     /* below the stack pointer, x86-64's ABI */
#define HEAP_ALIGNMENT (64ULL << 20) /* of the heaps of glibc's further arenas */
#define MAX_CLASS_NAME 512

struct region {
	uint64_t start, end;
	bool readable, writable, executable, shared;
	bool file;  /* of a file of a file system */
	bool brk;   /* [heap] */
	bool stack; /* [stack] */
};

/* Touched pages. */
struct range {
	uint64_t start, end;
};

struct memory {
	pid_t pid, reader;
	int mem_fd, pagemap_fd;
	bool no_pagemap_scan;
	uint64_t page;
	uint64_t *buffer; /* PIECE bytes */
	VECTOR(struct region) regions;
	VECTOR(struct range) ranges; /* of the region that is being read */
	uint64_t trampoline_start, trampoline_end;
	uint64_t red_zone; /* bytes below a stack pointer that are in use */
	uint64_t bytes_read, bytes_unread;
};

static void cleanup_memory(struct memory **m)
{
	memory__destroy(*m);
}

static int open_proc(pid_t pid, const char *name)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int memory__create(pid_t pid, pid_t reader, struct memory **ret)
{
	CLEANUP(cleanup_memory) struct memory *m = calloc(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	m->pid = pid;
	m->reader = reader;
	m->page = sysconf(_SC_PAGESIZE);
	m->pagemap_fd = -1;
	m->buffer = malloc(PIECE);
	m->mem_fd = open_proc(reader, "mem");
	if (m->mem_fd < 0)
		return m->mem_fd;
	if (!m->buffer)
		return -ENOMEM;
	memset(m->buffer, 0, PIECE);
	m->pagemap_fd = open_proc(reader, "pagemap");
	if (m->pagemap_fd < 0)
		return m->pagemap_fd;
	*ret = TAKE_PTR(m);
	return 0;
}

void memory__destroy(struct memory *m)
{
	if (!m)
		return;
	if (m->mem_fd >= 0)
		close(m->mem_fd);
	if (m->pagemap_fd >= 0)
		close(m->pagemap_fd);
	free(m->buffer);
	vector_release(&m->regions);
	vector_release(&m->ranges);
	free(m);
}

uint64_t memory__bytes_read(const struct memory *m)
{
	return m->bytes_read;
}

uint64_t memory__bytes_unread(const struct memory *m)
{
	return m->bytes_unread;
}

/* --- mappings --- */

/* Devices are not memory: looking at them may do something. */
static bool is_device(const char *name)
{
	return strncmp(name, "/dev/", 5) == 0 && strncmp(name, "/dev/shm/", 9) != 0 &&
	       strncmp(name, "/dev/zero", 9) != 0;
}

/* One line of /proc/PID/maps. 0 or -ENOMEM. */
static int add_region(struct memory *m, const char *line)
{
	struct region r = {0};
	const char *name;
	char prot[5] = "";
	uint64_t inode;
	int at = 0;

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %*x %*x:%*x %" SCNu64 " %n", &r.start, &r.end,
		   prot, &inode, &at) < 4 ||
	    !at || r.start >= r.end)
		return 0;
	name = line + at;
	if (strcmp(name, "[uprobes]") == 0) {
		m->trampoline_start = r.start;
		m->trampoline_end = r.end;
	}
	r.readable = prot[0] == 'r';
	r.writable = prot[1] == 'w';
	r.executable = prot[2] == 'x';
	r.shared = prot[3] == 's';
	r.file = inode != 0;
	r.brk = strcmp(name, "[heap]") == 0;
	r.stack = strcmp(name, "[stack]") == 0;
	if (is_device(name) || (name[0] == '[' && name[1] == 'v')) /* [vdso], [vvar] ... */
		return 0;
	return vector_push(&m->regions, r);
}

static int read_regions(struct memory *m)
{
	CLEANUP_FCLOSE FILE *f = NULL;
	CLEANUP_FREE char *line = NULL;
	size_t size = 0;
	char path[64];
	int err = 0;

	snprintf(path, sizeof(path), "/proc/%d/maps", m->reader);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	m->regions.count = 0;
	while (!err && getline(&line, &size, f) > 0) {
		line[strcspn(line, "\n")] = 0;
		err = add_region(m, line);
	}
	return err;
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

static int add_range(struct memory *m, uint64_t start, uint64_t end)
{
	struct range *last = m->ranges.count ? &m->ranges.items[m->ranges.count - 1] : NULL;

	if (last && last->end == start) {
		last->end = end;
		return 0;
	}
	return vector_push(&m->ranges, ((struct range){start, end}));
}

static int ask_pagemap(struct memory *m, const struct region *r)
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
		n = ioctl(m->pagemap_fd, PAGEMAP_SCAN_CALL, &arg);
		if (n < 0)
			return -errno;
		for (i = 0; i < n; i++) {
			err = add_range(m, found[i].start, found[i].end);
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
static int read_pagemap(struct memory *m, const struct region *r)
{
	uint64_t entries[4096];
	uint64_t addr = r->start;
	ssize_t n, i;
	int err;

	while (addr < r->end) {
		size_t pages = (r->end - addr) / m->page;

		pages = pages < ARRAY_SIZE(entries) ? pages : ARRAY_SIZE(entries);
		n = pread(m->pagemap_fd, entries, pages * sizeof(*entries),
			  addr / m->page * sizeof(*entries));
		if (n < (ssize_t)sizeof(*entries))
			return n < 0 ? -errno : 0;
		for (i = 0; i < n / (ssize_t)sizeof(*entries); i++, addr += m->page) {
			bool there = entries[i] >> 62, file = entries[i] >> 61 & 1;

			if (!there || (file && !r->shared))
				continue;
			err = add_range(m, addr, addr + m->page);
			if (err)
				return err;
		}
	}
	return 0;
}

/* The touched pages of @r into m->ranges. */
static int find_touched(struct memory *m, const struct region *r)
{
	int err = -ENOTTY;

	m->ranges.count = 0;
	if (!m->no_pagemap_scan)
		err = ask_pagemap(m, r);
	if (err && err != -ENOMEM) {
		m->no_pagemap_scan |= err == -ENOTTY || err == -EINVAL;
		m->ranges.count = 0;
		err = read_pagemap(m, r);
	}
	return err;
}

/* --- reading --- */

/* Read @size bytes at @addr, whatever its protection. Returns the bytes read from the start on. */
static size_t read_bytes(const struct memory *m, uint64_t addr, void *buf, size_t size)
{
	struct iovec local = {buf, size}, remote = {(void *)(uintptr_t)addr, size};
	ssize_t n = process_vm_readv(m->reader, &local, 1, &remote, 1, 0);

	if (n <= 0)
		n = pread(m->mem_fd, buf, size, addr);
	return n < 0 ? 0 : n;
}

/* Tell of the touched range [@start, @end). */
static int scan_range(struct memory *m, uint64_t start, uint64_t end, struct scan *s)
{
	while (start < end) {
		size_t want = end - start < PIECE ? end - start : PIECE;
		size_t got = read_bytes(m, start, m->buffer, want);
		int err;

		got &= ~(size_t)(WORD - 1);
		if (!got) {
			/* Gone, or memory that nobody else may see: on with the next page. */
			got = m->page - start % m->page;
			m->bytes_unread += got;
			start += got;
			continue;
		}
		m->bytes_read += got;
		err = scan__words(s, start, m->buffer, got / WORD);
		if (err)
			return err;
		start += got;
	}
	return 0;
}

/* --- stacks --- */

/* A thread's stack of the C library's is at most so long. */
static uint64_t stack_limit(void)
{
	struct rlimit limit;
	uint64_t usual = 8ULL << 20;

	if (getrlimit(RLIMIT_STACK, &limit) || limit.rlim_cur == RLIM_INFINITY)
		return usual;
	return limit.rlim_cur < usual ? usual : limit.rlim_cur;
}

/* Where the words that count begin: behind the unused part of a stack. */
static uint64_t used_start(const struct memory *m, size_t region,
			   const struct memory_thread *threads, size_t nr)
{
	const struct region *r = &m->regions.items[region];
	const struct region *below = region ? &m->regions.items[region - 1] : NULL;
	bool guarded = below && below->end == r->start && !below->readable && !below->writable;
	const struct memory_thread *owner = NULL;
	size_t i;

	for (i = 0; i < nr; i++) {
		const struct memory_thread *t = &threads[i];

		if (t->sp < r->start || t->sp >= r->end)
			continue;
		if (owner)
			return r->start; /* several: not what it seems */
		owner = t;
	}
	if (!owner || r->shared || r->file)
		return r->start;
	if (r->stack ? owner->tid == m->pid
		     : guarded && owner->tls > owner->sp && owner->tls < r->end &&
			       owner->tls - r->start <= stack_limit() + 65536)
		return (owner->sp - m->red_zone < r->start ? r->start : owner->sp - m->red_zone) &
		       ~(uint64_t)(WORD - 1);
	return r->start;
}

static bool is_glibc_heap(const struct region *r)
{
	return r->writable && !r->shared && !r->file && (r->brk || r->start % HEAP_ALIGNMENT == 0);
}

static int scan_region(struct memory *m, size_t index, const struct memory_thread *threads,
		       size_t nr, bool complete, struct scan *s)
{
	const struct region *r = &m->regions.items[index];
	uint64_t from;
	size_t i;
	int err;

	if (r->shared && !r->writable)
		return 0;
	err = find_touched(m, r);
	if (err || !m->ranges.count)
		return err;
	from = used_start(m, index, threads, nr);
	scan__begin(s, from, r->end, complete && is_glibc_heap(r) ? SCAN_HEAP : SCAN_ROOTS);
	for (i = 0; i < m->ranges.count && !err; i++) {
		const struct range *t = &m->ranges.items[i];

		if (t->end > from)
			err = scan_range(m, t->start > from ? t->start : from, t->end, s);
	}
	return err;
}

int memory__scan(struct memory *m, const struct memory_thread *threads, size_t nr_threads,
		 bool complete, bool at_exit, struct scan *s)
{
	int err = read_regions(m);
	size_t i;

	if (err)
		return err;
	m->red_zone = at_exit ? 0 : RED_ZONE;
	if (!at_exit)
		scan__set_trampoline(s, m->trampoline_start, m->trampoline_end);
	for (i = 0; i < m->regions.count && !err; i++)
		err = scan_region(m, i, threads, nr_threads, complete, s);
	return err;
}

/* --- for the heuristics, and types --- */

bool memory__word(void *context, uint64_t addr, uint64_t *ret)
{
	return read_bytes(context, addr, ret, sizeof(*ret)) == sizeof(*ret);
}

/* What one process_vm_readv takes (UIO_MAXIOV). */
#define MAX_WORDS 1024

void memory__words(struct memory *m, const uint64_t *addrs, size_t nr, uint64_t *ret)
{
	struct iovec remote[MAX_WORDS];
	size_t done = 0, n, i;

	while (done < nr) {
		struct iovec local;
		ssize_t got;

		n = nr - done < MAX_WORDS ? nr - done : MAX_WORDS;
		for (i = 0; i < n; i++)
			remote[i] = (struct iovec){(void *)(uintptr_t)addrs[done + i], WORD};
		local = (struct iovec){ret + done, n * WORD};
		got = process_vm_readv(m->reader, &local, 1, remote, n, 0);
		done += got > 0 ? got / WORD : 0;
		/* It ends at the first that it cannot read. */
		if (got < (ssize_t)(n * WORD) && done < nr) {
			if (!memory__word(m, addrs[done], &ret[done]))
				ret[done] = 0;
			done++;
		}
	}
}

static const struct region *find_region(const struct memory *m, uint64_t addr)
{
	size_t low = 0, high = m->regions.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (m->regions.items[middle].end <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == m->regions.count || m->regions.items[low].start > addr)
		return NULL;
	return &m->regions.items[low];
}

static bool is_code(const struct memory *m, uint64_t addr)
{
	const struct region *r = find_region(m, addr);

	return r && r->file && r->executable;
}

/* Entries that are looked at: null ones stand for what is not there. */
#define MAX_NULL_ENTRIES 20

/* A table of functions in a file's mapping: the first entry that is not null is code. */
bool memory__is_vtable(void *context, uint64_t addr)
{
	struct memory *m = context;
	const struct region *r = find_region(m, addr);
	uint64_t function;
	int i;

	if (!r || !r->file || addr % WORD)
		return false;
	for (i = 0; i <= MAX_NULL_ENTRIES && addr + WORD <= r->end; i++, addr += WORD) {
		if (!memory__word(m, addr, &function))
			return false;
		if (function)
			return is_code(m, function);
	}
	return false;
}

/*
 * Itanium C++ ABI 2.5.2 and 2.9.5: before the functions stands a pointer to the type's information,
 * a class with a vtable, whose second word points at the mangled name.
 */
char *memory__class(struct memory *m, uint64_t vptr)
{
	const struct region *r = find_region(m, vptr);
	uint64_t info, name;
	char text[MAX_CLASS_NAME];
	size_t n, i;

	if (!r || !r->file || vptr % WORD || vptr < 2 * WORD || !memory__is_vtable(m, vptr))
		return NULL;
	if (!memory__word(m, vptr - WORD, &info) || info % WORD ||
	    !memory__word(m, info + WORD, &name))
		return NULL;
	r = find_region(m, name);
	if (!r || !r->file)
		return NULL;
	n = sizeof(text) < r->end - name ? sizeof(text) : r->end - name;
	n = read_bytes(m, name, text, n);
	if (n && text[0] == '*') /* a type that is local to its file */
		memmove(text, text + 1, --n);
	for (i = 0; i < n && text[i]; i++)
		if (!isalnum((unsigned char)text[i]) && text[i] != '_')
			return NULL;
	return i && i < n ? strdup(text) : NULL;
}
