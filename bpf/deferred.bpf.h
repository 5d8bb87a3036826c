/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MEMLEAK_BPF_DEFERRED_BPF_H
#define MEMLEAK_BPF_DEFERRED_BPF_H

/* The kernel side of bpf/deferred.h. */

#include "bpf/blocks.bpf.h"

/* How a process knows a stack, and a stack that it knows so: others cannot be named by guessing. */
static __always_inline __u64 hide_stack(__u64 stack)
{
	return stack ^ trail_secret;
}

/* A time that a process has told: its clock goes by ticks, and may be set to another time. */
static __always_inline __u64 not_later(__u64 time_ns, __u64 now)
{
	return time_ns < now ? time_ns : now;
}

/* The deferrable block at @addr was freed: take it out of the table, into *@old; counts the free.
 * False: it is not there any more. */
static __always_inline bool block_free_deferred(struct memleak_process *p, __u64 addr,
						struct memleak_block *old)
{
	struct memleak_block_key key = {.addr = addr, .image = p->image};
	struct slot_place at = slot_place(addr, p->image);

	/* Never as if alone: what comes late may meet another thread. */
	if (slot_take(at, SLOT_DEFERRABLE, 0, old, false) != SLOT_DONE) {
		if (!is_elsewhere(at))
			return false;
		key.family = MEMLEAK_KEY_DEFERRABLE;
		if (!take_from_map(&key, old))
			return false;
		key.family = 0;
		count_elsewhere(at, -1);
	}
	count_address(addr, -1);
	note_change(&key);
	count_free(p, old, false);
	return true;
}

/* The deferrable block with @key, whose family says so; NULL: it is not in the table. */
static __always_inline struct memleak_block *find_deferrable(const struct memleak_block_key *key)
{
	struct slot_place at = slot_place(key->addr, key->image);
	__u32 way = way_of(at, SLOT_DEFERRABLE, 0);

	if (at.bucket && way < SLOT_WAYS)
		return &at.bucket->slots[way].block;
	return bpf_map_lookup_elem(&blocks, key);
}

/* The deferrable block at @addr was freed, and @b is at its address now. False: the one before is
 * in no slot. */
static __always_inline bool block_replace(struct memleak_process *p, __u64 addr,
					  struct memleak_block *b)
{
	struct memleak_block_key key = {.addr = addr, .image = p->image};
	struct memleak_block old;
	bool alone = is_alone(p);

	if (slot_replace(slot_place(addr, p->image), b, &old) != SLOT_DONE)
		return false;
	note_change(&key);
	count_free(p, &old, alone);
	count_alloc(p, b, weigh(&old).bytes, alone);
	return true;
}

static __always_inline void renew_time(struct memleak_block *b, __u64 time_ns)
{
	time_ns = not_later(time_ns, bpf_ktime_get_ns());
	if (time_ns > b->time_ns)
		*(volatile __u64 *)&b->time_ns = time_ns;
}

/* The deferrable block at @addr has come again since it was told, last at @time_ns. */
static __always_inline void block_came_again(struct memleak_process *p, __u64 addr, __u64 time_ns)
{
	struct memleak_block_key key = {
		.addr = addr, .image = p->image, .family = MEMLEAK_KEY_DEFERRABLE};
	struct memleak_block *b = find_deferrable(&key);

	if (b)
		renew_time(b, time_ns);
	/* Who has left it out, when it was free and not told of, does not see it in a cell by now.
	 */
	key.family = 0;
	note_change(&key);
}

/* Since something was told last, the process had more than the kernel side knew of: all that came
 * again at the same time. */
static __always_inline void count_low(struct memleak_process *p, __u64 now)
{
	const struct memleak_cells *cells = (const struct memleak_cells *)p->cells;
	__u64 bytes = p->alloc_bytes - p->free_bytes, low = 0;

	if ((p->drawn && !own_session(p).session) ||
	    bpf_probe_read_user(&low, sizeof(low), &cells->low_bytes))
		return;
	low -= p->strange_bytes;
	if ((__s64)low > 0 || p->drawn)
		bytes -= low;
	if ((__s64)bytes > (__s64)p->peak_bytes) {
		p->peak_bytes = bytes;
		p->peak_ns = now;
	}
}

#endif
