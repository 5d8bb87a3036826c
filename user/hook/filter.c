// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The blocks that were told of, where only samples are: a hash table of fixed size, without locks.
 *
 * A bucket is one cache line of addresses, and a word in an array of its own, which is small enough
 * to stay in the first cache: how many blocks there are, and a bit for each eighth of the addresses
 * that lead to the bucket, set if one of these is there. Most frees find theirs clear and are done.
 * A block enters before anybody but its thread knows its address, and leaves by its free, of which
 * there is one; so a place is fought for by those that enter alone. The bits stay until the bucket
 * is empty.
 *
 * A bucket that is full takes no more: from then on all frees of its blocks are told, which the
 * kernel side has no use for, and nothing is wrong.
 */
#include "hook.h"

#define SLOTS	   8
#define COUNT	   0x7f
#define OVERFLOWED 0xff80 /* with all bits, for good */

static uintptr_t slots[HOOK_FILTER_BUCKETS][SLOTS] __attribute__((aligned(64)));
uint16_t hook_filter_words[HOOK_FILTER_BUCKETS];

/* The word when one more is there, with @bit, or one less. */
static void change_word(uint16_t *word, uint16_t bit)
{
	uint16_t old = __atomic_load_n(word, __ATOMIC_RELAXED), next;

	do {
		if (bit)
			next = (old + 1) | bit;
		else
			next = (old & COUNT) == 1 && (old & OVERFLOWED) != OVERFLOWED ? 0 : old - 1;
	} while (!__atomic_compare_exchange_n(word, &old, next, true, __ATOMIC_RELAXED,
					      __ATOMIC_RELAXED));
}

void hook_filter_add(const void *block)
{
	struct hook_filter_place at = hook_filter_place(block);
	uintptr_t hidden = hook_hide(block);
	int i;

	/* Left over from a time when nobody was attached, so that its free was not looked at. Where
	 * nothing is, nothing is read: the kernel would map a page of zeros first, and copy that.
	 */
	for (i = 0; *at.word && i < SLOTS; i++)
		if (__atomic_load_n(&slots[at.bucket][i], __ATOMIC_RELAXED) == hidden)
			return;
	for (i = 0; i < SLOTS; i++) {
		uintptr_t none = 0;

		if (__atomic_compare_exchange_n(&slots[at.bucket][i], &none, hidden, false,
						__ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
			change_word(at.word, at.bit);
			return;
		}
	}
	__atomic_fetch_or(at.word, OVERFLOWED, __ATOMIC_RELAXED);
}

void hook_filter_mark(const void *block)
{
	__atomic_fetch_or(hook_filter_place(block).word, OVERFLOWED, __ATOMIC_RELAXED);
}

bool hook_filter_take(const void *block)
{
	struct hook_filter_place at = hook_filter_place(block);
	uintptr_t hidden = hook_hide(block);
	int i;

	for (i = 0; i < SLOTS; i++) {
		if (__atomic_load_n(&slots[at.bucket][i], __ATOMIC_RELAXED) == hidden) {
			__atomic_store_n(&slots[at.bucket][i], 0, __ATOMIC_RELAXED);
			change_word(at.word, 0);
			return true;
		}
	}
	return (*at.word & OVERFLOWED) == OVERFLOWED;
}
