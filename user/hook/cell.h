/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_HOOK_CELL_H
#define MEMLEAK_HOOK_CELL_H

/* What defer.c and again.c share: a block on its way into a cell. See bpf/deferred.h. */

#include "hook.h"

struct hook_block {
	const void *address;
	size_t size;
	uint64_t weight;
	uint8_t slack, family, flags;
	struct hook_here here;
};

/* Whose frees may take it, a bit each. */
static always_inline uint8_t hook_families(const struct hook_block *b)
{
	return b->flags & MEMLEAK_SITE_INNER ? 0 : 1 << b->family;
}

/* The caller of the interposed function, by its frame: System V ABI, x86-64, 3.2.2; AAPCS64, 6.4.6.
 */
static always_inline uint64_t hook_caller(struct hook_here here)
{
	return ((const uint64_t *)here.frame)[1];
}

#if defined(__x86_64__)
/* glibc's (<sys/single_threaded.h>); musl has none. */
extern const char __libc_single_threaded __attribute__((weak));

/* Locked instructions are half of what there is to do here, and most programs have one thread. What
 * is one instruction is whole for its signal handlers. */
static always_inline bool hook_is_alone(void)
{
	return &__libc_single_threaded && __libc_single_threaded;
}
#endif

/* Add to what all threads count in. */
static always_inline void hook_add(__u64 *sum, uint64_t n)
{
#if defined(__x86_64__)
	if (hook_is_alone()) {
		__asm__ volatile("addq %1, %0" : "+m"(*sum) : "r"(n));
		return;
	}
#endif
	__atomic_fetch_add(sum, n, __ATOMIC_RELAXED);
}

/* --- the states of cells, by their tags (bpf/deferred.h) --- */

/* Whether @tag says that @block is in the cell, in @state. */
static always_inline bool hook_has(uint64_t tag, const void *block, enum memleak_cell_state state)
{
	return tag == MEMLEAK_CELL_TAG((uintptr_t)block, MEMLEAK_CELL_GENERATION(tag), state);
}

/* Bring the cell from @tag to @state: false if another thread, or a signal handler, has it. */
static always_inline bool hook_take(struct memleak_cell *cell, uint64_t tag,
				    enum memleak_cell_state state)
{
	uint64_t next = MEMLEAK_CELL_IN(tag, state);

#if defined(__x86_64__)
	if (hook_is_alone()) {
		bool taken;

		__asm__ volatile("cmpxchgq %3, %1"
				 : "=@ccz"(taken), "+m"(cell->tag), "+a"(tag)
				 : "r"(next)
				 : "memory");
		return taken;
	}
#endif
	return __atomic_compare_exchange_n(&cell->tag, &tag, next, false, __ATOMIC_ACQ_REL,
					   __ATOMIC_RELAXED);
}

static always_inline void hook_give(struct memleak_cell *cell, uint64_t tag)
{
	__atomic_store_n(&cell->tag, tag, __ATOMIC_RELEASE);
}

/* What a site is told of the block that was in a cell, if that was freed, or has come again. */
struct hook_past {
	uint64_t tag;	 /* 0: neither */
	uint64_t weight; /* freed: bytes */
	uint64_t detail; /* freed: by whom; it has come again: when */
};

/* --- blocks that come again (again.c) --- */

static always_inline uint64_t hook_call(const struct hook_block *b)
{
	return MEMLEAK_CALL(b->here.frame, hook_caller(b->here));
}

/* Whether @b, at the address of the @cell, is as the one that was there, as far as the cell knows.
 */
static always_inline bool hook_is_alike(const struct memleak_cell *cell, const struct hook_block *b)
{
	return cell->size == b->size && cell->call == hook_call(b) && cell->family == b->family &&
	       cell->families == hook_families(b) && cell->slack == b->slack;
}

/* A trail that a stack is on. */
struct hook_trail {
	uint64_t id; /* 0: it is on none */
	uint64_t stack;
	uint64_t epoch;
	uint32_t session;
};

/* The one that the current stack is on, above the frame of @b. */
HOOK_HIDDEN struct hook_trail hook_find_trail(const struct hook_block *b);

/* It is on none: whether to ask for one. */
HOOK_HIDDEN bool hook_shall_ask(const struct hook_block *b);

/* The block of @cell, which the caller has, has come again. */
HOOK_HIDDEN void hook_come_again(struct memleak_cell *cell);

/* What is freed and not told, less what is live and not told: who counts subtracts it. */
static always_inline uint64_t hook_untold_bytes(void)
{
	return __atomic_load_n(&hook_cells->bytes, __ATOMIC_RELAXED) -
	       __atomic_load_n(&hook_cells->new_bytes, __ATOMIC_RELAXED);
}

/* It has become less. */
HOOK_HIDDEN void hook_note_low(void);

/* CLOCK_MONOTONIC, some ms late. */
HOOK_HIDDEN uint64_t hook_now_ns(void);

/* --- telling (defer.c) --- */

/* Tell of @b, which is in a cell as the block of that @generation (0: in none), and of what was
 * there. */
HOOK_HIDDEN void hook_tell(const struct hook_block *b, uint8_t generation, uint64_t stack,
			   const struct hook_past *past);

/* --- samples that are new (fresh.c) --- */

/* Whether the sample @b, which is on @trail, need not be told of now. */
HOOK_HIDDEN bool hook_may_be_new(const struct hook_block *b, const struct hook_trail *trail);

/* Let it be new in @cell, which the caller has. False: it must be told of after all; then the
 * caller has the cell still. */
HOOK_HIDDEN bool hook_be_new(struct memleak_cell *cell, const struct hook_block *b,
			     const struct hook_trail *trail);

/* @cell, with @tag, has a new block, and is needed by @block, another one: the caller has it then,
 * and is to tell of @past. False: somebody has the cell. */
HOOK_HIDDEN bool hook_claim_new(struct memleak_cell *cell, uint64_t tag, const void *block,
				struct hook_past *past);

/* The block of @cell, which is new or late by its @tag, is about to be freed, for realloc where
 * @moves. False if that is to be told now. */
HOOK_HIDDEN bool hook_free_new(struct memleak_cell *cell, uint64_t tag, bool moves);

#endif
