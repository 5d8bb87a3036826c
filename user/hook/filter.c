// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The blocks that were told of, where only samples are: a hash table of fixed size, without locks.
 *
 * A bucket is one cache line of addresses and a counter of them in an array of its own, which is
 * small enough to stay in the first cache: most frees find a zero there and are done. A block
 * enters before anybody but its thread knows its address, and leaves by its free, of which there
 * is one; so a place is fought for by those that enter alone.
 *
 * A bucket that is full takes no more: from then on all frees of its blocks are told, which the
 * kernel side has no use for, and nothing is wrong.
 */
#include "hook.h"

#define SLOTS	   8
#define OVERFLOWED 0x80 /* in a counter, for good */

static uintptr_t slots[HOOK_FILTER_BUCKETS][SLOTS] __attribute__((aligned(64)));
uint8_t hook_filter_counts[HOOK_FILTER_BUCKETS];

void hook_filter_add(const void *block)
{
	size_t bucket = hook_filter_bucket(block);
	uintptr_t hidden = hook_hide(block);
	int i;

	/* Left over from a time when nobody was attached, so that its free was not looked at. Where
	 * nothing is, nothing is read: the kernel would map a page of zeros first, and copy that.
	 */
	for (i = 0; hook_filter_counts[bucket] && i < SLOTS; i++)
		if (__atomic_load_n(&slots[bucket][i], __ATOMIC_RELAXED) == hidden)
			return;
	for (i = 0; i < SLOTS; i++) {
		uintptr_t none = 0;

		if (__atomic_compare_exchange_n(&slots[bucket][i], &none, hidden, false,
						__ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
			__atomic_fetch_add(&hook_filter_counts[bucket], 1, __ATOMIC_RELAXED);
			return;
		}
	}
	__atomic_fetch_or(&hook_filter_counts[bucket], OVERFLOWED, __ATOMIC_RELAXED);
}

void hook_filter_mark(const void *block)
{
	__atomic_fetch_or(&hook_filter_counts[hook_filter_bucket(block)], OVERFLOWED,
			  __ATOMIC_RELAXED);
}

bool hook_filter_take(const void *block)
{
	size_t bucket = hook_filter_bucket(block);
	uintptr_t hidden = hook_hide(block);
	int i;

	for (i = 0; i < SLOTS; i++) {
		if (__atomic_load_n(&slots[bucket][i], __ATOMIC_RELAXED) == hidden) {
			__atomic_store_n(&slots[bucket][i], 0, __ATOMIC_RELAXED);
			__atomic_fetch_sub(&hook_filter_counts[bucket], 1, __ATOMIC_RELAXED);
			return true;
		}
	}
	return hook_filter_counts[bucket] & OVERFLOWED;
}
