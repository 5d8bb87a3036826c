/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_HOOK_HOOK_H
#define MEMLEAK_HOOK_HOOK_H

/*
 * libmemleak.so: calls of allocators, told to the kernel at a low price.
 *
 * It stands before the C library (LD_PRELOAD, or linked to a program): every allocation function
 * here calls the next definition of its name and then one of four probe sites, if somebody is
 * attached to it; what is said there is what the tool's probes find out in other programs.
 *
 * Terms. A call is *inside* if an allocation function of C is in flight further out: it is a part
 * of that one. A call is *pending* from the entry of an operator new to the malloc that it makes,
 * which takes its family and its frame. The *frame* is that of the interposed function, whose
 * caller is where a walk begins.
 *
 * The library allocates nothing, takes no lock, and calls nothing that does, but for dlsym(3) at
 * the first call of all and in dlclose(3), and for pthread_atfork(3) in its constructor if it is to
 * draw samples. All of a thread's state is in thread-local storage that exists before its first
 * instruction.
 */

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/types.h>

#include "bpf/deferred.h"
#include "bpf/memleak.h"

#define HOOK_EXPORT __attribute__((visibility("default")))
#define HOOK_HIDDEN __attribute__((visibility("hidden")))
/* What most calls take of it lies in one line of the cache, and near the others'. */
#define HOOK_HOT      __attribute__((hot, aligned(64)))
#define likely(x)     __builtin_expect(!!(x), 1)
#define unlikely(x)   __builtin_expect(!!(x), 0)
#define always_inline inline __attribute__((always_inline))
#define noinline      __attribute__((noinline))

#undef mmap64 /* musl's, for mmap */

/* --- the sites (site_*.S): how many are attached to them, and the functions that they are --- */

enum hook_semaphore { HOOK_ALLOC, HOOK_PUT, HOOK_FREE, HOOK_MAP, HOOK_SEMAPHORES };
extern HOOK_HIDDEN volatile uint16_t hook_semaphores[HOOK_SEMAPHORES];

HOOK_HIDDEN void hook_site_alloc(const void *block, size_t size, uint64_t weight, uint64_t info,
				 uintptr_t frame);
HOOK_HIDDEN void hook_site_free(const void *block, size_t size, uint64_t unused, uint64_t info,
				uintptr_t frame);
HOOK_HIDDEN void hook_site_restore(const void *block);
/* What `alloc` tells, the @stack if that is known, and of the block that was in its cell: @past is
 * the tag, if that was freed (@detail: by whom) or has come again (@detail: when); or 0. */
HOOK_HIDDEN void hook_site_put(const void *block, size_t size, uint64_t weight, uint64_t info,
			       uintptr_t frame, uint64_t past, uint64_t detail, uint64_t bytes,
			       uint64_t stack, uint64_t freed_weight,
			       const struct memleak_cells *cells);
extern HOOK_HIDDEN const uint8_t hook_nops_put[]; /* in it; the others begin with theirs */
HOOK_HIDDEN void hook_site_map(const void *addr, size_t size, uintptr_t addr2, uint64_t info,
			       uintptr_t frame, size_t size2);

/* What the sites are told of the interposed function. */
struct hook_here {
	uintptr_t frame;
	uint64_t cfa; /* from there to the frame's end */
};

/* Of the function that it stands in: hooks are built with frame pointers. */
#define HOOK_HERE                                                                                  \
	((struct hook_here){(uintptr_t)__builtin_frame_address(0),                                 \
			    (uintptr_t)__builtin_dwarf_cfa() -                                     \
				    (uintptr_t)__builtin_frame_address(0)})

/*
 * A block as this library keeps it: not as an address, which would hold the block alive for whoever
 * looks for leaks. Nothing is hidden as 0.
 */
static always_inline uintptr_t hook_hide(const void *block)
{
	return block ? ~(uintptr_t)block : 0;
}

/* --- a thread's state --- */

