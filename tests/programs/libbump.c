/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An allocator of its own, for LD_PRELOAD: takes from an array, never gives back. */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* With sites as OpenTelemetry's profiler wants them, by an implementation that is not ours. */
#ifdef SITES
#define _SDT_HAS_SEMAPHORES 1
#include <sys/sdt.h>
unsigned short otel_memory_alloc_semaphore __attribute__((section(".probes")));
unsigned short otel_memory_free_semaphore __attribute__((section(".probes")));
#define TELL_ALLOC(p, n)                                                                           \
	do {                                                                                       \
		if (otel_memory_alloc_semaphore && (p))                                            \
			DTRACE_PROBE3(otel_memory, alloc, p, (size_t)(n), (size_t)(n));            \
	} while (0)
#define TELL_FREE(p)                                                                               \
	do {                                                                                       \
		if (otel_memory_free_semaphore)                                                    \
			DTRACE_PROBE1(otel_memory, free, p);                                       \
	} while (0)
#else
#define TELL_ALLOC(p, n)
#define TELL_FREE(p)
#endif

static char arena[64 << 20] __attribute__((aligned(16)));
static size_t used;

static void *take(size_t n, size_t align)
{
	size_t at, end;

	if (n > sizeof(arena) || align > 65536)
		return NULL;
	do {
		at = used;
		end = ((at + sizeof(size_t) + align - 1) & ~(align - 1)) + n;
		if (end > sizeof(arena))
			return NULL;
	} while (!__sync_bool_compare_and_swap(&used, at, end));
	memcpy(arena + end - n - sizeof(size_t), &n, sizeof(n));
	return arena + end - n;
}

void *malloc(size_t n)
{
	void *p = take(n, 16);

	if (!p)
		errno = ENOMEM;
	TELL_ALLOC(p, n);
	return p;
}

void free(void *p)
{
	(void)p;
	TELL_FREE(p);
}

void *calloc(size_t n, size_t m)
{
	size_t bytes;
	void *p;

	/* The array is zero, and nothing is handed out twice. */
	p = __builtin_mul_overflow(n, m, &bytes) ? NULL : take(bytes, 16);
	TELL_ALLOC(p, bytes);
	return p;
}

void *realloc(void *old, size_t n)
{
	void *p = take(n, 16);
	size_t had;

	if (p && old) {
		memcpy(&had, (char *)old - sizeof(had), sizeof(had));
		memcpy(p, old, had < n ? had : n);
		TELL_FREE(old);
	}
	TELL_ALLOC(p, n);
	return p;
}

int posix_memalign(void **ret, size_t align, size_t n)
{
	void *p = NULL;

	if (align < sizeof(void *) || (align & (align - 1)))
		return EINVAL;
	p = take(n, align);
	if (!p)
		return ENOMEM;
	TELL_ALLOC(p, n);
	*ret = p;
	return 0;
}

void *aligned_alloc(size_t align, size_t n)
{
	void *p = take(n, align);

	TELL_ALLOC(p, n);
	return p;
}

void *memalign(size_t align, size_t n)
{
	void *p = take(n, align);

	TELL_ALLOC(p, n);
	return p;
}

void *valloc(size_t n)
{
	void *p = take(n, 4096);

	TELL_ALLOC(p, n);
	return p;
}

void *pvalloc(size_t n)
{
	void *p = take((n + 4095) & ~(size_t)4095, 4096);

	TELL_ALLOC(p, n);
	return p;
}

void *reallocarray(void *old, size_t n, size_t m)
{
	size_t bytes;

	return __builtin_mul_overflow(n, m, &bytes) ? NULL : realloc(old, bytes);
}
