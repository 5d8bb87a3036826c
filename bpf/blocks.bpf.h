/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MEMLEAK_BPF_BLOCKS_BPF_H
#define MEMLEAK_BPF_BLOCKS_BPF_H

/*
 * The table of blocks: what enters and leaves it is counted for its process, weighed by the chance
 * with which it was followed.
 */

#include "bpf/deferred.h"
#include "bpf/sample.h"
#include "bpf/slots.bpf.h"

static __always_inline void trace_event(__u32 type, __u32 image, __u64 addr, __u64 size,
					__u8 family, __u64 stack, __u64 frame)
{
	struct memleak_event event = {.type = type};

	event.image = image;
	event.tgid = current_tgid();
	event.tid = (__u32)bpf_get_current_pid_tgid();
	event.time_ns = bpf_ktime_get_ns();
	event.addr = addr;
	event.size = size;
	event.family = family;
	event.stack = stack;
	event.frame = frame;
	bpf_get_current_comm(event.comm, sizeof(event.comm));
	send_event(&event, event_wakes(), MEMLEAK_LOSS_TRACE);
}

static __always_inline struct sample sampling(void)
{
	struct sample s = {.rate = sample_rate, .mean = sample_mean};

	return s;
}

/* What @b stands for. */
static __always_inline struct sample_weight weigh(const struct memleak_block *b)
{
	struct sample s = sampling();

	s.weight = b->weight;
	return sample_weigh(s, b->size);
}

/* Families of malloc and new are told apart by the block alone: free() takes all of them. */
static __always_inline __u32 key_family(__u8 family)
{
	return family >= MEMLEAK_FAMILY_USER ? family : 0;
}

static __always_inline bool is_sampling(void)
{
	return sample_rate != 1 || sample_mean;
}

/* Whether only a part of what is allocated is followed. */
static __always_inline bool is_partial(void)
{
	return is_sampling() || min_size || max_size != -1ULL;
}

/* Blocks at addresses like @addr. */
static __always_inline __u32 *address_count(__u64 addr)
{
	__u64 slot = MEMLEAK_ADDRESS_SLOT(addr);

	barrier_var(slot); /* 6.1's verifier sees no bounds through an "or" */
	return &addresses[slot & (MEMLEAK_ADDRESS_SLOTS - 1)];
}

/*
 * More are counted than there are in the table, at times, never fewer: before they come into it and
 * until they have left it. Who frees one has got its address from who allocated it.
 */
static __always_inline void count_address(__u64 addr, __s32 n)
{
	if (is_partial())
		__sync_fetch_and_add(address_count(addr), n);
}

/* Whether the table has no block at @addr; false where it may have one. */
static __always_inline bool is_absent(__u64 addr)
{
	return is_partial() && !*(volatile __u32 *)address_count(addr);
}

/* The block with @key came or went. */
static __always_inline void note_change(const struct memleak_block_key *key)
{
	__u64 *place;
	__u32 i;

	if (*(volatile __u32 *)&changes_image != key->image)
		return;
	i = __sync_fetch_and_add(&nr_changes, 1) & (MEMLEAK_CHANGES - 1);
	place = bpf_map_lookup_elem(&changes, &i);
	if (place)
		*place = MEMLEAK_CHANGE(key->addr, key->family);
}

/* Whether an allocation of @size is recorded. */
static __always_inline bool is_size_followed(__u64 size)
{
	if (size < min_size || size > max_size)
		return false;
	return !is_sampling() || sample_draw(sampling(), size, bpf_get_prandom_u32());
}

/*
 * Whether the current thread is the only one in the memory of its process: it stays so until it
 * makes another itself. What others may change at the same time takes locked instructions, which
 * are the dearest of a free.
 */
static __always_inline bool is_alone(const struct memleak_process *p)
{
	return !p->shared && bpf_get_current_task_btf()->signal->live.counter == 1;
}

/* Add to a counter of the current process. */
static __always_inline void count(__u64 *counter, __u64 n, bool alone)
{
	if (alone)
		*counter += n;
	else
		__sync_fetch_and_add(counter, n);
}

