// SPDX-License-Identifier: GPL-2.0-or-later
/* Frees that are told later, with the next allocation that needs their cell: see bpf/deferred.h. */
#include "hook.h"

struct memleak_cells *hook_cells;

/* Not where somebody else must hear of each free at once. */
static bool is_deferring(void)
{
	return hook_mode <= HOOK_SAMPLED && hook_is_attached(HOOK_PUT) &&
	       !hook_is_attached(HOOK_ALLOC);
}

static struct memleak_cell *cell_of(const void *block)
{
	return &hook_cells->cells[MEMLEAK_CELL_OF((uintptr_t)block)];
}

/* Whether @tag says that @block is in the cell, in @state. */
static bool has(uint64_t tag, const void *block, enum memleak_cell_state state)
{
	return tag == MEMLEAK_CELL_TAG((uintptr_t)block, MEMLEAK_CELL_GENERATION(tag), state);
}

#if defined(__x86_64__)
/* glibc's (<sys/single_threaded.h>); musl has none. */
extern const char __libc_single_threaded __attribute__((weak));

/* Locked instructions are half of what there is to do here, and most programs have one thread. What
 * is one instruction is whole for its signal handlers. */
static bool is_alone(void)
{
	return &__libc_single_threaded && __libc_single_threaded;
}
#endif

/* Bring the cell from @tag to @state: false if another thread, or a signal handler, has it. */
static bool take(struct memleak_cell *cell, uint64_t tag, enum memleak_cell_state state)
{
	uint64_t next = (tag & ~7ULL) | state;

#if defined(__x86_64__)
	if (is_alone()) {
		bool taken;

		__asm__ volatile("cmpxchgq %3, %1"
				 : "=@ccz"(taken), "+m"(cell->tag), "+a"(tag)
				 : "r"(next)
				 : "memory");
		return taken;
	}
#endif
	return __atomic_compare_exchange_n(&cell->tag, &tag, next, false, __ATOMIC_ACQUIRE,
					   __ATOMIC_RELAXED);
}

static void give(struct memleak_cell *cell, uint64_t tag)
{
	__atomic_store_n(&cell->tag, tag, __ATOMIC_RELEASE);
}

/* @weight bytes more are freed and not told of, or less. */
static void count_bytes(uint64_t weight)
{
#if defined(__x86_64__)
	if (is_alone()) {
		__asm__ volatile("addq %1, %0" : "+m"(hook_cells->bytes) : "r"(weight));
		return;
	}
#endif
	__atomic_fetch_add(&hook_cells->bytes, weight, __ATOMIC_RELAXED);
}

/* Who looks for cells in use must not miss this one. */
static void use(const struct memleak_cell *cell)
{
	uint64_t part = 1ULL << (cell - hook_cells->cells) / MEMLEAK_CELL_PART;

	if (!(__atomic_load_n(&hook_cells->used, __ATOMIC_RELAXED) & part))
		__atomic_fetch_or(&hook_cells->used, part, __ATOMIC_RELAXED);
}

/* What a site is told of the block that was in a cell, if that was freed. */
struct freed {
	uint64_t tag; /* 0: it was not */
	uint64_t weight, caller;
};

/* Take the @cell for another block, if nobody has it; into *@freed, what is to be told then. */
static bool claim(struct memleak_cell *cell, struct freed *freed)
{
	uint64_t tag = __atomic_load_n(&cell->tag, __ATOMIC_RELAXED);

	switch (MEMLEAK_CELL_STATE(tag)) {
	case MEMLEAK_CELL_EMPTY:
	case MEMLEAK_CELL_LIVE:
		use(cell);
		return take(cell, tag, MEMLEAK_CELL_HELD);
	case MEMLEAK_CELL_FREED:
		if (!take(cell, tag, MEMLEAK_CELL_TOLD))
			return false;
		*freed = (struct freed){.tag = tag, .weight = cell->weight, .caller = cell->caller};
		return true;
	default:
		return false;
	}
}

/* Who counts what is live subtracts what is freed and not told: it is not to be missing there
 * before it has been told. */
static void put(const void *block, size_t size, uint64_t weight, uint64_t info, uintptr_t frame,
		const struct freed *freed)
{
	uint64_t bytes = hook_cells ? __atomic_load_n(&hook_cells->bytes, __ATOMIC_RELAXED) : 0;

	hook_site_put(block, size, weight, info, frame, freed->tag, freed->caller,
		      bytes - freed->weight, hook_cells, freed->weight);
	if (freed->tag)
		count_bytes(-freed->weight);
}

