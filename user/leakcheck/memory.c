// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Roots are what the program can write to and may have written: pages of private mappings that are
 * its own by now (a file's untouched pages hold no address of any block), whatever their protection
 * is at this moment, and the pages of shared ones that it has mapped in. Reading what was never
 * touched would cost memory and time, and could wait for ever (userfaultfd).
 *
 * The unused part of a stack is no root, see stack.h.
 */
#include "leakcheck/memory.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "leakcheck/regions.h"
#include "leakcheck/stack.h"
#include "leakcheck/sweep.h"
#include "util/cleanup.h"
#include "util/vector.h"

#define WORD	       8
#define RED_ZONE       128	     /* below the stack pointer, x86-64's ABI */
#define HEAP_ALIGNMENT (64ULL << 20) /* of the heaps of glibc's further arenas */
#define MAX_CLASS_NAME 512

struct memory {
	pid_t pid, reader;
	int mem_fd, pagemap_fd;
	struct regions regions;
	struct touched touched; /* of the region that is being read */
	bool names;		/* of regions are wanted */
	struct sweep *sweep;
	struct sweep_counts counts;
	/* What is read next. */
	struct stack_finder stacks;
	bool complete;
	size_t region, range; /* indexes */
	struct sweep_piece piece;
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
	int err;

	if (!m)
		return -ENOMEM;
	m->pid = pid;
	m->reader = reader;
	m->touched.page = sysconf(_SC_PAGESIZE);
	m->pagemap_fd = -1;
	m->mem_fd = open_proc(reader, "mem");
	if (m->mem_fd < 0)
		return m->mem_fd;
	m->pagemap_fd = open_proc(reader, "pagemap");
	if (m->pagemap_fd < 0)
		return m->pagemap_fd;
	m->touched.fd = m->pagemap_fd;
	err = sweep__create(reader, m->mem_fd, &m->sweep);
	if (err)
		return err;
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
	sweep__destroy(m->sweep);
	regions__release(&m->regions);
	vector_release(&m->touched.ranges);
	free(m);
}

void memory__keep_names(struct memory *m)
{
	m->names = true;
}

const struct regions *memory__regions(const struct memory *m)
{
	return &m->regions;
}

uint64_t memory__bytes_read(const struct memory *m)
{
	return m->counts.read;
}

uint64_t memory__bytes_unread(const struct memory *m)
{
	return m->counts.unread;
}

/* --- reading --- */

static bool is_glibc_heap(const struct region *r)
{
	return r->writable && !r->shared && !r->inode && (r->brk || r->start % HEAP_ALIGNMENT == 0);
}

/* Look at the next region: its touched pages, and where it counts from. 0 or -errno. */
static int open_region(struct memory *m)
{
	const struct region *r = &m->regions.list.items[m->region];
	int err;

	m->touched.ranges.count = m->range = 0;
	m->piece = (struct sweep_piece){.begins = true, .mapping_end = r->end};
	if (r->shared && !r->writable)
		return 0;
	err = touched__find(&m->touched, r);
	m->piece.mapping_start = m->piece.end = stack__used_start(&m->stacks, m->region);
	m->piece.kind = m->complete && is_glibc_heap(r) ? SCAN_HEAP : SCAN_ROOTS;
	return err;
}

/* The next piece of the region that is open; false where it has no more. */
static bool cut_piece(struct memory *m)
{
	struct sweep_piece *p = &m->piece;

	for (; m->range < m->touched.ranges.count; m->range++) {
		const struct range *t = &m->touched.ranges.items[m->range];

		p->start = p->end > t->start ? p->end : t->start;
		if (p->start >= t->end)
			continue;
		p->end = t->end - p->start < SWEEP_PIECE ? t->end : p->start + SWEEP_PIECE;
		return true;
	}
	return false;
}

static int next_piece(void *context, struct sweep_piece *ret)
{
	struct memory *m = context;
	int err;

	while (!cut_piece(m)) {
		if (++m->region >= m->regions.list.count)
			return 0;
		err = open_region(m);
		if (err)
			return err;
	}
	*ret = m->piece;
	m->piece.begins = false;
	return 1;
}

int memory__read_regions(struct memory *m)
{
	return regions__read(&m->regions, m->reader, m->names);
}

int memory__scan(struct memory *m, const struct memory_thread *threads, size_t nr_threads,
		 bool complete, bool at_exit, struct scan *s)
{
	int err = regions__read(&m->regions, m->reader, m->names);

	if (err)
		return err;
	if (!at_exit)
		scan__set_trampoline(s, m->regions.trampoline_start, m->regions.trampoline_end);
	m->stacks = (struct stack_finder){
		.regions = &m->regions,
		.threads = threads,
		.nr_threads = nr_threads,
		.pid = m->pid,
		.reader = m->reader,
		.mem_fd = m->mem_fd,
		.red_zone = at_exit ? 0 : RED_ZONE,
	};
	m->complete = complete;
	m->region = SIZE_MAX; /* before the first */
	return sweep__run(m->sweep, next_piece, m, s, &m->counts);
}

/* --- for the heuristics, and types --- */

size_t memory__read(const struct memory *m, uint64_t addr, void *buf, size_t size)
{
	return sweep__read(m->reader, m->mem_fd, addr, buf, size);
}

bool memory__word(void *context, uint64_t addr, uint64_t *ret)
{
	return memory__read(context, addr, ret, sizeof(*ret)) == sizeof(*ret);
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
	ssize_t i = regions__find(&m->regions, addr);

	return i < 0 ? NULL : &m->regions.list.items[i];
}

static bool is_code(const struct memory *m, uint64_t addr)
{
	const struct region *r = find_region(m, addr);

	return r && r->inode && r->executable;
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

	if (!r || !r->inode || addr % WORD)
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

	if (!r || !r->inode || vptr % WORD || vptr < 2 * WORD || !memory__is_vtable(m, vptr))
		return NULL;
	if (!memory__word(m, vptr - WORD, &info) || info % WORD ||
	    !memory__word(m, info + WORD, &name))
		return NULL;
	r = find_region(m, name);
	if (!r || !r->inode)
		return NULL;
	n = sizeof(text) < r->end - name ? sizeof(text) : r->end - name;
	n = memory__read(m, name, text, n);
	if (n && text[0] == '*') /* a type that is local to its file */
		memmove(text, text + 1, --n);
	for (i = 0; i < n && text[i]; i++)
		if (!isalnum((unsigned char)text[i]) && text[i] != '_')
			return NULL;
	return i && i < n ? strdup(text) : NULL;
}