/* Take the block with @key out of the map, if it is there, into *@old. */
static __always_inline bool take_from_map(const struct memleak_block_key *key,
					  struct memleak_block *old)
{
	struct memleak_block *b = bpf_map_lookup_elem(&blocks, key);

	if (!b)
		return false;
	*old = *b;
	/* Or another thread frees it at this moment, and counts it. */
	return bpf_map_delete_elem(&blocks, key) == 0;
}

/* Take the block with @key out of the table, if it is there, into *@old. @defers: it may be
 * deferrable. */
static __always_inline bool take_block(struct memleak_block_key *key, struct memleak_block *old,
				       bool alone, bool defers)
{
	struct slot_place at = {};
	bool taken;

	if (!key->family) {
		at = slot_place(key->addr, key->image);
		if (slot_take(at, SLOT_LIVE, SLOT_ANY_LIVE, old, alone) == SLOT_DONE)
			return true;
		if (!is_elsewhere(at))
			return false;
	}
	taken = take_from_map(key, old);
	if (!taken && defers && !key->family) {
		key->family = MEMLEAK_KEY_DEFERRABLE;
		taken = take_from_map(key, old);
		key->family = 0;
	}
	if (taken)
		count_elsewhere(at, -1);
	return taken;
}

/* Whether the map has the block with @key, a block of the heap. */
static __always_inline bool is_in_map(struct memleak_block_key *key, bool defers)
{
	bool found = bpf_map_lookup_elem(&blocks, key) != NULL;

	if (!found && defers) {
		key->family = MEMLEAK_KEY_DEFERRABLE;
		found = bpf_map_lookup_elem(&blocks, key) != NULL;
		key->family = 0;
	}
	return found;
}

/* Put @b into the table. @defers: as above. 0, -EEXIST, -E2BIG or -ENOMEM. */
static __always_inline long put_block(struct memleak_block_key *key, const struct memleak_block *b,
				      bool defers)
{
	__u32 family = key->family;
	struct slot_place at = {};
	enum slot_result result;
	long err;

	if (!family) {
		at = slot_place(key->addr, key->image);
		if ((at.bucket || defers) && is_elsewhere(at) && is_in_map(key, defers))
			return -EEXIST;
		result = slot_put(at, key->addr, key->image, b);
		if (result != SLOT_NO_ROOM)
			return result == SLOT_DONE ? 0 : -EEXIST;
		if (b->deferrable)
			key->family = MEMLEAK_KEY_DEFERRABLE;
	}
	count_elsewhere(at, 1);
	err = bpf_map_update_elem(&blocks, key, b, BPF_NOEXIST);
	if (err)
		count_elsewhere(at, -1);
	key->family = family;
	return err;
}

static __always_inline void count_free(struct memleak_process *p, const struct memleak_block *b,
				       bool alone)
{
	struct sample_weight weight = weigh(b);

	count(&p->frees, weight.blocks, alone);
	count(&p->free_bytes, weight.bytes, alone);
}

/* Take the block at @addr out of the table, if it is there, into *@old; counts the free. */
static __always_inline bool block_free(struct memleak_process *p, __u64 addr, __u8 family,
				       struct memleak_block *old)
{
	struct memleak_block_key key = {
		.addr = addr, .image = p->image, .family = key_family(family)};
	bool alone = is_alone(p);

	if (is_absent(addr) || !take_block(&key, old, alone, p->cells != 0))
		return false;
	count_address(addr, -1);
	note_change(&key);
	count_free(p, old, alone);
	return true;
}

struct own_session {
	__u64 session, new_bytes;
};

/* What is new in the process, if it is this tool's. */
static __always_inline struct own_session own_session(const struct memleak_process *p)
{
	const struct memleak_cells *cells = (const struct memleak_cells *)p->cells;
	struct own_session own = {};

	if (bpf_probe_read_user(&own, sizeof(own), &cells->session) || own.session != session)
		own = (struct own_session){};
	return own;
}

/* What the process has freed and not told, less @told, which it is telling, and less what is new.
 */
