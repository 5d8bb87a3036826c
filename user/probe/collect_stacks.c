// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The kernel's table of stacks takes up what programs do, and would be full of what they did long
 * ago: with all processes of a machine that builds software, in minutes. When it fills up, a pass
 * finds out which stacks are still needed, and takes the others out.
 *
 * A program in the kernel may have found a stack there just before, and the block that it is for
 * comes into the table of blocks just after the pass has read it. So what is taken out is known
 * here until another pass has met no block with it, one that has begun when all programs of that
 * time had ended. A stack that is met again comes into the table again, under the same key. A
 * process meets none by a trail of before that time, or its block is new by then (bpf/deferred.h).
 */
#include <bpf/bpf.h>
#include <errno.h>

#include "probe/batch.h"
#include "probe/collect_pass.h"
#include "probe/trails.h"

/* So many stacks are few, for a table of @max: not worth a pass that reads all blocks. */
static uint32_t few(uint32_t max)
{
	return max / 16 + 1;
}

/* How many are there when it is time to look again: half of what was free is used up. */
static uint32_t limit(const struct collector *c)
{
	uint32_t max = c->t.max_stacks;
	uint32_t room = c->stacks_left < max ? max - c->stacks_left : 0; /* two may come at once */

	return max - (room / 2 < few(max) ? 0 : room / 2);
}

static uint64_t in_kernel(const struct collector *c)
{
	return __atomic_load_n(c->t.nr_stacks, __ATOMIC_RELAXED) - c->stacks_removed;
}

bool collector__stacks_are_many(const struct collector *c)
{
	return in_kernel(c) >= limit(c);
}

void collector__expect_stacks(const struct collector *c)
{
	uint64_t wanted = c->stacks_in_use ? UINT64_MAX : c->stacks_removed + limit(c);

	__atomic_store_n(c->t.stacks_wanted, wanted, __ATOMIC_RELAXED);
}

int pass__need_stack(struct pass *s, uint64_t stack)
{
	return s->clears ? hash__set(&s->needed, stack, 0, 0) : 0;
}

int collector__begin_clearing(struct collector *c, struct pass *s)
{
	s->clears = c->stacks_pending || collector__stacks_are_many(c);
	return c->stacks_pending ? barrier__wait(c->barrier) : 0;
}

/* --- what is needed --- */

static int need_gathered(struct pass *s, const struct gathered *g)
{
	size_t i;
	int err = 0;

	for (i = 0; i < g->groups.count && !err; i++)
		err = pass__need_stack(s, g->groups.items[i].stack);
	for (i = 0; i < g->sites.count && !err; i++)
		err = pass__need_stack(s, g->sites.items[i].key.stack);
	for (i = 0; i < g->wrongs.count && !err; i++) {
		const struct wrong *w = &g->wrongs.items[i];

		err = pass__need_stack(s, w->key.alloc_stack);
		if (!err)
			err = pass__need_stack(s, w->key.free_stack);
		if (!err)
			err = pass__need_stack(s, w->record.first_stack);
	}
	return err;
}

/* A check may have seen blocks that are gone, and the report of it is still to come. */
static int need_snapshots(const struct collector *c, struct pass *s)
{
	size_t i, k;
	int err = 0;

	for (i = 0; i < c->snapshots.count; i++) {
		const struct snapshot *shot = c->snapshots.items[i];

		for (k = 0; k < shot->blocks.count && !err; k++)
			err = pass__need_stack(s, shot->blocks.items[k].block.stack);
	}
	return err;
}

static int need_series(void *context, const struct timeline_series *series)
{
	return pass__need_stack(context, series->key.stack);
}

/* It may be freed again. */
static int need_freed(void *context, const void *key, const void *value)
{
	const struct memleak_freed *f = value;

	(void)key;
	return pass__need_stack(context, f->stack);
}

static int find_needed(const struct collector *c, struct pass *s)
{
	int err = need_gathered(s, &s->has);

	if (!err)
		err = need_snapshots(c, s);
	if (!err)
		err = timeline__for_each(&c->timeline, need_series, s);
	if (!err)
		err = blocks__read_freed(c->t.blocks, need_freed, s);
	return err;
}

/* --- clearing --- */

static bool is_needed(const void *context, uint64_t stack)
{
	const struct pass *s = context;

	return hash__get(&s->needed, stack, 0) != HASH_NONE;
}

static int end_trails(void *context, const void *key, const void *value)
{
	const struct memleak_process *p = value;

	(void)context;
	(void)key;
	if (p->drawn)
		trails__end(p);
	return 0;
}

int collector__clear_stacks(struct collector *c, struct pass *s)
{
	bool many = collector__stacks_are_many(c);
	uint32_t removed;
	int err;

	if (!s->clears) {
		collector__expect_stacks(c); /* the event for them may have come meanwhile */
		return 0;
	}
	err = find_needed(c, s);
	if (err)
		return err;
	blocks__forget_stacks(c->t.blocks, is_needed, s);
	stacks__forget(c->stacks, &s->needed);
	c->stacks_pending = false;
	if (!many)
		return 0;
	err = stacks__remove(c->stacks, c->t.stacks_fd, &s->needed, &removed);
	/* What programs found before is in the table no longer: those that begin now look again. */
	__atomic_fetch_add(c->t.stacks_cleared, 1, __ATOMIC_RELEASE);
	c->stacks_removed += removed;
	if (!err)
		err = batch__read(c->t.processes_fd, sizeof(uint32_t),
				  sizeof(struct memleak_process), end_trails, NULL);
	c->stacks_pending = removed;
	c->stacks_left = in_kernel(c);
	c->stacks_in_use = removed < few(c->t.max_stacks);
	collector__expect_stacks(c);
	return err;
}
