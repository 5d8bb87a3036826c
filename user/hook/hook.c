// SPDX-License-Identifier: GPL-2.0-or-later
/* The allocation functions of C, and the mmap family. */
#include <dlfcn.h>
#include <stdarg.h>
#include <string.h>

#include "hook.h"

/* An allocation that is told of, while it is in flight. */
struct call {
	struct hook_thread *thread;
	struct hook_here here;
	uint64_t left; /* the thread's, which has none meanwhile, so that no call inside is quick */
	uint8_t family;
};

/* musl's calloc calls malloc: the one here, where it would be counted again. */
#ifdef __GLIBC__
static const bool is_glibc = true;
#else
static const bool is_glibc = false;
#endif

/* Whether what begins at @here is to be told; then end() must follow. */
static always_inline bool begin(struct call *c, struct hook_here here)
{
	struct hook_thread *t = &hook_thread;

	if (likely(!hook_tells_allocs())) {
		t->left = 0; /* as in hook_is_unheard() */
		return false;
	}
	if (hook_mode == HOOK_ASIDE || hook_is_inside(t, here.frame))
		return false;
	t->inside = here.frame;
	c->left = t->left;
	t->left = 0;
	c->thread = t;
	c->here = here;
	c->family = MEMLEAK_FAMILY_MALLOC;
	if (unlikely(t->pending.frame)) {
		if (hook_is_pending(t, here.frame)) {
			c->here = t->pending;
			c->family = t->pending_family;
		}
		t->pending.frame = 0;
	}
	return true;
}

static always_inline void *end(struct call *c, void *block, size_t size)
{
	size_t slack = c->family == MEMLEAK_FAMILY_MALLOC ? 0 : size - c->thread->pending_size;

	c->thread->inside = 0;
	c->thread->left = c->left;
	if (likely(block))
		hook_tell_alloc(c->thread, block, size, slack, c->family, c->here);
	else if (!hook_count_down(c->thread, size))
		*hook_countdown(c->thread) = 0; /* the sample among bytes that there are not */
	return block;
}

/*
 * What is left for a call that is not quick is done by a function of its own, to which the first
 * jumps: it stands in the frame of that one.
 */
static noinline void *malloc_told(size_t size)
{
	struct call c;

	if (!begin(&c, HOOK_HERE))
		return hook_next.malloc(size);
	return end(&c, hook_next.malloc(size), size);
}

HOOK_EXPORT HOOK_HOT void *malloc(size_t size)
{
	if (hook_is_quick(size) || hook_is_unheard())
		return hook_next.malloc(size);
	return malloc_told(size);
}

static noinline void *calloc_told(size_t n, size_t size)
{
	struct call c;

	if (!begin(&c, HOOK_HERE))
		return hook_next.calloc(n, size);
	return end(&c, hook_next.calloc(n, size), n * size);
}

HOOK_EXPORT HOOK_HOT void *calloc(size_t n, size_t size)
{
	size_t whole;

	if ((is_glibc && !__builtin_mul_overflow(n, size, &whole) && hook_is_quick(whole)) ||
	    hook_is_unheard())
		return hook_next.calloc(n, size);
	return calloc_told(n, size);
}

HOOK_EXPORT void *aligned_alloc(size_t alignment, size_t size)
{
	struct call c;

	if (!begin(&c, HOOK_HERE))
		return hook_next.aligned_alloc(alignment, size);
	return end(&c, hook_next.aligned_alloc(alignment, size), size);
}

HOOK_EXPORT void *memalign(size_t alignment, size_t size)
{
	struct call c;

	if (!begin(&c, HOOK_HERE))
		return hook_next.memalign(alignment, size);
	return end(&c, hook_next.memalign(alignment, size), size);
}

HOOK_EXPORT void *valloc(size_t size)
{
	struct call c;

	if (!begin(&c, HOOK_HERE))
		return hook_next.valloc(size);
	return end(&c, hook_next.valloc(size), size);
}

HOOK_EXPORT void *pvalloc(size_t size)
{
	struct call c;

	if (!begin(&c, HOOK_HERE))
		return hook_next.pvalloc(size);
	return end(&c, hook_next.pvalloc(size), size);
}

HOOK_EXPORT int posix_memalign(void **block, size_t alignment, size_t size)
{
	struct call c;
	int err;

	if (!begin(&c, HOOK_HERE))
		return hook_next.posix_memalign(block, alignment, size);
	err = hook_next.posix_memalign(block, alignment, size);
	end(&c, err ? NULL : *block, size);
	return err;
}

/* --- realloc --- */

/* What was given out early cannot be handed to an allocator. */
static noinline void *move_early(void *old, size_t size)
{
	size_t had = ((size_t *)old)[-2];
	void *block = hook_next.malloc(size);

	if (block)
		memcpy(block, old, had < size ? had : size);
	return block;
}

/*
 * The old block is told to be free before the call, since another thread can be given its address
 * before the return; if the call then fails, it is told to be there as it was. In a cell it can
 * wait for what comes of it. Meanwhile nobody knows where it is, which a leak check must know.
 */
static always_inline void *reallocate(struct call *c, void *old, size_t size)
{
	__attribute__((unused)) volatile uint64_t mark = MEMLEAK_IN_REALLOC;
	struct memleak_cell *held = old ? hook_hold(old) : NULL;
	bool told = old && !held &&
		    hook_tell_free(old, 0, MEMLEAK_FAMILY_MALLOC, MEMLEAK_SITE_REALLOC, c->here);
	void *block = hook_next.realloc(old, size);

	if (held) {
		hook_let_go(held, block || !size, c->here);
	} else if (!block && size && told) {
		if (hook_mode != HOOK_ALL)
			hook_filter_add(old);
		hook_tell_peak();
		hook_site_restore(old);
	}
	end(c, block, size);
	mark = 0;
	return block;
}

