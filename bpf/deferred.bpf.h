/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MEMLEAK_BPF_DEFERRED_BPF_H
#define MEMLEAK_BPF_DEFERRED_BPF_H

/* The kernel side of bpf/deferred.h. */

#include "bpf/blocks.bpf.h"

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

#endif
