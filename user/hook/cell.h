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
};

/* The one that the current stack is on, above the frame of @b. */
HOOK_HIDDEN struct hook_trail hook_find_trail(const struct hook_block *b);

/* It is on none: whether to ask for one. */
HOOK_HIDDEN bool hook_shall_ask(const struct hook_block *b);

/* The block of @cell, which the caller has, has come again. */
HOOK_HIDDEN void hook_come_again(struct memleak_cell *cell);

#endif