struct hook_thread {
	uintptr_t inside;	  /* frame of the call in flight; 0: none */
	struct hook_here pending; /* frame 0: none */
	size_t pending_size;
	uint8_t pending_family;
	uintptr_t made;	    /* hidden: what was given out and told last */
	uintptr_t released; /* hidden: told already, who gives it on to free does not tell again */
	uint64_t left;	    /* bytes until the next sample's, that one included; 0: not drawn */
	uint64_t held;	    /* the same, where no call is quick (see hook_countdown()) */
	uint64_t random;    /* 0: not seeded */
	pid_t vforked;	    /* the process, where a child of vfork(2) may be running; 0: none is */
};

extern HOOK_HIDDEN __thread struct hook_thread hook_thread
	__attribute__((tls_model("initial-exec")));

/* Of stack that calls inside a call, and a malloc inside operator new, take at most. */
#define HOOK_INSIDE_REACH  (1 << 16)
#define HOOK_PENDING_REACH 512

/*
 * Whether this call is a part of one in flight. What longjmp has left behind is not: then the stack
 * is back above it, at the latest with the next call that is as high.
 */
static always_inline bool hook_is_inside(const struct hook_thread *t, uintptr_t frame)
{
	return unlikely(t->inside) && frame < t->inside && t->inside - frame < HOOK_INSIDE_REACH;
}

/* Whether this is what the operator new in flight makes its block with. */
static always_inline bool hook_is_pending(const struct hook_thread *t, uintptr_t frame)
{
	return frame < t->pending.frame && t->pending.frame - frame < HOOK_PENDING_REACH;
}

/* --- who is attached (fork.c) --- */

/*
 * A forked child has its parent's semaphores and sites. Where the kernel has made a call of one, it
 * leads to code that the child has not: it must not go there unless somebody is attached to it too,
 * and that adds to the semaphore. So what counts is how many there are above those it has
 * inherited. A site with a breakpoint does no harm, and adds nothing when somebody is attached.
 */
extern HOOK_HIDDEN uint16_t hook_inherited[HOOK_SEMAPHORES];

/* 0 in a process that has just been forked off: the kernel sees to it. */
extern HOOK_HIDDEN uint8_t *hook_settled;

HOOK_HIDDEN void hook_watch_forks(void);
HOOK_HIDDEN void hook_settle(void);

static always_inline bool hook_is_attached(enum hook_semaphore which)
{
	uint16_t n = hook_semaphores[which];

	if (likely(!n))
		return false;
	if (unlikely(!*hook_settled))
		hook_settle();
	if (unlikely(n <= hook_inherited[which])) {
		hook_inherited[which] = n; /* whoever was attached to the parent leaves */
		return false;
	}
	return true;
}

/*
 * A child of vfork(2) runs in its parent's memory, with its thread's state; who hears of the parent
 * may not hear of it. vfork() is interposed (site_*.S), so that it leaves the parent's cells alone.
 */
HOOK_HIDDEN bool hook_look_for_vfork_child(struct hook_thread *t);

static always_inline bool hook_is_vfork_child(struct hook_thread *t)
{
	return unlikely(t->vforked) && hook_look_for_vfork_child(t);
}

/* Whether somebody may hear of allocations: a first look. */
static always_inline bool hook_may_tell_allocs(void)
{
	return hook_semaphores[HOOK_ALLOC] | hook_semaphores[HOOK_PUT];
}

/*
 * Nobody hears of a call that is not quick. The countdown is over then: it would sink below the
 * size of what comes here, and the first such block that is told of would be a sample for certain.
 */
static always_inline bool hook_is_unheard(void)
{
	if (hook_may_tell_allocs())
		return false;
	hook_thread.left = 0;
	return true;
}

static always_inline bool hook_tells_allocs(void)
{
	return hook_may_tell_allocs() &&
	       (hook_is_attached(HOOK_PUT) || hook_is_attached(HOOK_ALLOC));
}

/* --- the next definitions (next.c) --- */

