/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef EXPECT_H
#define EXPECT_H

/*
 * A test program's own truth.
 *
 * Every allocation and free goes through the macros below, which note it in a static table together
 * with the function that made it. expect_done() appends the state of the heap as one JSON line to
 * the file that the environment variable EXPECT names. Nothing here allocates: no stdio.
 *
 * C programs include this after the system's headers and call malloc() and the rest as usual. C++
 * programs, and what libc allocates for its caller, use expect_add() and expect_del().
 */

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/* A function that keeps its name, its frame and its call sites at every optimisation level. */
#define NOIPA __attribute__((noipa))

/* What the runtime allocates before main comes on top: as much as in this program. */
#if defined(__cplusplus) && defined(EXPECT_STATIC)
#define EXPECT_BASELINE "baseline_cxx_static"
#elif defined(__cplusplus)
#define EXPECT_BASELINE "baseline_cxx"
#elif defined(EXPECT_STATIC_PIE)
#define EXPECT_BASELINE "nothing_static_pie"
#elif defined(EXPECT_STATIC)
#define EXPECT_BASELINE "nothing_static"
#else
#define EXPECT_BASELINE ""
#endif

#ifndef EXPECT_BLOCKS
#define EXPECT_BLOCKS  131072
#endif
#define EXPECT_BUCKETS 65536
#define EXPECT_LEAKS   64

/* The table must not keep alive what the program loses: addresses in it are complements. */
struct expect_block {
	uintptr_t hidden; /* 0: unused */
	size_t bytes;
	const char *function;
	const char *family;
	bool via; /* allocated by a library function that `function` called */
	uint32_t next;
};

struct expect_leak {
	const char *function;
	const char *family;
	bool via;
	uint64_t blocks, bytes;
};

static struct {
	volatile int lock;
	bool partial;	     /* a part of what Valgrind sees: a forked child */
	bool totals_unknown; /* libc or the language's runtime allocates too: ask Valgrind */
	uint64_t allocs, frees, alloc_bytes, live_bytes;
	uint32_t nr, unused, heads[EXPECT_BUCKETS];
	struct expect_block blocks[EXPECT_BLOCKS]; /* from 1; 0 ends a list */
	struct expect_leak maps[EXPECT_LEAKS];
	uint32_t nr_maps;
} expect;

static inline void expect_lock(void)
{
	while (__sync_lock_test_and_set(&expect.lock, 1))
		;
}

static inline void expect_unlock(void)
{
	__sync_lock_release(&expect.lock);
}

static inline uint32_t *expect_bucket(void *addr)
{
	return &expect.heads[((uintptr_t)addr * 0x9e3779b97f4a7c15ull) >> 48];
}

/* @function got a block of @bytes. NULL counts nothing. */
__attribute__((noinline, unused)) static void expect_add(void *addr, size_t bytes,
							 const char *family, const char *function,
							 bool via)
{
	uint32_t i, *head = expect_bucket(addr);

	if (!addr)
		return;
	expect_lock();
	i = expect.unused;
	if (i)
		expect.unused = expect.blocks[i].next;
	else
		i = ++expect.nr;
	if (i >= EXPECT_BLOCKS)
		abort();
	expect.blocks[i] = (struct expect_block){~(uintptr_t)addr, bytes, function, family, via, *head};
	*head = i;
	expect.allocs++;
	expect.alloc_bytes += bytes;
	expect.live_bytes += bytes;
	expect_unlock();
}

/* @addr is about to be freed. Unknown blocks (inherited by fork) count nothing. */
__attribute__((noinline, unused)) static struct expect_block expect_del(void *addr)
{
	struct expect_block found = {0};
	uint32_t i, *link;

	expect_lock();
	for (link = expect_bucket(addr); (i = *link); link = &expect.blocks[i].next) {
		if (expect.blocks[i].hidden != ~(uintptr_t)addr)
			continue;
		found = expect.blocks[i];
		*link = found.next;
		expect.blocks[i] = (struct expect_block){.next = expect.unused};
		expect.unused = i;
		expect.frees++;
		expect.live_bytes -= found.bytes;
		break;
	}
	expect_unlock();
	return found;
}

/* expect_del() was too early: nothing was freed. */
__attribute__((noinline, unused)) static void expect_undo(const struct expect_block *b)
{
	if (!b->hidden)
		return;
	expect_add((void *)~b->hidden, b->bytes, b->family, b->function, b->via);
	expect_lock();
	expect.allocs--;
	expect.alloc_bytes -= b->bytes;
	expect.frees--;
	expect_unlock();
}

/* @function holds @blocks mappings of together @bytes at the end. */
__attribute__((unused)) static void expect_mmap(const char *function, uint64_t blocks,
						uint64_t bytes)
{
	if (expect.nr_maps < EXPECT_LEAKS)
		expect.maps[expect.nr_maps++] =
			(struct expect_leak){function, "mmap", false, blocks, bytes};
}

/* Begin again with nothing: in a forked child, or when a tool has just attached. */
__attribute__((unused)) static void expect_reset(void)
{
	expect.partial = true;
	expect.allocs = expect.frees = expect.alloc_bytes = expect.live_bytes = 0;
	expect.nr = expect.unused = expect.nr_maps = 0;
	memset(expect.heads, 0, sizeof(expect.heads));
}

