// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The blocks that were told of, where only samples are: a hash table of fixed size, without locks.
 *
 * In front of it each piece of memory has a byte that says how many of these blocks begin there,
 * plus one; most frees find that there are none and are done. A block enters before anybody but its
 * thread knows its address, and leaves by its free, of which there is one; so a place is fought for
 * by those that enter alone.
 *
 * A bucket that is full takes no more, a byte that is full stays so: from then on all frees in that
 * piece are told, which the kernel side has no use for, and nothing is wrong.
 */
#include "hook.h"

#define BUCKETS	     2048
#define SLOTS	     32
#define BUCKET_SHIFT 21 /* from the upper bits of 32 */
#define FULL	     255

static uintptr_t slots[BUCKETS][SLOTS] __attribute__((aligned(64)));
/* Before it is open 0 is what is HOOK_PIECE_QUICK later. */
uint64_t hook_pieces[HOOK_PIECES / sizeof(uint64_t)] __attribute__((aligned(64)));
static bool is_open;

/* Multiplicative hashing (Knuth 6.4) of the lower half of an address. */
static uintptr_t *bucket_of(const void *block)
{
	return slots[(uint32_t)(uintptr_t)block * 0x9e3779b1U >> BUCKET_SHIFT];
}

/* @n more are there, or less. */
static void count(const void *block, int n)
{
	uint8_t *piece = hook_piece_of(block), old = __atomic_load_n(piece, __ATOMIC_RELAXED), next;

	do {
		if (old == FULL)
			return;
		next = (old ? old : HOOK_PIECE_QUICK) + n;
		if (next == HOOK_PIECE_QUICK && !is_open)
			next = 0;
	} while (!__atomic_compare_exchange_n(piece, &old, next, true, __ATOMIC_RELAXED,
					      __ATOMIC_RELAXED));
}

static void open_piece(uint8_t *piece)
{
	uint8_t closed = 0;

	__atomic_compare_exchange_n(piece, &closed, HOOK_PIECE_QUICK, false, __ATOMIC_RELAXED,
				    __ATOMIC_RELAXED);
}

void hook_filter_open(void)
{
	const uint64_t all = HOOK_PIECE_QUICK * 0x0101010101010101;
	size_t i, k;

	is_open = true;
	for (i = 0; i < HOOK_PIECES / sizeof(all); i++) {
		uint64_t closed = 0;

		if (__atomic_compare_exchange_n(&hook_pieces[i], &closed, all, false,
						__ATOMIC_RELAXED, __ATOMIC_RELAXED))
			continue;
		for (k = 0; k < sizeof(all); k++)
			open_piece((uint8_t *)&hook_pieces[i] + k);
	}
}

void hook_filter_add(const void *block)
{
	uintptr_t *bucket = bucket_of(block), hidden = hook_hide(block);
	int i;

	/* Left over from a time when nobody was attached, so that its free was not looked at. Where
	 * nothing is, nothing is read: the kernel would map a page of zeros first, and copy that.
	 */
	for (i = 0; *hook_piece_of(block) > HOOK_PIECE_QUICK && i < SLOTS; i++)
		if (__atomic_load_n(&bucket[i], __ATOMIC_RELAXED) == hidden)
			return;
	for (i = 0; i < SLOTS; i++) {
		uintptr_t none = 0;

		if (__atomic_compare_exchange_n(&bucket[i], &none, hidden, false, __ATOMIC_RELAXED,
						__ATOMIC_RELAXED)) {
			count(block, 1);
			return;
		}
	}
	hook_filter_mark(block);
}

void hook_filter_mark(const void *block)
{
	__atomic_store_n(hook_piece_of(block), FULL, __ATOMIC_RELAXED);
}

bool hook_filter_take(const void *block)
{
	uintptr_t *bucket = bucket_of(block), hidden = hook_hide(block);
	int i;

	for (i = 0; i < SLOTS; i++) {
		if (__atomic_load_n(&bucket[i], __ATOMIC_RELAXED) == hidden) {
			__atomic_store_n(&bucket[i], 0, __ATOMIC_RELAXED);
			count(block, -1);
			return true;
		}
	}
	return *hook_piece_of(block) == FULL;
}
