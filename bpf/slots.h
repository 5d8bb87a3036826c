/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MEMLEAK_BPF_SLOTS_H
#define MEMLEAK_BPF_SLOTS_H

/*
 * Where most blocks of the heap are kept: a table of buckets of a few slots each, in memory that
 * kernel and user space share. A hash map of the kernel's takes memory for a block, a lock and two
 * searches for each that comes and goes, several times as long. What finds its bucket full is in
 * such a map all the same (`blocks`), and the bucket counts it.
 *
 * A bucket begins with a cache line of tags, one for each slot: the block's address and the state
 * of the slot. A slot belongs to who brought its tag from one state to the next, by
 * compare-and-swap:
 *
 *	empty or freed -> written	by who puts a block there; others pass by
 *	written -> live			by the same, when the slot is filled
 *	live -> written -> live		by who has its address: it is free, see bpf/deferred.h
 *	live -> freed			by who frees the block; or, by the loader, -> empty
 *	freed -> written -> freed	by the same, who notes who has freed it; or by the loader,
 *					which takes its stack away
 *	written -> nobody's		by who puts the block that was here into the map
 *	nobody's -> empty		by the loader, when it finds that
 *
 * Who takes a slot of a freed block that is remembered first leaves that one's address in the tag,
 * until what is remembered is in the map `freed`: it is found in one of the two at any time.
 *
 * A live block that is deferrable (bpf/deferred.h) has another state than others, so that a free
 * that comes late takes no other one at its address.
 *
 * A freed slot keeps what it has had until another block needs it. Of one block there is one slot
 * at most, in whatever state.
 */

#ifndef __bpf__
#include <linux/types.h>
#endif

#include "bpf/memleak.h"

#define SLOT_WAYS	     7
#define SLOT_MIN_BUCKET_BITS 4
#define SLOT_MAX_BUCKET_BITS 16

enum slot_state {
	SLOT_EMPTY,   /* the whole tag is 0 */
	SLOT_WRITTEN, /* address 0: nobody's; what is remembered there holds no longer */
	SLOT_LIVE,
	SLOT_FREED,
	SLOT_DEFERRABLE = 6, /* SLOT_LIVE and a bit */
};

#define SLOT_ANY_LIVE		 4 /* the bit in which live ones differ */
#define SLOT_STATE_BITS		 3
#define SLOT_STATES		 ((1ULL << SLOT_STATE_BITS) - 1)
#define SLOT_TAG(address, state) ((address) << SLOT_STATE_BITS | (state))
#define SLOT_STATE(tag)		 ((enum slot_state)((tag)&SLOT_STATES))
#define SLOT_IS_LIVE(tag)	 (((tag)&SLOT_STATES & ~SLOT_ANY_LIVE) == SLOT_LIVE)

/*
 * A block's address, told apart from the same one in another image, which changes bits above those
 * that addresses have (splitmix64's increment).
 */
#define SLOT_ADDRESS(addr, image) ((addr) ^ (__u64)(image)*0x9e3779b97f4a7c15ULL)

/*
 * The bucket of such an address: blocks that lie within 128 bytes share one, as those that are used
 * together often do, and those within 1 KiB lie within a page of the table. What would find each
 * block a place for itself touches as many pages as there are blocks; the processor's table of
 * pages holds few.
 */
#define SLOT_NEAR_BITS		  3 /* the 8 buckets of 1 KiB */
#define SLOT_REGION_HASH(address) (((address) >> 10) * 0xbf58476d1ce4e5b9ULL)
#define SLOT_BUCKET(address, bits)                                                                 \
	((__u32)(SLOT_REGION_HASH(address) >> (64 - (bits))) ^                                     \
	 (__u32)((address) >> 7 & ((1U << SLOT_NEAR_BITS) - 1)))

/* A block of the heap: its key's family is 0. */
struct memleak_slot {
	__u64 addr;
	__u32 image;
	__u32 turn; /* how many blocks have been here: who reads while it changes sees it by this */
	struct memleak_block block;
	__u64 caller; /* freed, and to be remembered: as in struct memleak_freed; 0: not */
};

struct memleak_bucket {
	__u64 tags[SLOT_WAYS];
	__u64 elsewhere; /* blocks of this bucket in `blocks`: at times more, never fewer */
	struct memleak_slot slots[SLOT_WAYS];
};

#ifndef __bpf__
static_assert(sizeof(struct memleak_slot) == 64, "a slot is a cache line");
static_assert(sizeof(struct memleak_bucket) == 512, "bucket without gaps");
#endif

#endif