static __always_inline __u64 deferred_now(const struct memleak_process *p, __u64 told)
{
	const struct memleak_cells *cells = (const struct memleak_cells *)p->cells;
	__u64 bytes = 0;

	/* The kernel may be moving the page: what was said last is near enough. */
	if (bpf_probe_read_user(&bytes, sizeof(bytes), &cells->bytes))
		return p->deferred_bytes;
	bytes -= p->strange_bytes + told;
	if ((__s64)bytes < 0)
		bytes = 0;
	return p->drawn ? bytes - own_session(p).new_bytes : bytes;
}

/* What was said last of deferred frees may be said by now by another thread, of another time: it
 * tells whether to look. */
static __always_inline void count_peak(struct memleak_process *p, __u64 now, __u64 told)
{
	__u64 bytes = p->alloc_bytes - p->free_bytes;

	if ((__s64)(bytes - p->deferred_bytes) <= (__s64)p->peak_bytes)
		return;
	if (p->cells)
		bytes -= deferred_now(p, told);
	if ((__s64)bytes > (__s64)p->peak_bytes) {
		p->peak_bytes = bytes;
		p->peak_ns = now;
	}
}

/* Count an allocation with its stack, where that is asked for. */
static __always_inline void count_site(struct memleak_process *p, struct memleak_block *b,
				       struct sample_weight weight)
{
	struct memleak_site_key key = {.stack = b->stack, .image = p->image, .family = b->family};
	struct memleak_site first = {.allocs = weight.blocks, .bytes = weight.bytes};
	struct memleak_site *site;

	if (!count_sites || !bpf_map_update_elem(&sites, &key, &first, BPF_NOEXIST))
		return;
	site = bpf_map_lookup_elem(&sites, &key);
	if (!site) {
		count_loss(MEMLEAK_LOSS_SITE);
		return;
	}
	__sync_fetch_and_add(&site->allocs, weight.blocks);
	__sync_fetch_and_add(&site->bytes, weight.bytes);
}

/* @told: bytes of the free that is told with it. */
static __always_inline void count_alloc(struct memleak_process *p, struct memleak_block *b,
					__u64 told, bool alone)
{
	struct sample_weight weight = weigh(b);

	count(&p->allocs, weight.blocks, alone);
	count(&p->alloc_bytes, weight.bytes, alone);
	count_site(p, b, weight);
	count_peak(p, b->time_ns, told);
}

/*
 * Whether the process has as many blocks as the table is for, apart from those that are freed and
 * not told to be. Slots come on top of the map, so that a block finds room wherever it lies;
 * counted of all processes together they would cost each block a change of what all processors
 * share.
 */
static __always_inline bool has_enough(const struct memleak_process *p)
{
	__s64 most = max_blocks + (p->cells ? MEMLEAK_CELLS : 0);

	return !is_sampling() && !p->drawn &&
	       (__s64)(p->allocs - p->frees) >= most * (__s64)SAMPLE_WEIGHT_ONE;
}

/* @stale is free, and that has not been told: @b has its address. */
static __always_inline void note_freed_before(struct memleak_process *p,
					      const struct memleak_block *stale,
					      const struct memleak_block *b)
{
	if (!stale->deferrable)
		count_loss(MEMLEAK_LOSS_FREE);
	else if (!b->deferrable) /* whose cell has it still */
		p->strange_bytes += weigh(stale).bytes;
}

/*
 * Put a block into the table; true if it is there now. Counts the allocation: @told as there. A
 * function of its own: what it needs of the stack comes on top of the walk's otherwise.
 */
static __noinline __attribute__((unused)) int block_insert(struct memleak_process *p, __u64 addr,
							   struct memleak_block *b, __u64 told)
{
	struct memleak_block_key key = {
		.addr = addr, .image = p->image, .family = key_family(b->family)};
	bool alone = is_alone(p);
	struct memleak_block stale;
	long err;

	if (b->weight)
		p->drawn = true;
	if (has_enough(p)) {
		count_loss(MEMLEAK_LOSS_BLOCK_TABLE);
		return false;
	}
	count_address(addr, 1);
	err = put_block(&key, b, p->cells != 0);
	if (err == -EEXIST) {
		/* The address was handed out before: its free went unseen, or is told late. */
		if (block_free(p, addr, b->family, &stale))
			note_freed_before(p, &stale, b);
		err = put_block(&key, b, p->cells != 0);
	}
	if (err) {
		count_address(addr, -1);
		count_loss(err == -E2BIG ? MEMLEAK_LOSS_BLOCK_TABLE : MEMLEAK_LOSS_BLOCK_MEMORY);
		return false;
	}
	note_change(&key);
	count_alloc(p, b, told, alone);
	return true;
}

