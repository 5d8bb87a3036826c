// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Operator new and delete in all their forms (Itanium C++ ABI, 5.1.5), by their symbols: this is C,
 * so that the library needs no C++ runtime where the program has none.
 *
 * Most end in malloc and free, which tell of the block; others (those of tcmalloc, say) do not, and
 * then it is told of here. The family travels with the thread. An exception passes through these
 * frames and finds nothing to clean up: what is pending went with the first malloc.
 *
 * A C++ library that was loaded by dlopen(3) has its runtime in a scope of its own: there is no
 * next definition then, and C's functions do the work.
 */
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

#include "hook.h"

/* As the ABI passes them, all arguments are words; who takes fewer does not look at the rest. */
typedef void *new_fn(size_t size, uintptr_t b, uintptr_t c);
typedef void delete_fn(void *block, uintptr_t b, uintptr_t c);

/* std::get_new_handler(): there where a C++ runtime is. */
extern void _ZSt15get_new_handlerv(void) __attribute__((weak));

static void *find_next(void *slot, const char *name, void *absent)
{
	/* Not asked for in vain: dlsym(3) would allocate to say so. */
	void *found = _ZSt15get_new_handlerv ? dlsym(RTLD_NEXT, name) : NULL;

	if (!found)
		found = absent;
	__atomic_store_n((void **)slot, found, __ATOMIC_RELEASE);
	return found;
}

/* --- without a next definition --- */

/* Fail as the runtime's own does: with its handler and its exception. */
static void *fail(size_t size)
{
	static const char *const runtimes[] = {"libstdc++.so.6", "libc++abi.so.1", "libc++.so.1"};
	static const char lost[] = "libmemleak: operator new has no memory and no C++ runtime to "
				   "say so with\n";
	size_t i;

	for (i = 0; i < sizeof(runtimes) / sizeof(runtimes[0]); i++) {
		void *handle = dlopen(runtimes[i], RTLD_LAZY | RTLD_NOLOAD);
		new_fn *own = handle ? (new_fn *)dlsym(handle, "_Znwm") : NULL;

		if (own)
			return own(size, 0, 0);
	}
	if (write(STDERR_FILENO, lost, sizeof(lost) - 1) < 0)
		abort();
	abort();
}

static void *absent_new_nothrow(size_t size, uintptr_t b, uintptr_t c)
{
	(void)b;
	(void)c;
	return malloc(size ? size : 1);
}

static void *absent_new(size_t size, uintptr_t b, uintptr_t c)
{
	void *block = absent_new_nothrow(size, b, c);

	return block ? block : fail(size);
}

static void *absent_new_aligned_nothrow(size_t size, uintptr_t alignment, uintptr_t c)
{
	size_t whole = (size + alignment - 1) & ~(alignment - 1);

	(void)c;
	return aligned_alloc(alignment, whole ? whole : alignment);
}

static void *absent_new_aligned(size_t size, uintptr_t alignment, uintptr_t c)
{
	void *block = absent_new_aligned_nothrow(size, alignment, c);

	return block ? block : fail(size);
}

static void absent_delete(void *block, uintptr_t b, uintptr_t c)
{
	(void)b;
	(void)c;
	free(block);
}

/* --- new --- */

static always_inline void *allocate(new_fn *next, uint8_t family, struct hook_here here,
				    size_t size, uintptr_t b, uintptr_t c)
{
	struct hook_thread *t = &hook_thread;
	uint64_t left;
	void *block;

	/* Operator new[] that calls operator new is one call. */
	if (likely(!hook_tells_allocs()) || hook_mode == HOOK_ASIDE ||
	    hook_is_inside(t, here.frame) || hook_is_pending(t, here.frame)) {
		block = next(size, b, c);
		/* No jump: whoever looks for this function's end could not see where it leads. */
		__asm__ volatile("" : "+r"(block));
		return block;
	}
	t->pending = here;
	t->pending_size = size;
	t->pending_family = family;
	t->made = 0;
	left = *hook_countdown(t);
	block = next(size, b, c);
	t->pending.frame = 0;
	if (block && t->made != hook_hide(block) && *hook_countdown(t) == left)
		hook_tell_alloc(t, block, size, 0, family, here);
	return block;
}

/* @block is of an operator that has memory of its own: stands in the frame of who jumps here. */
static noinline void *tell_own(void *block, size_t size, uint8_t family)
{
	struct hook_thread *t = &hook_thread;
	struct hook_here here = HOOK_HERE;

	if (hook_tells_allocs() && !hook_is_inside(t, here.frame) &&
	    !hook_is_pending(t, here.frame))
		hook_tell_alloc(t, block, size, 0, family, here);
	return block;
}

