// SPDX-License-Identifier: GPL-2.0-or-later
/* Blocks that come again, and are not told of: see bpf/deferred.h. */
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "cell.h"

/* The address in a word, which arm64 may have signed: as the walk reads it. */
static always_inline uint64_t address(uint64_t word)
{
#if defined(__aarch64__)
	return word & ((1ULL << 48) - 1);
#else
	return word;
#endif
}

/* Whether all words of @t are as they are there. In this order: what a word says of the stack above
 * it makes the next one readable. */
static bool is_on(const struct memleak_trail *t, uint64_t id, uintptr_t frame)
{
	const uint64_t *stack = (const uint64_t *)frame;
	uint32_t i, n = t->n;

	for (i = 0; i < n && i < MEMLEAK_TRAIL_WORDS; i++) {
		uint64_t word = t->words[i];
		uint16_t at = t->at[i];

		/* Or it is being written, and leads somewhere else by now. */
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (__atomic_load_n(&t->id, __ATOMIC_RELAXED) != id ||
		    address(stack[at]) != MEMLEAK_TRAIL_HIDDEN(word))
			return false;
	}
	return n != 0;
}

struct hook_trail hook_find_trail(const struct hook_block *b)
{
	const struct memleak_trail_set *set = &hook_cells->trails[MEMLEAK_TRAIL_SET(hook_call(b))];
	uint64_t epoch = __atomic_load_n(&hook_cells->epoch, __ATOMIC_RELAXED);
	int i;

	for (i = 0; i < MEMLEAK_TRAIL_WAYS; i++) {
		const struct memleak_trail *t = &set->ways[i];
		struct hook_trail found = {.id = __atomic_load_n(&t->id, __ATOMIC_ACQUIRE),
					   .epoch = epoch};

		found.stack = __atomic_load_n(&t->stack, __ATOMIC_RELAXED);
		found.session = __atomic_load_n(&t->session, __ATOMIC_RELAXED);
		if (found.id && t->frame == MEMLEAK_TRAIL_HIDDEN(b->here.frame) &&
		    t->cfa == b->here.cfa && t->epoch == epoch && is_on(t, found.id, b->here.frame))
			return found;
	}
	return (struct hook_trail){0};
}

/* An answer takes as long as some of these; some stacks have no trail at all. Samples are few. */
#define LEFT_OUT	 64
#define LEFT_OUT_SAMPLES 8

bool hook_shall_ask(const struct hook_block *b)
{
	__u8 *left_out = &hook_cells->asks[MEMLEAK_TRAIL_SET(hook_call(b))];

	if (*left_out) {
		--*left_out;
		return false;
	}
	*left_out = hook_mode == HOOK_ALL ? LEFT_OUT : LEFT_OUT_SAMPLES;
	return true;
}

uint64_t hook_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

void hook_note_low(void)
{
	__u64 low = __atomic_load_n(&hook_cells->low_bytes, __ATOMIC_RELAXED);
	uint64_t bytes = hook_untold_bytes();

	while ((int64_t)(bytes - low) < 0 &&
	       !__atomic_compare_exchange_n(&hook_cells->low_bytes, &low, bytes, true,
					    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
}

void hook_come_again(struct memleak_cell *cell)
{
	cell->time_ns = hook_now_ns();
	hook_add(&hook_cells->again, 1);
	hook_add(&hook_cells->again_bytes, cell->weight);
	hook_add(&hook_cells->bytes, -cell->weight);
	hook_note_low();
}

void hook_begin_cells(struct memleak_cells *cells)
{
	struct timespec now = {0};

	/* An epoch that no other program has had here, nor a parent; by a system call, as it may be
	 * early. */
	syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
	cells->epoch = now.tv_sec * 1000000000ULL + now.tv_nsec;
	cells->self = (uintptr_t)cells;
}

void hook_begin_epoch(void)
{
	if (hook_cells)
		__atomic_fetch_add(&hook_cells->epoch, 1, __ATOMIC_RELAXED);
}
