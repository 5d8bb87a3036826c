// SPDX-License-Identifier: GPL-2.0-or-later
/* Frees that are told later, with the next allocation that needs their cell: see bpf/deferred.h. */
#include "cell.h"

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

/* Who looks for cells in use must not miss this one. */
static void use(const struct memleak_cell *cell)
{
	size_t part = (cell - hook_cells->cells) / MEMLEAK_CELL_PART;
	__u64 *used = &hook_cells->used[part / 64], bit = 1ULL << part % 64;

	if (!(__atomic_load_n(used, __ATOMIC_RELAXED) & bit))
		__atomic_fetch_or(used, bit, __ATOMIC_RELAXED);
}

/* Take the @cell for @block, if nobody has it; into *@past, what is to be told then. */
static bool claim(struct memleak_cell *cell, const void *block, struct hook_past *past)
{
	uint64_t tag = __atomic_load_n(&cell->tag, __ATOMIC_ACQUIRE);

	switch (MEMLEAK_CELL_STATE(tag)) {
	case MEMLEAK_CELL_EMPTY:
	case MEMLEAK_CELL_LIVE:
		use(cell);
		if (!hook_take(cell, tag, MEMLEAK_CELL_HELD))
			return false;
		if (tag && cell->time_ns)
			*past = (struct hook_past){.tag = tag, .detail = cell->time_ns};
		return true;
	case MEMLEAK_CELL_FREED:
		if (!hook_take(cell, tag, MEMLEAK_CELL_TOLD))
			return false;
		*past = (struct hook_past){
			.tag = tag, .weight = cell->weight, .detail = cell->caller};
		return true;
	case MEMLEAK_CELL_NEW:
		return hook_claim_new(cell, tag, block, past);
	default:
		return false;
	}
}

/*
 * Who counts what is live subtracts what is freed and not told: it is not to be missing there
 * before it has been told.
 */
void hook_tell(const struct hook_block *b, uint8_t generation, uint64_t stack,
	       const struct hook_past *past)
{
	struct memleak_cells *cells = hook_cells;
	uint64_t bytes = cells ? __atomic_load_n(&cells->bytes, __ATOMIC_RELAXED) : 0;
	bool own = cells && !hook_is_vfork_child(&hook_thread);
	__u64 low = own ? __atomic_load_n(&cells->low_bytes, __ATOMIC_RELAXED) : 0;
	uint8_t flags = b->flags;

	if (hook_mode == HOOK_SAMPLED)
		flags |= MEMLEAK_SITE_SAMPLE;
	if (own && unlikely((int64_t)(low - cells->told_bytes) < 0))
		flags |= MEMLEAK_SITE_LOW;
	hook_site_put(b->address, b->size, b->weight,
		      MEMLEAK_SITE_INFO(b->family, flags, b->slack, b->here.cfa) |
			      MEMLEAK_SITE_IN_CELL(generation),
		      b->here.frame, past->tag, past->detail, bytes - past->weight, stack,
		      past->weight, cells);
	if (past->weight)
		hook_add(&cells->bytes, -past->weight);
	if (!own)
		return;
	bytes = hook_untold_bytes();
	cells->told_bytes = bytes;
	/* Unless it has gone lower meanwhile: that is to be told yet. */
	__atomic_compare_exchange_n(&cells->low_bytes, &low, bytes, false, __ATOMIC_RELAXED,
				    __ATOMIC_RELAXED);
}

static const struct hook_block no_block;
static const struct hook_past no_past;

void hook_tell_peak(void)
{
	if (likely(hook_cells) &&
	    unlikely((int64_t)(hook_cells->low_bytes - hook_cells->told_bytes) < 0) &&
	    hook_is_attached(HOOK_PUT))
		hook_tell(&no_block, 0, 0, &no_past);
}

/* The cell is not to say that @block is live. */
static void forget(struct memleak_cell *cell, const void *block)
{
	uint64_t tag = __atomic_load_n(&cell->tag, __ATOMIC_RELAXED);

	if (hook_has(tag, block, MEMLEAK_CELL_LIVE))
		__atomic_compare_exchange_n(&cell->tag, &tag, 0, false, __ATOMIC_RELAXED,
					    __ATOMIC_RELAXED);
}

static bool is_of(const struct memleak_cell *cell, const void *block)
{
	uint64_t tag = __atomic_load_n(&cell->tag, __ATOMIC_RELAXED);

	return hook_has(tag, block, MEMLEAK_CELL_STATE(tag));
}

/* @block is told of, and is not in the cell: what is known of it there holds no longer, whoever has
 * it. Another one's cell is on no trail then, which does no harm. */
static void leave(struct memleak_cell *cell, const void *block)
{
	if (is_of(cell, block))
		__atomic_store_n(&cell->trail, 0, __ATOMIC_RELAXED);
}

/* Tell of @b, which is to be in @cell and on @trail, and note there what is known of it. */
static void put_in_cell(struct memleak_cell *cell, const struct hook_block *b,
			struct hook_trail trail, const struct hook_past *past)
{
	uint8_t generation = MEMLEAK_NEXT_GENERATION(cell->generation);

	use(cell);
	hook_tell(b, generation, trail.stack, past);
	cell->size = b->size;
	cell->weight = b->size ? b->weight : 0; /* as bpf/sample.h counts them */
	cell->time_ns = 0;
	cell->call = hook_call(b);
	cell->trail = trail.id;
	cell->slack = b->slack;
	cell->family = b->family;
	cell->families = hook_families(b);
	cell->generation = generation;
	hook_give(cell, MEMLEAK_CELL_TAG((uintptr_t)b->address, generation, MEMLEAK_CELL_LIVE));
}

