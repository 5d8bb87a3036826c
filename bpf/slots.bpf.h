/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MEMLEAK_BPF_SLOTS_BPF_H
#define MEMLEAK_BPF_SLOTS_BPF_H

/* The kernel side of bpf/slots.h. */

#include "bpf/maps.bpf.h"

enum slot_result {
	SLOT_DONE,
	SLOT_NOT_THERE,
	SLOT_NO_ROOM,
	SLOT_TAKEN, /* by a block with this address */
};

/* Where a block is looked for. */
struct slot_place {
	__u64 address;		       /* SLOT_ADDRESS() */
	struct memleak_bucket *bucket; /* NULL: there are none, all blocks are in the map */
};

static __always_inline struct slot_place slot_place(__u64 addr, __u32 image)
{
	struct slot_place at = {.address = SLOT_ADDRESS(addr, image)};
	__u32 number;

	if (bucket_bits) {
		number = SLOT_BUCKET(at.address, bucket_bits);
		at.bucket = bpf_map_lookup_elem(&buckets, &number);
	}
	return at;
}

/* Whether the map may have the block. */
static __always_inline bool is_elsewhere(struct slot_place at)
{
	return !at.bucket || *(volatile __u64 *)&at.bucket->elsewhere;
}

/* Count a block that comes into the map, before it does, or that has left it. */
static __always_inline void count_elsewhere(struct slot_place at, __s64 n)
{
	if (at.bucket)
		__sync_fetch_and_add(&at.bucket->elsewhere, n);
}

/*
 * The first way whose tag is @tag but for the bits in @any; SLOT_WAYS: none. Not static, so that
 * the verifier looks at it once, and does not go on with each way for itself.
 */
__noinline __weak __u32 find_way(struct memleak_bucket *b, __u64 tag, __u64 any)
{
	if (!b)
		return SLOT_WAYS;
#pragma unroll
	for (__u32 i = 0; i < SLOT_WAYS; i++)
		if (!((b->tags[i] ^ tag) & ~any))
			return i;
	return SLOT_WAYS;
}

/* The way where the block is, in @state but for the bits in @any; SLOT_WAYS: it is in none so. */
static __always_inline __u32 way_of(struct slot_place at, enum slot_state state, __u64 any)
{
	return at.bucket ? find_way(at.bucket, SLOT_TAG(at.address, state), any) : SLOT_WAYS;
}

/* What was read of a slot and written to it comes before; x86 keeps that order by itself. */
static __always_inline void set_tag(__u64 *tag, __u64 value)
{
#if defined(__TARGET_ARCH_x86)
	barrier();
	*(volatile __u64 *)tag = value;
#else
	__sync_lock_test_and_set(tag, value);
#endif
}

/*
 * Take a block out of its slot, into *@old. @any: SLOT_ANY_LIVE, or 0 to take it only if it is in
 * @state. @alone: no other thread can free it.
 */
static __always_inline enum slot_result slot_take(struct slot_place at, enum slot_state state,
						  __u64 any, struct memleak_block *old, bool alone)
{
	__u64 freed = SLOT_TAG(at.address, SLOT_FREED), live;
	__u32 way = way_of(at, state, any);

	if (way >= SLOT_WAYS)
		return SLOT_NOT_THERE;
	live = *(volatile __u64 *)&at.bucket->tags[way];
	*old = at.bucket->slots[way].block;
	if (alone)
		set_tag(&at.bucket->tags[way], freed);
	else if ((live ^ SLOT_TAG(at.address, state)) & ~any ||
		 __sync_val_compare_and_swap(&at.bucket->tags[way], live, freed) != live)
		return SLOT_NOT_THERE; /* another thread frees it at this moment, and counts it */
	return SLOT_DONE;
}

/* The deferrable block at this address is free, and @block has its address: put it into its slot,
 * if it was in one. No other thread can free either. */
static __always_inline enum slot_result
slot_replace(struct slot_place at, const struct memleak_block *block, struct memleak_block *old)
{
	__u32 way = way_of(at, SLOT_DEFERRABLE, 0);
	struct memleak_slot *s;

	if (way >= SLOT_WAYS)
		return SLOT_NOT_THERE;
	s = &at.bucket->slots[way];
	*old = s->block;
	set_tag(&at.bucket->tags[way], SLOT_TAG(at.address, SLOT_WRITTEN));
	s->turn++;
	s->block = *block;
	s->caller = 0;
	set_tag(&at.bucket->tags[way], SLOT_TAG(at.address, SLOT_DEFERRABLE));
	return SLOT_DONE;
}

