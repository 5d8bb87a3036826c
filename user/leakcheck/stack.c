// SPDX-License-Identifier: GPL-2.0-or-later
#include "leakcheck/stack.h"

#include <stdbool.h>
#include <sys/resource.h>

#include "leakcheck/sweep.h"

#define WORD 8

/* A thread's stack of the C library's is at most so long. */
static uint64_t stack_limit(void)
{
	struct rlimit limit;
	uint64_t usual = 8ULL << 20;

	if (getrlimit(RLIMIT_STACK, &limit) || limit.rlim_cur == RLIM_INFINITY)
		return usual;
	return limit.rlim_cur < usual ? usual : limit.rlim_cur;
}

/* What keeps a stack from growing into what lies below; NULL where there is no such thing. */
static const struct region *guard_of(const struct stack_finder *f, size_t region)
{
	const struct region *r = &f->regions->list.items[region];
	const struct region *below = region ? &f->regions->list.items[region - 1] : NULL;

	return below && below->end == r->start && !below->readable && !below->writable ? below
										       : NULL;
}

static bool has_thread_pointer(const struct stack_finder *f, uint64_t addr)
{
	size_t i;

	for (i = 0; i < f->nr_threads; i++)
		if (f->threads[i].tls == addr)
			return true;
	return false;
}

/*
 * glibc keeps the stack of a thread that has ended for the next one, with what its frames held. At
 * its top stands the control block: struct pthread (nptl/descr.h), which on x86-64 begins with
 * tcbhead_t (sysdeps/x86_64/nptl/tls.h), so that two words hold its own address, and has the
 * address and the size of the memory that the stack was made of (stackblock, stackblock_size).
 */
#define CONTROL_ALIGNMENT 64
#define CONTROL_SIZE	  2048	/* bytes of it that are there in every version since 2.2 */
#define CONTROL_REACH	  16384 /* it begins at most so far below the end of the stack */
#define SELF_WORD	  2

static bool is_control_block(const struct region *guard, const struct region *r, uint64_t addr,
			     const uint64_t *words)
{
	size_t i;

	if (words[0] != addr || words[SELF_WORD] != addr)
		return false;
	for (i = SELF_WORD + 1; i + 1 < CONTROL_SIZE / WORD; i++)
		if (words[i] >= guard->start && words[i] <= r->start &&
		    words[i + 1] > addr - words[i] && words[i + 1] <= r->end - words[i])
			return true;
	return false;
}

/* The control block of the thread that the stack in @r was made for; 0 where it is none. */
static uint64_t find_control_block(const struct stack_finder *f, const struct region *guard,
				   const struct region *r)
{
	uint64_t words[CONTROL_REACH / WORD];
	uint64_t start = r->end - r->start > sizeof(words) ? r->end - sizeof(words) : r->start;
	size_t got = sweep__read(f->reader, f->mem_fd, start, words, r->end - start);
	size_t i;

	for (i = 0; (i * WORD) + CONTROL_SIZE <= got; i += CONTROL_ALIGNMENT / WORD)
		if (is_control_block(guard, r, start + i * WORD, words + i))
			return start + i * WORD;
	return 0;
}

uint64_t stack__used_start(const struct stack_finder *f, size_t region)
{
	const struct region *r = &f->regions->list.items[region];
	const struct region *guard = guard_of(f, region);
	const struct memory_thread *owner = NULL;
	uint64_t used;
	size_t i;

	if (r->shared || r->inode)
		return r->start;
	for (i = 0; i < f->nr_threads; i++) {
		const struct memory_thread *t = &f->threads[i];

		if (t->sp < r->start || t->sp >= r->end)
			continue;
		if (owner)
			return r->start; /* several: not what it seems */
		owner = t;
	}
	if (!owner) {
		/* Its thread may be alive, on another stack. */
		used = guard ? find_control_block(f, guard, r) : 0;
		return used && !has_thread_pointer(f, used) ? used : r->start;
	}
	if (r->stack ? owner->tid == f->pid
		     : guard && owner->tls > owner->sp && owner->tls < r->end &&
			       owner->tls - r->start <= stack_limit() + 65536) {
		used = owner->sp - f->red_zone;
		return (used < r->start ? r->start : used) & ~(uint64_t)(WORD - 1);
	}
	return r->start;
}