struct hook_next {
	void *(*malloc)(size_t);
	void *(*calloc)(size_t, size_t);
	void *(*realloc)(void *, size_t);
	void *(*reallocarray)(void *, size_t, size_t);
	int (*posix_memalign)(void **, size_t, size_t);
	void *(*aligned_alloc)(size_t, size_t);
	void *(*memalign)(size_t, size_t);
	void *(*valloc)(size_t);
	void *(*pvalloc)(size_t);
	void (*free)(void *);
	void *(*mmap)(void *, size_t, int, int, int, long);
	void *(*mmap64)(void *, size_t, int, int, int, long);
	int (*munmap)(void *, size_t);
	void *(*mremap)(void *, size_t, size_t, int, ...);
	pid_t (*vfork)(void); /* NULL at first */
};

/* Never NULL, but for one: at first functions that find the next definitions. */
extern HOOK_HIDDEN struct hook_next hook_next;

/* Find them; false in a call that is made meanwhile. */
HOOK_HIDDEN bool hook_find_next(void);

/* Whether the malloc behind this library is the C library's, which maps memory by itself. */
HOOK_HIDDEN bool hook_is_over_libc(void);

#define HOOK_EARLY_BYTES 16384
extern HOOK_HIDDEN char hook_early[HOOK_EARLY_BYTES];

/* Whether @block was given out while the next definitions were being looked for: nobody's. */
static always_inline bool hook_is_early(const void *block)
{
	return (uintptr_t)block - (uintptr_t)hook_early < HOOK_EARLY_BYTES;
}

/* --- what is told (begin.c) --- */

enum hook_mode {
	HOOK_ALL,
	HOOK_SAMPLED, /* MEMLEAK_SAMPLE_BYTES */
	HOOK_EARLY,   /* that variable cannot be read yet: all, which the filter learns of */
	HOOK_ASIDE,   /* a sanitizer or Valgrind has the allocator: nothing */
};

extern HOOK_HIDDEN enum hook_mode hook_mode;

/* --- sampling (draw.c) --- */

extern HOOK_HIDDEN uint32_t hook_mean; /* of HOOK_SAMPLED, bytes */

/*
 * Whether calls may be *quick*: then all that is done of most is to count their bytes. That is
 * where samples are told and the C library has the allocator, which calls no function of this
 * library meanwhile.
 */
extern HOOK_HIDDEN bool hook_may_be_quick;

HOOK_HIDDEN void hook_choose_quick(void);

/* Where a thread counts down to its next sample: out of the way of quick calls if there may be
 * none.
 */
static always_inline uint64_t *hook_countdown(struct hook_thread *t)
{
	return likely(hook_may_be_quick) ? &t->left : &t->held;
}

/* malloc(0) counts as a byte. */
static always_inline uint64_t hook_bytes(size_t size)
{
	return size + !size;
}

/* The bytes of an allocation go by: false if there is a sample among them. */
static always_inline bool hook_count_down(struct hook_thread *t, size_t size)
{
	uint64_t *left = hook_countdown(t);

	if (unlikely(*left <= hook_bytes(size)))
		return false;
	*left -= hook_bytes(size);
	return true;
}

/*
 * There is one, or nothing has been drawn yet: true and *@weight, the bytes that this block stands
 * for; false if it is not sampled after all. The next one is drawn.
 */
HOOK_HIDDEN bool hook_draw(struct hook_thread *t, size_t size, uint64_t *weight);

/* From now on have forked children draw their own: or all of them would begin with the same one. */
HOOK_HIDDEN void hook_draw_in_children(void);

/* The same as hook_count_down() in a call that may be quick, for most sizes. */
static always_inline bool hook_is_quick(size_t size)
{
	struct hook_thread *t = &hook_thread;

	if (unlikely(t->left <= size) || unlikely(!size))
		return false;
	t->left -= size;
	return true;
}

/* --- what was sampled and not freed (filter.c) --- */

HOOK_HIDDEN void hook_filter_add(const void *block);

/* Whether a free of @block must be told; it is forgotten then. */
HOOK_HIDDEN bool hook_filter_take(const void *block);

/* A free of @block must come here, whatever it is. */
HOOK_HIDDEN void hook_filter_mark(const void *block);

/* Only samples are told from now on. */
HOOK_HIDDEN void hook_filter_open(void);