static noinline void *realloc_told(void *old, size_t size)
{
	struct call c;

	if (!begin(&c, HOOK_HERE))
		return hook_next.realloc(old, size);
	return reallocate(&c, old, size);
}

HOOK_EXPORT HOOK_HOT void *realloc(void *old, size_t size)
{
	if (unlikely(hook_is_early(old)))
		return move_early(old, size);
	if ((is_glibc && hook_is_free_quick(old) && hook_is_quick(size)) || hook_is_unheard())
		return hook_next.realloc(old, size);
	return realloc_told(old, size);
}

HOOK_EXPORT void *reallocarray(void *old, size_t n, size_t size)
{
	struct call c;

	/* What overflows, the next one refuses. */
	if (unlikely(hook_is_early(old)) || (size && n > SIZE_MAX / size) || !begin(&c, HOOK_HERE))
		return hook_next.reallocarray(old, n, size);
	return reallocate(&c, old, n * size);
}

/* --- free --- */

/* Tell that @block is about to be freed, unless an operator delete has done that. What it frees
 * beside it is its own. */
static always_inline void tell_free(void *block, struct hook_here here)
{
	struct hook_thread *t = &hook_thread;

	if (likely(!hook_is_attached(HOOK_FREE)) || !block || hook_mode == HOOK_ASIDE ||
	    hook_is_inside(t, here.frame))
		return;
	if (unlikely(t->released == hook_hide(block)))
		t->released = 0;
	else
		hook_tell_free(block, 0, MEMLEAK_FAMILY_MALLOC,
			       t->released ? MEMLEAK_SITE_INNER : 0, here);
}

static noinline void free_told(void *block)
{
	tell_free(block, HOOK_HERE);
	hook_next.free(block);
}

HOOK_EXPORT HOOK_HOT void free(void *block)
{
	if (hook_is_free_quick(block))
		hook_next.free(block);
	else if (unlikely(hook_is_early(block)))
		return;
	else if (!hook_semaphores[HOOK_FREE])
		hook_next.free(block);
	else
		free_told(block);
}

/* --- code --- */

HOOK_EXPORT int dlclose(void *handle)
{
	int (*next)(void *) = (int (*)(void *))dlsym(RTLD_NEXT, "dlclose");
	int ret;

	if (!next)
		return -1; /* nor is there anything to close */
	/* Before, for others may load something there, and behind, for they run it until then. */
	hook_begin_epoch();
	ret = next(handle);
	hook_begin_epoch();
	return ret;
}

/* --- mappings --- */

static always_inline bool is_map_told(uintptr_t frame)
{
	return unlikely(hook_is_attached(HOOK_MAP)) && hook_mode != HOOK_ASIDE &&
	       !hook_is_inside(&hook_thread, frame);
}

static always_inline void *tell_mmap(void *addr, size_t size, int flags, struct hook_here here)
{
	if (is_map_told(here.frame) && addr != MAP_FAILED)
		hook_site_map(addr, size, 0,
			      MEMLEAK_SITE_MAP_INFO(MEMLEAK_CALL_MMAP, flags, here.cfa), here.frame,
			      0);
	return addr;
}

HOOK_EXPORT void *mmap(void *addr, size_t size, int protection, int flags, int fd, off_t offset)
{
	return tell_mmap(hook_next.mmap(addr, size, protection, flags, fd, offset), size, flags,
			 HOOK_HERE);
}

HOOK_EXPORT void *mmap64(void *addr, size_t size, int protection, int flags, int fd, off_t offset)
{
	return tell_mmap(hook_next.mmap64(addr, size, protection, flags, fd, offset), size, flags,
			 HOOK_HERE);
}

HOOK_EXPORT int munmap(void *addr, size_t size)
{
	struct hook_here here = HOOK_HERE;
	bool told = is_map_told(here.frame);
	int ret;

	/* Before: another thread can be given the addresses before the return. */
	if (told)
		hook_site_map(addr, size, 0, MEMLEAK_SITE_MAP_INFO(MEMLEAK_CALL_MUNMAP, 0, 0),
			      here.frame, 0);
	ret = hook_next.munmap(addr, size);
	if (told && ret)
		hook_site_map(addr, size, 0, MEMLEAK_SITE_MAP_INFO(MEMLEAK_CALL_MUNMAP, 1, 0),
			      here.frame, 0);
	return ret;
}

HOOK_EXPORT void *mremap(void *old, size_t old_size, size_t size, int flags, ...)
{
	struct hook_here here = HOOK_HERE;
	void *fresh, *ret;
	va_list ap;

	/* There for some flags alone; passed on in any case. */
	va_start(ap, flags);
	fresh = va_arg(ap, void *);
	va_end(ap);
	ret = hook_next.mremap(old, old_size, size, flags, fresh);
	if (is_map_told(here.frame) && ret != MAP_FAILED)
		hook_site_map(old, old_size, (uintptr_t)ret,
			      MEMLEAK_SITE_MAP_INFO(MEMLEAK_CALL_MREMAP, flags, here.cfa),
			      here.frame, size);
	return ret;
}