/* The cell is not to say that @block is live. */
static void forget(struct memleak_cell *cell, const void *block)
{
	uint64_t tag = __atomic_load_n(&cell->tag, __ATOMIC_RELAXED);

	if (has(tag, block, MEMLEAK_CELL_LIVE))
		__atomic_compare_exchange_n(&cell->tag, &tag, 0, false, __ATOMIC_RELAXED,
					    __ATOMIC_RELAXED);
}

static bool is_of(const struct memleak_cell *cell, const void *block)
{
	uint64_t tag = __atomic_load_n(&cell->tag, __ATOMIC_RELAXED);

	return has(tag, block, MEMLEAK_CELL_STATE(tag));
}

void hook_put(const void *block, size_t size, uint64_t weight, size_t slack, uint8_t family,
	      uint8_t flags, struct hook_here here)
{
	struct memleak_cell *cell = hook_cells ? cell_of(block) : NULL;
	struct freed freed = {0};
	bool keeps = size <= MEMLEAK_MAX_DEFERRED && is_deferring();
	uint8_t generation = 0;

	if (hook_is_vfork_child(&hook_thread)) {
		if (cell)
			forget(cell, block);
		cell = NULL;
	}
	/* If it is not kept, nor may its cell keep what was at its address before. */
	if (cell && !keeps && !is_of(cell, block))
		cell = NULL;
	if (cell && !claim(cell, &freed))
		cell = NULL;
	if (cell && keeps)
		generation = MEMLEAK_NEXT_GENERATION(cell->generation);
	put(block, size, weight,
	    MEMLEAK_SITE_INFO(family, flags, slack, here.cfa) | MEMLEAK_SITE_IN_CELL(generation),
	    here.frame, &freed);
	if (!cell)
		return;
	cell->size = size;
	cell->weight = size ? weight : 0; /* as bpf/sample.h counts them */
	cell->slack = slack;
	cell->families = flags & MEMLEAK_SITE_INNER ? 0 : 1 << family;
	if (keeps)
		cell->generation = generation;
	give(cell, keeps ? MEMLEAK_CELL_TAG((uintptr_t)block, generation, MEMLEAK_CELL_LIVE) : 0);
}

/* As the kernel side judges it (bpf/wrong_free.bpf.h): what is wrong is told at once. */
static bool may_take(const struct memleak_cell *cell, size_t size, uint8_t family, uint8_t flags)
{
	if (!cell->families || flags & MEMLEAK_SITE_INNER)
		return true;
	return cell->families & 1 << family &&
	       (!(flags & MEMLEAK_SITE_SIZED) || size == cell->size - cell->slack);
}

/* The caller of the interposed function, by its frame: System V ABI, x86-64, 3.2.2; AAPCS64, 6.4.6.
 */
static uint64_t caller_of(struct hook_here here)
{
	return ((const uint64_t *)here.frame)[1];
}

/* It is freed once more: tell of the first time. */
static void tell_deferred(struct memleak_cell *cell)
{
	struct freed freed = {0};

	if (!hook_is_attached(HOOK_PUT) || !claim(cell, &freed))
		return;
	put(NULL, 0, 0, MEMLEAK_SITE_INFO(0, 0, 0, 0), 0, &freed);
	give(cell, 0);
}

bool hook_defer(const void *block, size_t size, uint8_t family, uint8_t flags,
		struct hook_here here)
{
	struct memleak_cell *cell = cell_of(block);
	uint64_t tag = __atomic_load_n(&cell->tag, __ATOMIC_ACQUIRE);

	if (has(tag, block, MEMLEAK_CELL_FREED) && !hook_is_vfork_child(&hook_thread))
		tell_deferred(cell);
	if (!has(tag, block, MEMLEAK_CELL_LIVE))
		return false;
	if (flags & MEMLEAK_SITE_REALLOC || !is_deferring() ||
	    !may_take(cell, size, family, flags) || hook_is_vfork_child(&hook_thread)) {
		forget(cell, block);
		return false;
	}
	if (!take(cell, tag, MEMLEAK_CELL_HELD))
		return false;
	cell->caller = caller_of(here);
	count_bytes(cell->weight);
	give(cell, (tag & ~7ULL) | MEMLEAK_CELL_FREED);
	return true;
}