/*
 * Put a block into the table that came to be some time ago: what is at its address by now came
 * later, so it was freed. Counts the allocation, and that. @tells: its process does, which may be
 * at its peak. A function of its own as block_insert() is.
 */
static __noinline __attribute__((unused)) int
block_insert_late(struct memleak_process *p, __u64 addr, struct memleak_block *b, bool tells)
{
	struct memleak_block_key key = {.addr = addr, .image = p->image};
	struct sample_weight weight = weigh(b);
	long err;

	p->drawn = true;
	count_address(addr, 1);
	err = put_block(&key, b, true);
	if (err) {
		count_address(addr, -1);
		if (err != -EEXIST) {
			count_loss(err == -E2BIG ? MEMLEAK_LOSS_BLOCK_TABLE
						 : MEMLEAK_LOSS_BLOCK_MEMORY);
			return false;
		}
		count(&p->frees, weight.blocks, false);
		count(&p->free_bytes, weight.bytes, false);
	}
	count(&p->allocs, weight.blocks, false);
	count(&p->alloc_bytes, weight.bytes, false);
	note_change(&key);
	if (tells)
		count_peak(p, b->time_ns, 0);
	return true;
}

/* The block that block_free() has taken out is the program's after all: a realloc has failed. A
 * function of its own as block_insert() is. */
static __noinline __attribute__((unused)) int block_restore(struct memleak_process *p, __u64 addr,
							    struct memleak_block *old)
{
	struct memleak_block_key key = {
		.addr = addr, .image = p->image, .family = key_family(old->family)};
	struct sample_weight weight = weigh(old);
	bool alone = is_alone(p);

	count_address(addr, 1);
	if (put_block(&key, old, p->cells != 0)) {
		count_address(addr, -1);
		count_loss(MEMLEAK_LOSS_BLOCK_MEMORY);
		return 0;
	}
	note_change(&key);
	count(&p->frees, -weight.blocks, alone);
	count(&p->free_bytes, -weight.bytes, alone);
	if (trace_events)
		trace_event(MEMLEAK_EVENT_ALLOC, p->image, addr, old->size, old->family, old->stack,
			    0);
	return 0;
}

/* A resource that is held already is held once more. */
static __always_inline bool acquire_again(const struct memleak_block_key *key)
{
	struct memleak_block *held = bpf_map_lookup_elem(&blocks, key);

	if (held)
		__sync_fetch_and_add(&held->more, 1);
	return held != NULL;
}

/* A resource is acquired; false where that makes no block. Counts nothing of the heap. */
static __always_inline bool resource_acquire(struct memleak_process *p, __u64 addr,
					     struct memleak_block *b)
{
	struct memleak_block_key key = {.addr = addr, .image = p->image, .family = b->family};
	long err;

	if (acquire_again(&key))
		return false;
	err = bpf_map_update_elem(&blocks, &key, b, BPF_NOEXIST);
	if (err == -EEXIST && acquire_again(&key))
		return false; /* another thread was faster */
	if (err)
		count_loss(err == -E2BIG ? MEMLEAK_LOSS_BLOCK_TABLE : MEMLEAK_LOSS_BLOCK_MEMORY);
	return !err;
}

/* It is released: true if it is held no longer. */
static __always_inline bool resource_release(struct memleak_process *p, __u64 addr, __u8 family,
					     struct memleak_block *old)
{
	struct memleak_block_key key = {.addr = addr, .image = p->image, .family = family};
	struct memleak_block *held = bpf_map_lookup_elem(&blocks, &key);

	if (!held)
		return false;
	if (held->more) {
		__sync_fetch_and_add(&held->more, -1);
		return false;
	}
	*old = *held;
	return bpf_map_delete_elem(&blocks, &key) == 0;
}

#endif