/* More than an operator adds to what it is asked for; but for an alignment. */
#define MARGIN 4096

/* Its malloc will be quick, so its family and its frame need not travel: in that case the bytes
 * have gone by, or the operator has called none. */
static always_inline void *allocate_quick(new_fn *next, uint8_t family, size_t size, uintptr_t b,
					  uintptr_t c)
{
	struct hook_thread *t = &hook_thread;
	uint64_t left = t->left;
	void *block = next(size, b, c);

	return likely(t->left != left) || !block ? block : tell_own(block, size, family);
}

static always_inline bool will_be_quick(size_t size)
{
	return likely(hook_thread.left > MARGIN) && likely(hook_thread.left - MARGIN > size);
}

#define NEW(symbol, family, absent, quick)                                                         \
	HOOK_EXPORT new_fn symbol;                                                                 \
	static new_fn *symbol##_next;                                                              \
                                                                                                   \
	static noinline void *symbol##_told(size_t size, uintptr_t b, uintptr_t c)                 \
	{                                                                                          \
		new_fn *next = symbol##_next;                                                      \
                                                                                                   \
		return allocate(likely(next) ? next : find_next(&symbol##_next, #symbol, absent),  \
				MEMLEAK_FAMILY_##family, HOOK_HERE, size, b, c);                   \
	}                                                                                          \
                                                                                                   \
	HOOK_EXPORT void *symbol(size_t size, uintptr_t b, uintptr_t c)                            \
	{                                                                                          \
		new_fn *next = symbol##_next;                                                      \
                                                                                                   \
		if (!(quick) || unlikely(!next) || !will_be_quick(size))                           \
			return symbol##_told(size, b, c);                                          \
		return allocate_quick(next, MEMLEAK_FAMILY_##family, size, b, c);                  \
	}

#define NEWS(letter, family)                                                                       \
	NEW(_Zn##letter##m, family, absent_new, true)                                              \
	NEW(_Zn##letter##mRKSt9nothrow_t, family, absent_new_nothrow, true)                        \
	NEW(_Zn##letter##mSt11align_val_t, family, absent_new_aligned, false)                      \
	NEW(_Zn##letter##mSt11align_val_tRKSt9nothrow_t, family, absent_new_aligned_nothrow, false)

NEWS(w, NEW)
NEWS(a, NEW_ARRAY)

/* --- delete --- */

static always_inline void release(delete_fn *next, uint8_t family, bool sized,
				  struct hook_here here, void *block, uintptr_t b, uintptr_t c)
{
	struct hook_thread *t = &hook_thread;

	if (likely(!hook_is_attached(HOOK_FREE)) || !block || hook_mode == HOOK_ASIDE ||
	    hook_is_inside(t, here.frame)) {
		next(block, b, c);
		return;
	}
	if (t->released != hook_hide(block))
		hook_tell_free(block, sized ? b : 0, family, sized ? MEMLEAK_SITE_SIZED : 0, here);
	t->released = hook_hide(block);
	next(block, b, c);
	t->released = 0;
}

#define DELETE(symbol, family, sized)                                                              \
	HOOK_EXPORT delete_fn symbol;                                                              \
	static delete_fn *symbol##_next;                                                           \
                                                                                                   \
	static noinline void symbol##_told(void *block, uintptr_t b, uintptr_t c)                  \
	{                                                                                          \
		delete_fn *next = symbol##_next;                                                   \
                                                                                                   \
		release(likely(next) ? next : find_next(&symbol##_next, #symbol, absent_delete),   \
			MEMLEAK_FAMILY_##family, sized, HOOK_HERE, block, b, c);                   \
	}                                                                                          \
                                                                                                   \
	HOOK_EXPORT void symbol(void *block, uintptr_t b, uintptr_t c)                             \
	{                                                                                          \
		delete_fn *next = symbol##_next;                                                   \
                                                                                                   \
		if (likely(next) && (hook_is_free_quick(block) || !hook_semaphores[HOOK_FREE]))    \
			next(block, b, c);                                                         \
		else                                                                               \
			symbol##_told(block, b, c);                                                \
	}

#define DELETES(letter, family)                                                                    \
	DELETE(_Zd##letter##Pv, family, false)                                                     \
	DELETE(_Zd##letter##Pvm, family, true)                                                     \
	DELETE(_Zd##letter##PvRKSt9nothrow_t, family, false)                                       \
	DELETE(_Zd##letter##PvSt11align_val_t, family, false)                                      \
	DELETE(_Zd##letter##PvmSt11align_val_t, family, true)                                      \
	DELETE(_Zd##letter##PvSt11align_val_tRKSt9nothrow_t, family, false)

DELETES(l, NEW)
DELETES(a, NEW_ARRAY)