static __always_inline void read_freed(const struct memleak_slot *s, struct memleak_freed *f)
{
	f->stack = s->block.stack;
	f->size = s->block.size;
	f->family = s->block.family;
	f->caller = s->caller;
}

/* What is remembered of a freed block goes to where it lasts longer: its slot is needed. */
static __always_inline void pass_on_freed(struct memleak_slot *s)
{
	struct memleak_freed_key key = {.addr = s->addr, .image = s->image};
	struct memleak_freed f = {};

	read_freed(s, &f);
	bpf_map_update_elem(&freed, &key, &f, BPF_ANY);
}

/* Put a block into a slot. */
static __always_inline enum slot_result slot_put(struct slot_place at, __u64 addr, __u32 image,
						 const struct memleak_block *block)
{
	__u64 tag = SLOT_TAG(at.address, 0), held = tag | SLOT_WRITTEN, seen;
	struct memleak_slot *s;
	__u32 way;

	if (!at.bucket)
		return SLOT_NO_ROOM;
	way = find_way(at.bucket, tag, SLOT_STATES); /* where it was before */
	if (way >= SLOT_WAYS)
		way = find_way(at.bucket, SLOT_EMPTY, 0);
	if (way >= SLOT_WAYS)
		way = find_way(at.bucket, SLOT_FREED, ~SLOT_STATES);
	if (way >= SLOT_WAYS)
		return SLOT_NO_ROOM;
	seen = *(volatile __u64 *)&at.bucket->tags[way];
	if (SLOT_IS_LIVE(seen) && !((seen ^ tag) & ~SLOT_STATES))
		return SLOT_TAKEN;
	/* Who looks for the block that was here finds it until the map has it. */
	if (guard && seen && seen != (tag | SLOT_FREED))
		held = seen ^ SLOT_FREED ^ SLOT_WRITTEN;
	if ((seen && SLOT_STATE(seen) != SLOT_FREED) ||
	    __sync_val_compare_and_swap(&at.bucket->tags[way], seen, held) != seen) {
		/* Another thread was faster. Or the loader has the slot where the address was
		 * before: the block goes into the map, and what is remembered here is over. */
		__sync_val_compare_and_swap(&at.bucket->tags[way], tag | SLOT_WRITTEN,
					    SLOT_WRITTEN);
		return SLOT_NO_ROOM;
	}
	s = &at.bucket->slots[way];
	if (held != (tag | SLOT_WRITTEN)) {
		if (s->caller)
			pass_on_freed(s);
		set_tag(&at.bucket->tags[way], tag | SLOT_WRITTEN);
	}
	s->turn++;
	s->addr = addr;
	s->image = image;
	s->block = *block;
	s->caller = 0;
	set_tag(&at.bucket->tags[way], tag | (block->deferrable ? SLOT_DEFERRABLE : SLOT_LIVE));
	return SLOT_DONE;
}

/* Note in its slot who has freed a block. False: it was in none, or another one needs it. */
static __always_inline bool slot_remember(struct slot_place at, __u64 caller)
{
	__u64 tag = SLOT_TAG(at.address, SLOT_FREED);
	__u32 way = way_of(at, SLOT_FREED, 0);

	if (way >= SLOT_WAYS)
		return false;
	if (__sync_val_compare_and_swap(&at.bucket->tags[way], tag,
					SLOT_TAG(at.address, SLOT_WRITTEN)) != tag)
		return false;
	at.bucket->slots[way].caller = caller;
	set_tag(&at.bucket->tags[way], tag);
	return true;
}

/*
 * What its slot remembers of a freed block, into *@f; false: nothing. The slot may be needed
 * meanwhile: its tag then changes once before what is remembered is passed on, and once behind.
 */
static __always_inline bool slot_recall(struct slot_place at, struct memleak_freed *f)
{
	__u64 tag = SLOT_TAG(at.address, 0), seen;
	__u32 way;

	if (!at.bucket)
		return false;
	way = find_way(at.bucket, tag, SLOT_STATES);
	if (way >= SLOT_WAYS)
		return false;
	for (int i = 0; i < 2; i++) {
		seen = *(volatile __u64 *)&at.bucket->tags[way];
		if (seen != (tag | SLOT_FREED) && seen != (tag | SLOT_WRITTEN))
			return false;
		read_freed(&at.bucket->slots[way], f);
		/* A barrier, too. */
		if (__sync_val_compare_and_swap(&at.bucket->tags[way], seen, seen) == seen)
			return f->caller != 0;
	}
	return false;
}

#endif