static inline int expect_leaks_of(struct expect_leak *leaks)
{
	int nr = 0, k;

	for (uint32_t i = 1; i <= expect.nr; i++) {
		const struct expect_block *b = &expect.blocks[i];

		if (!b->hidden)
			continue;
		for (k = 0; k < nr; k++)
			if (!strcmp(leaks[k].function, b->function) &&
			    !strcmp(leaks[k].family, b->family))
				break;
		if (k == EXPECT_LEAKS)
			abort();
		if (k == nr)
			leaks[nr++] =
				(struct expect_leak){b->function, b->family, b->via, 0, 0};
		leaks[k].blocks++;
		leaks[k].bytes += b->bytes;
	}
	return nr;
}

/* Append the truth of this process, as it is now, to the file of EXPECT. Returns @status. */
__attribute__((noinline, unused)) static int expect_done(int status)
{
	static struct expect_leak leaks[EXPECT_LEAKS];
	static char line[16384], comm[17];
	const char *path = getenv("EXPECT");
	uint64_t maps = 0, map_bytes = 0;
	int n, fd, nr = expect_leaks_of(leaks);

	for (uint32_t i = 0; i < expect.nr_maps; i++) {
		maps += expect.maps[i].blocks;
		map_bytes += expect.maps[i].bytes;
		leaks[nr++] = expect.maps[i];
	}
	prctl(PR_GET_NAME, comm);
	n = snprintf(line, sizeof(line),
		     "{\"pid\":%d,\"comm\":\"%s\",\"exact\":%s,\"partial\":%s,\"runtime\":\"%s\",\"allocs\":%llu,"
		     "\"frees\":%llu,\"alloc_bytes\":%llu,\"outstanding\":{\"blocks\":%llu,"
		     "\"bytes\":%llu},\"mmap\":{\"blocks\":%llu,\"bytes\":%llu},\"leaks\":[",
		     (int)getpid(), comm, expect.totals_unknown ? "false" : "true",
		     expect.partial ? "true" : "false",
		     EXPECT_BASELINE, (unsigned long long)expect.allocs,
		     (unsigned long long)expect.frees, (unsigned long long)expect.alloc_bytes,
		     (unsigned long long)(expect.allocs - expect.frees),
		     (unsigned long long)expect.live_bytes, (unsigned long long)maps,
		     (unsigned long long)map_bytes);
	for (int k = 0; k < nr; k++)
		n += snprintf(line + n, sizeof(line) - n,
			      "%s{\"function\":\"%s\",\"family\":\"%s\",\"via\":%s,\"blocks\":%llu,"
			      "\"bytes\":%llu}",
			      k ? "," : "", leaks[k].function, leaks[k].family,
			      leaks[k].via ? "true" : "false", (unsigned long long)leaks[k].blocks,
			      (unsigned long long)leaks[k].bytes);
	n += snprintf(line + n, sizeof(line) - n, "]}\n");
	if (!path || !*path)
		return status;
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	if (fd < 0 || write(fd, line, n) != n)
		abort();
	close(fd);
	return status;
}

#ifndef __cplusplus

#define EXPECT_NOTE(call, bytes)                                                                   \
	({                                                                                         \
		void *noted_ = (call);                                                             \
		expect_add(noted_, (bytes), "malloc", __func__, false);                            \
		noted_;                                                                            \
	})

/* A block that a library function allocated on behalf of this function. */
#define EXPECT_VIA(call, bytes)                                                                    \
	({                                                                                         \
		void *noted_ = (call);                                                             \
		expect_add(noted_, (bytes), "malloc", __func__, true);                             \
		noted_;                                                                            \
	})

#define EXPECT_MOVE(old, call, bytes)                                                              \
	({                                                                                         \
		struct expect_block dropped_ = expect_del(old);                                    \
		void *moved_ = (call);                                                             \
		if (!moved_ && (bytes) != 0)                                                           \
			expect_undo(&dropped_);                                                    \
		expect_add(moved_, (bytes), "malloc", __func__, false);                            \
		moved_;                                                                            \
	})

#define malloc(n)	    EXPECT_NOTE((malloc)(n), n)
#define calloc(n, m)	    EXPECT_NOTE((calloc)(n, m), (size_t)(n) * (m))
#define aligned_alloc(a, n) EXPECT_NOTE((aligned_alloc)(a, n), n)
#define memalign(a, n)	    EXPECT_NOTE((memalign)(a, n), n)
#define valloc(n)	    EXPECT_NOTE((valloc)(n), n)
#define pvalloc(n)	    EXPECT_NOTE((pvalloc)(n), n)
#define realloc(p, n)                                                                              \
	({                                                                                         \
		void *old_ = (p);                                                                  \
		EXPECT_MOVE(old_, (realloc)(old_, n), n);                                          \
	})
#define reallocarray(p, n, m)                                                                      \
	({                                                                                         \
		void *old_ = (p);                                                                  \
		EXPECT_MOVE(old_, (reallocarray)(old_, n, m), (size_t)(n) * (m));                  \
	})
#define posix_memalign(p, a, n)                                                                    \
	({                                                                                         \
		int error_ = (posix_memalign)(p, a, n);                                            \
		if (!error_)                                                                       \
			expect_add(*(p), (n), "malloc", __func__, false);                          \
		error_;                                                                            \
	})
#define free(p)                                                                                    \
	({                                                                                         \
		void *freed_ = (p);                                                                \
		expect_del(freed_);                                                                \
		(free)(freed_);                                                                    \
	})

#endif
#endif
