// SPDX-License-Identifier: GPL-2.0-or-later
/* Samples that are not told of at first, as their stacks are known: new ones, see bpf/deferred.h.
 */
#include "bpf/sample.h"
#include "cell.h"

/* Whether what is new there is nobody's: the tool that would know its stack has gone. */
static bool is_stale(const struct memleak_cell *cell)
{
	return cell->session != __atomic_load_n(&hook_cells->session, __ATOMIC_RELAXED);
}

/* Others than the trail's tool could not tell the stack. */
bool hook_may_be_new(const struct hook_block *b, const struct hook_trail *trail)
{
	return hook_mode == HOOK_SAMPLED && b->size && trail->session &&
	       trail->session == __atomic_load_n(&hook_cells->session, __ATOMIC_RELAXED) &&
	       !__atomic_load_n(&hook_cells->shared, __ATOMIC_RELAXED);
}

bool hook_be_new(struct memleak_cell *cell, const struct hook_block *b,
		 const struct hook_trail *trail)
{
	uint8_t generation = MEMLEAK_NEXT_GENERATION(cell->generation);
	uint64_t tag = MEMLEAK_CELL_TAG((uintptr_t)b->address, generation, MEMLEAK_CELL_NEW);

	cell->size = b->size;
	cell->weight = b->weight;
	cell->time_ns = hook_now_ns();
	cell->stack = trail->stack;
	cell->session = trail->session;
	cell->trail = 0;
	cell->slack = b->slack;
	cell->family = b->family;
	cell->families = hook_families(b);
	cell->generation = generation;
	hook_add(&hook_cells->new_bytes, cell->weight);
	hook_note_low();
	hook_give(cell, tag);
	/* Whoever ends an epoch looks at the cells next: this one is seen there, or that is seen
	 * here. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (likely(__atomic_load_n(&hook_cells->epoch, __ATOMIC_RELAXED) == trail->epoch))
		return true;
	if (!hook_take(cell, tag, MEMLEAK_CELL_HELD))
		return true; /* another thread has told of it */
	hook_add(&hook_cells->new_bytes, -cell->weight);
	return false;
}

/* The block of @cell, which the caller has, has been there. */
static void pass(const struct memleak_cell *cell)
{
	const struct sample drawn = {.weight = cell->weight};

	hook_add(&hook_cells->new_bytes, -cell->weight);
	hook_add(&hook_cells->passed, sample_weigh(drawn, cell->size).blocks);
	hook_add(&hook_cells->passed_bytes, cell->weight);
}

/* Tell of the block of @cell, which is late and the caller's: its @tag is that of when it was new.
 * If it is freed meanwhile, that is *@past. */
static void tell_late(struct memleak_cell *cell, uint64_t tag, struct hook_past *past)
{
	const struct hook_block b = {
		.address = (const void *)MEMLEAK_CELL_ADDRESS(tag),
		.size = cell->size,
		.weight = cell->weight,
		.slack = cell->slack,
		.family = cell->family,
		.flags = MEMLEAK_SITE_LATE | (cell->families ? 0 : MEMLEAK_SITE_INNER),
		.here.frame = cell->session,
	};
	const struct hook_past late = {.detail = cell->time_ns};

	hook_add(&hook_cells->new_bytes, -cell->weight);
	hook_tell(&b, MEMLEAK_CELL_GENERATION(tag), cell->stack, &late);
	tag = MEMLEAK_CELL_IN(tag, MEMLEAK_CELL_LATE);
	if (hook_take(cell, tag, MEMLEAK_CELL_HELD))
		return;
	hook_give(cell, MEMLEAK_CELL_IN(tag, MEMLEAK_CELL_TOLD));
	*past = (struct hook_past){.tag = tag, .weight = cell->weight};
}

bool hook_claim_new(struct memleak_cell *cell, uint64_t tag, const void *block,
		    struct hook_past *past)
{
	/* Its free was not seen if its address is handed out again. */
	bool is_over = hook_has(tag, block, MEMLEAK_CELL_NEW);

	if (is_over || is_stale(cell)) {
		if (!hook_take(cell, tag, MEMLEAK_CELL_HELD))
			return false;
		if (is_over && !is_stale(cell))
			pass(cell);
		return true;
	}
	if (!hook_take(cell, tag, MEMLEAK_CELL_LATE))
		return false;
	tell_late(cell, tag, past);
	return true;
}

/* Who tells of it at this moment is to tell of the free, too; false: that is done by now. */
static bool free_late(struct memleak_cell *cell, uint64_t tag)
{
	uint64_t weight = cell->weight;

	hook_add(&hook_cells->bytes, weight);
	if (hook_take(cell, MEMLEAK_CELL_IN(tag, MEMLEAK_CELL_LATE), MEMLEAK_CELL_GONE))
		return true;
	hook_add(&hook_cells->bytes, -weight);
	return false;
}

bool hook_free_new(struct memleak_cell *cell, uint64_t tag, bool moves)
{
	struct hook_past past = {0};

	if (MEMLEAK_CELL_STATE(tag) == MEMLEAK_CELL_LATE ||
	    !hook_take(cell, tag, moves ? MEMLEAK_CELL_LATE : MEMLEAK_CELL_HELD))
		return free_late(cell, tag);
	if (is_stale(cell)) {
		hook_give(cell, 0);
		return false;
	}
	if (moves) /* which may fail: then it is what it was */
		tell_late(cell, tag, &past);
	else
		pass(cell);
	hook_give(cell, 0);
	return !moves;
}