/* The cell that may keep @b, or must not go on to keep what was at its address; NULL: none. */
static struct memleak_cell *find_cell(const struct hook_block *b, bool keeps)
{
	struct memleak_cell *cell = hook_cells ? cell_of(b->address) : NULL;

	if (cell && hook_is_vfork_child(&hook_thread)) {
		forget(cell, b->address);
		leave(cell, b->address);
		return NULL;
	}
	return cell && (keeps || is_of(cell, b->address)) ? cell : NULL;
}

void hook_put(const void *block, size_t size, uint64_t weight, size_t slack, uint8_t family,
	      uint8_t flags, struct hook_here here)
{
	struct hook_block b = {.address = block,
			       .size = size,
			       .weight = weight,
			       .slack = slack,
			       .family = family,
			       .flags = flags,
			       .here = here};
	bool keeps = size <= MEMLEAK_MAX_DEFERRED && is_deferring(), known;
	struct memleak_cell *cell = find_cell(&b, keeps);
	struct hook_past past = no_past;
	struct hook_trail trail;

	/* Whoever has freed it has told nobody: so who puts another one there must. */
	known = cell &&
		hook_has(__atomic_load_n(&cell->tag, __ATOMIC_RELAXED), block, MEMLEAK_CELL_LIVE);
	if (!cell || !claim(cell, block, &past)) {
		if (cell)
			leave(cell, block);
		hook_tell(&b, 0, 0, &past);
		return;
	}
	if (!keeps) {
		hook_tell(&b, 0, 0, &past);
		hook_give(cell, 0);
		return;
	}
	trail = hook_find_trail(&b);
	if (hook_mode == HOOK_ALL && trail.id && trail.id == cell->trail &&
	    hook_has(past.tag, block, MEMLEAK_CELL_FREED) && hook_is_alike(cell, &b)) {
		hook_come_again(cell);
		hook_give(cell, MEMLEAK_CELL_IN(past.tag, MEMLEAK_CELL_LIVE));
		return;
	}
	if (!known && hook_may_be_new(&b, &trail)) {
		use(cell);
		if (past.tag)
			hook_tell(&no_block, 0, 0, &past);
		if (hook_be_new(cell, &b, &trail))
			return;
		past = no_past;
	}
	if (!trail.id && hook_shall_ask(&b))
		b.flags |= MEMLEAK_SITE_ASKS;
	put_in_cell(cell, &b, trail, &past);
}

/* As the kernel side judges it (bpf/wrong_free.bpf.h): what is wrong is told at once. */
static bool may_take(const struct memleak_cell *cell, size_t size, uint8_t family, uint8_t flags)
{
	if (!cell->families || flags & MEMLEAK_SITE_INNER)
		return true;
	return cell->families & 1 << family &&
	       (!(flags & MEMLEAK_SITE_SIZED) || size == cell->size - cell->slack);
}

/* It is freed once more: tell of the first time. */
static void tell_deferred(struct memleak_cell *cell)
{
	struct hook_past past = no_past;

	if (!hook_is_attached(HOOK_PUT) || !claim(cell, NULL, &past))
		return;
	hook_tell(&no_block, 0, 0, &past);
	hook_give(cell, 0);
}

bool hook_defer(const void *block, size_t size, uint8_t family, uint8_t flags,
		struct hook_here here)
{
	struct memleak_cell *cell = cell_of(block);
	uint64_t tag = __atomic_load_n(&cell->tag, __ATOMIC_ACQUIRE);

	if (hook_has(tag, block, MEMLEAK_CELL_NEW) || hook_has(tag, block, MEMLEAK_CELL_LATE))
		return hook_free_new(cell, tag, flags & MEMLEAK_SITE_REALLOC);
	if (hook_has(tag, block, MEMLEAK_CELL_FREED) && !hook_is_vfork_child(&hook_thread))
		tell_deferred(cell);
	if (!hook_has(tag, block, MEMLEAK_CELL_LIVE))
		return false;
	if (flags & MEMLEAK_SITE_REALLOC || !is_deferring() ||
	    !may_take(cell, size, family, flags) || hook_is_vfork_child(&hook_thread)) {
		forget(cell, block);
		return false;
	}
	if (!hook_take(cell, tag, MEMLEAK_CELL_HELD))
		return false;
	cell->caller = hook_caller(here);
	hook_add(&hook_cells->bytes, cell->weight);
	hook_give(cell, MEMLEAK_CELL_IN(tag, MEMLEAK_CELL_FREED));
	return true;
}

struct memleak_cell *hook_hold(const void *block)
{
	struct memleak_cell *cell = hook_cells && hook_mode == HOOK_ALL ? cell_of(block) : NULL;
	uint64_t tag = cell ? __atomic_load_n(&cell->tag, __ATOMIC_ACQUIRE) : 0;

	if (!tag || !hook_has(tag, block, MEMLEAK_CELL_LIVE) || !is_deferring() ||
	    !may_take(cell, 0, MEMLEAK_FAMILY_MALLOC, 0) || hook_is_vfork_child(&hook_thread))
		return NULL;
	return hook_take(cell, tag, MEMLEAK_CELL_HELD) ? cell : NULL;
}

void hook_let_go(struct memleak_cell *cell, bool freed, struct hook_here here)
{
	uint64_t tag = cell->tag;

	if (MEMLEAK_CELL_STATE(cell->tag) != MEMLEAK_CELL_HELD)
		return; /* a child, forked meanwhile, has none */
	if (freed) {
		cell->caller = hook_caller(here);
		hook_add(&hook_cells->bytes, cell->weight);
	}
	hook_give(cell, MEMLEAK_CELL_IN(tag, freed ? MEMLEAK_CELL_FREED : MEMLEAK_CELL_LIVE));
}
