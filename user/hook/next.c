// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The next definition of every function here, looked up at the first call of any of them: that can
 * be long before this library's own constructor. dlsym(3) may allocate itself; what it asks for
 * meanwhile comes from a small array and is never freed.
 */
#include <dlfcn.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hook.h"

_Alignas(16) char hook_early[HOOK_EARLY_BYTES];
static size_t early_used;
static bool over_libc;
static __thread bool looking __attribute__((tls_model("initial-exec")));

__thread struct hook_thread hook_thread;

bool hook_is_over_libc(void)
{
	return __atomic_load_n(&over_libc, __ATOMIC_ACQUIRE);
}

static void *allocate_early(size_t size)
{
	size_t at, need = (size + 31) & ~(size_t)15; /* with 16 bytes for the size */

	if (size > HOOK_EARLY_BYTES)
		return NULL;
	at = __atomic_fetch_add(&early_used, need, __ATOMIC_RELAXED);
	if (at + need > HOOK_EARLY_BYTES)
		return NULL;
	*(size_t *)(hook_early + at) = size;
	hook_filter_mark(hook_early + at + 16);
	return hook_early + at + 16;
}

/* --- what an allocator does not have --- */

static void *no_memory(void)
{
	errno = ENOMEM;
	return NULL;
}

static void *absent_pvalloc(size_t size)
{
	(void)size;
	return no_memory();
}

static void *absent_reallocarray(void *old, size_t n, size_t size)
{
	if (size && n > SIZE_MAX / size)
		return no_memory();
	return hook_next.realloc(old, n * size);
}

/* --- looking --- */

static void look(void *slot, const char *name, void *absent)
{
	void *found = dlsym(RTLD_NEXT, name);

	__atomic_store_n((void **)slot, found ? found : absent, __ATOMIC_RELEASE);
}

/* Whether an object defines both: its functions reach each other without this library. */
static bool is_in_libc(void *function)
{
	void *other = dlsym(RTLD_NEXT, "__libc_start_main");
	Dl_info a, b;

	return other && dladdr(function, &a) && dladdr(other, &b) && a.dli_fbase == b.dli_fbase;
}

bool hook_find_next(void)
{
	if (looking)
		return false;
	looking = true;
	/* What dlsym allocates is nobody's. */
	hook_thread.inside = (uintptr_t)__builtin_frame_address(0);
	/* What the others fall back to. */
	look(&hook_next.free, "free", NULL);
	look(&hook_next.realloc, "realloc", NULL);
	look(&hook_next.malloc, "malloc", NULL);
	look(&hook_next.calloc, "calloc", NULL);
	look(&hook_next.reallocarray, "reallocarray", absent_reallocarray);
	look(&hook_next.posix_memalign, "posix_memalign", NULL);
	look(&hook_next.aligned_alloc, "aligned_alloc", NULL);
	look(&hook_next.memalign, "memalign", hook_next.aligned_alloc);
	look(&hook_next.valloc, "valloc", absent_pvalloc);
	look(&hook_next.pvalloc, "pvalloc", absent_pvalloc);
	look(&hook_next.mmap, "mmap", NULL);
	look(&hook_next.mmap64, "mmap64", hook_next.mmap);
	look(&hook_next.munmap, "munmap", NULL);
	look(&hook_next.mremap, "mremap", NULL);
	look(&hook_next.vfork, "vfork", NULL);
	__atomic_store_n(&over_libc, is_in_libc((void *)hook_next.malloc), __ATOMIC_RELEASE);
	hook_watch_forks();
	hook_choose_quick();
	hook_thread.inside = 0;
	looking = false;
	return true;
}

static void *first_malloc(size_t size)
{
	return hook_find_next() ? hook_next.malloc(size) : allocate_early(size);
}

static void *first_calloc(size_t n, size_t size)
{
	if (hook_find_next())
		return hook_next.calloc(n, size);
	return size && n > SIZE_MAX / size ? NULL : allocate_early(n * size);
}

static void *first_realloc(void *old, size_t size)
{
	void *block;

	if (hook_find_next())
		return hook_next.realloc(old, size);
	block = allocate_early(size);
	if (block && old) {
		size_t had = ((size_t *)old)[-2];

		memcpy(block, old, had < size ? had : size);
	}
	return block;
}

static void *first_reallocarray(void *old, size_t n, size_t size)
{
	return hook_find_next() ? hook_next.reallocarray(old, n, size) : NULL;
}

static int first_posix_memalign(void **block, size_t alignment, size_t size)
{
	return hook_find_next() ? hook_next.posix_memalign(block, alignment, size) : ENOMEM;
}

static void *first_aligned_alloc(size_t alignment, size_t size)
{
	return hook_find_next() ? hook_next.aligned_alloc(alignment, size) : NULL;
}

static void *first_memalign(size_t alignment, size_t size)
{
	return hook_find_next() ? hook_next.memalign(alignment, size) : NULL;
}

static void *first_valloc(size_t size)
{
	return hook_find_next() ? hook_next.valloc(size) : NULL;
}

static void *first_pvalloc(size_t size)
{
	return hook_find_next() ? hook_next.pvalloc(size) : NULL;
}

static void first_free(void *block)
{
	if (hook_find_next())
		hook_next.free(block);
}

static void *first_mmap(void *addr, size_t size, int protection, int flags, int fd, long offset)
{
	if (hook_find_next())
		return hook_next.mmap(addr, size, protection, flags, fd, offset);
	return (void *)syscall(SYS_mmap, addr, size, protection, flags, fd, offset);
}

static int first_munmap(void *addr, size_t size)
{
	if (hook_find_next())
		return hook_next.munmap(addr, size);
	return syscall(SYS_munmap, addr, size);
}

static void *first_mremap(void *old, size_t old_size, size_t size, int flags, ...)
{
	void *fresh;
	va_list ap;

	va_start(ap, flags);
	fresh = va_arg(ap, void *);
	va_end(ap);
	if (hook_find_next())
		return hook_next.mremap(old, old_size, size, flags, fresh);
	return (void *)syscall(SYS_mremap, old, old_size, size, flags, fresh);
}

struct hook_next hook_next = {
	.malloc = first_malloc,
	.calloc = first_calloc,
	.realloc = first_realloc,
	.reallocarray = first_reallocarray,
	.posix_memalign = first_posix_memalign,
	.aligned_alloc = first_aligned_alloc,
	.memalign = first_memalign,
	.valloc = first_valloc,
	.pvalloc = first_pvalloc,
	.free = first_free,
	.mmap = first_mmap,
	.mmap64 = first_mmap,
	.munmap = first_munmap,
	.mremap = first_mremap,
};