/*
 * For each piece of memory whether a free there must be looked at, by a byte that it shares with
 * others far away. Neighbours have neighbouring bytes: those of what a program is about are few. Of
 * all there are so many that one in hundreds is in use in a heap of some hundred megabytes.
 */
#define HOOK_PIECE_SHIFT 10
#define HOOK_PIECES	 (1 << 17)
#define HOOK_PIECE_QUICK 1 /* nothing that was told is there */
extern HOOK_HIDDEN uint64_t hook_pieces[HOOK_PIECES / sizeof(uint64_t)];

static always_inline uint8_t *hook_piece_of(const void *block)
{
	return (uint8_t *)hook_pieces + ((uintptr_t)block >> HOOK_PIECE_SHIFT & (HOOK_PIECES - 1));
}

/* Whether nobody needs to know of a free of @block, which is not an early one. */
static always_inline bool hook_is_free_quick(const void *block)
{
	return likely(*hook_piece_of(block) == HOOK_PIECE_QUICK);
}

/* --- frees, and samples, that are told later (defer.c, fresh.c) --- */

/* NULL: there is no memory that a forked child does not share. */
extern HOOK_HIDDEN struct memleak_cells *hook_cells;

/* Tell of @block, as hook_tell_alloc() has it, unless it comes again; its free may be deferred. */
HOOK_HIDDEN void hook_put(const void *block, size_t size, uint64_t weight, size_t slack,
			  uint8_t family, uint8_t flags, struct hook_here here);

/* @cells are empty, and those of this process from now on. */
HOOK_HIDDEN void hook_begin_cells(struct memleak_cells *cells);

/* Before something is told at another site: how much there was meanwhile, if that was more. */
HOOK_HIDDEN void hook_tell_peak(void);

/* The code that lies somewhere may be another's from now on: no block comes again by what was
 * known. */
HOOK_HIDDEN void hook_begin_epoch(void);

/* @block is about to be freed, as hook_tell_free() has it: false if that is to be told now. */
HOOK_HIDDEN bool hook_defer(const void *block, size_t size, uint8_t family, uint8_t flags,
			    struct hook_here here);

/* @block is about to be handed to realloc: its cell, if its free may be deferred, which nobody else
 * gets until it is let go: then it is freed, or it is as it was. */
HOOK_HIDDEN struct memleak_cell *hook_hold(const void *block);
HOOK_HIDDEN void hook_let_go(struct memleak_cell *cell, bool freed, struct hook_here here);

/* --- telling --- */

/* @slack: how much larger the block is than what operator new was asked for. */
static always_inline void hook_tell_alloc(struct hook_thread *t, const void *block, size_t size,
					  size_t slack, uint8_t family, struct hook_here here)
{
	uint64_t weight = size;
	uint8_t flags = 0;

	t->made = hook_hide(block);
	if (hook_mode == HOOK_SAMPLED &&
	    (likely(hook_count_down(t, size)) || !hook_draw(t, size, &weight)))
		return;
	if (hook_mode != HOOK_ALL)
		hook_filter_add(block);
	/* Much more is for the operator's own use. */
	if (slack > MEMLEAK_MAX_SLACK) {
		slack = 0;
		flags = MEMLEAK_SITE_INNER;
	}
	if (likely(hook_is_attached(HOOK_PUT)))
		hook_put(block, size, weight, slack, family, flags, here);
	if (unlikely(hook_is_attached(HOOK_ALLOC)))
		hook_site_alloc(block, size, weight,
				MEMLEAK_SITE_INFO(family, flags, slack, here.cfa), here.frame);
}

/* @block is about to be freed; false where nobody needs to know. */
static always_inline bool hook_tell_free(const void *block, size_t size, uint8_t family,
					 uint8_t flags, struct hook_here here)
{
	if (hook_is_free_quick(block) || (hook_mode == HOOK_SAMPLED && !hook_filter_take(block)))
		return false;
	if (likely(hook_cells) && hook_defer(block, size, family, flags, here))
		return true;
	hook_tell_peak();
	hook_site_free(block, size, 0, MEMLEAK_SITE_INFO(family, flags, 0, here.cfa), here.frame);
	return true;
}

#endif
