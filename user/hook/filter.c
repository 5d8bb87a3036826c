// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The blocks that were told of, where only samples are: a hash table of fixed size, without locks.
 *
 * A bucket is four cache lines of addresses, and a word in an array of its own, which is small
 * enough to stay in the first cache: how many blocks there are, and for each part of the addresses
 * that lead to the bucket a bit, set if none of these is there. Most frees find theirs set and are
 * done. A block enters before anybody but its thread knows its address, and leaves by its free, of
 * which there is one; so a place is fought for by those that enter alone. The bits come back when
 * the bucket is empty.
 *
 * A bucket that is full takes no more: from then on all frees of its blocks are told, which the
 * kernel side has no use for, and nothing is wrong.
 */
#include "hook.h"

#define SLOTS	   32
#define QUICK	   0xffffffffULL
#define ONE	   (1ULL << 32)
#define COUNT	   (0xffULL << 32)
#define OVERFLOWED (1ULL << 63) /* for good */

static uintptr_t slots[HOOK_FILTER_BUCKETS][SLOTS] __attribute__((aligned(64)));
uint64_t hook_filter_words[HOOK_FILTER_BUCKETS];
static bool is_open;

/* @count more are there, with @bits, which are clear then. */
static void change_word(uint64_t *word, uint64_t count, uint64_t bits)
{
	uint64_t old = __atomic_load_n(word, __ATOMIC_RELAXED), next;

	do {
		next = (old + count) & ~bits;
		if (is_open && !(next & (COUNT | OVERFLOWED)))
			next = QUICK;
	} while (!__atomic_compare_exchange_n(word, &old, next, true, __ATOMIC_RELAXED,
					      __ATOMIC_RELAXED));
}

void hook_filter_open(void)
{
	size_t i;

	is_open = true;
	for (i = 0; i < HOOK_FILTER_BUCKETS; i++)
		change_word(&hook_filter_words[i], 0, 0);
}

void hook_filter_add(const void *block)
{
	uint32_t hash = hook_filter_hash(block), bucket = HOOK_FILTER_BUCKET(hash);
	uint64_t *word = &hook_filter_words[bucket];
	uintptr_t hidden = hook_hide(block);
	int i;

	/* Left over from a time when nobody was attached, so that its free was not looked at. Where
	 * nothing is, nothing is read: the kernel would map a page of zeros first, and copy that.
	 */
	for (i = 0; *word & COUNT && i < SLOTS; i++)
		if (__atomic_load_n(&slots[bucket][i], __ATOMIC_RELAXED) == hidden)
			return;
	for (i = 0; i < SLOTS; i++) {
		uintptr_t none = 0;

		if (__atomic_compare_exchange_n(&slots[bucket][i], &none, hidden, false,
						__ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
			change_word(word, ONE, 1ULL << HOOK_FILTER_BIT(hash));
			return;
		}
	}
	hook_filter_mark(block);
}

void hook_filter_mark(const void *block)
{
	uint64_t *word = &hook_filter_words[HOOK_FILTER_BUCKET(hook_filter_hash(block))];

	__atomic_fetch_or(word, OVERFLOWED, __ATOMIC_RELAXED);
	change_word(word, 0, QUICK);
}

bool hook_filter_take(const void *block)
{
	uint32_t bucket = HOOK_FILTER_BUCKET(hook_filter_hash(block));
	uint64_t *word = &hook_filter_words[bucket];
	uintptr_t hidden = hook_hide(block);
	int i;

	for (i = 0; i < SLOTS; i++) {
		if (__atomic_load_n(&slots[bucket][i], __ATOMIC_RELAXED) == hidden) {
			__atomic_store_n(&slots[bucket][i], 0, __ATOMIC_RELAXED);
			change_word(word, -ONE, 0);
			return true;
		}
	}
	return *word & OVERFLOWED;
}
