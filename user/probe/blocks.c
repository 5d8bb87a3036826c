// SPDX-License-Identifier: GPL-2.0-or-later
#include "probe/blocks.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>

unsigned int blocks__bucket_bits(uint32_t max_blocks, unsigned int most)
{
	unsigned int bits = 0;

	while (bits < most && 2ULL * SLOT_WAYS << (bits + 1) <= max_blocks)
		bits++;
	return bits < SLOT_MIN_BUCKET_BITS ? 0 : bits;
}

static size_t bucket_count(const struct blocks *b)
{
	return b->buckets ? (size_t)1 << b->bucket_bits : 0;
}

int blocks__open(struct blocks *b, int map_fd, int freed_fd, int buckets_fd, unsigned int bits)
{
	void *buckets;

	*b = (struct blocks){.map_fd = map_fd, .freed_fd = freed_fd, .bucket_bits = bits};
	if (!bits)
		return 0;
	buckets = mmap(NULL, sizeof(*b->buckets) << bits, PROT_READ | PROT_WRITE, MAP_SHARED,
		       buckets_fd, 0);
	if (buckets == MAP_FAILED)
		return -errno;
	b->buckets = buckets;
	return 0;
}

void blocks__close(struct blocks *b)
{
	if (b->buckets)
		munmap(b->buckets, sizeof(*b->buckets) << b->bucket_bits);
	b->buckets = NULL;
}

/*
 * The live block in slot @way of @bucket, whole; false: there is none. The kernel side fills a slot
 * before its tag says so; and if others have come and gone meanwhile, its turn is another one.
 */
static bool read_slot(const struct memleak_bucket *bucket, unsigned int way,
		      struct memleak_slot *ret)
{
	const struct memleak_slot *slot = &bucket->slots[way];
	uint64_t tag;
	uint32_t turn;

	for (;;) {
		tag = __atomic_load_n(&bucket->tags[way], __ATOMIC_ACQUIRE);
		if (!SLOT_IS_LIVE(tag))
			return false;
		turn = __atomic_load_n(&slot->turn, __ATOMIC_ACQUIRE);
		if (__atomic_load_n(&bucket->tags[way], __ATOMIC_ACQUIRE) != tag)
			continue;
		*ret = *(const volatile struct memleak_slot *)slot;
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (__atomic_load_n(&bucket->tags[way], __ATOMIC_ACQUIRE) == tag &&
		    __atomic_load_n(&slot->turn, __ATOMIC_ACQUIRE) == turn)
			return true;
	}
}

struct reading {
	batch_fn *fn;
	void *context;
};

/* That a deferrable block has another key in the map is nobody's business. */
static int read_from_map(void *context, const void *key, const void *value)
{
	const struct reading *r = context;
	struct memleak_block_key k = *(const struct memleak_block_key *)key;

	if (k.family == MEMLEAK_KEY_DEFERRABLE)
		k.family = 0;
	return r->fn(r->context, &k, value);
}

int blocks__read(const struct blocks *b, batch_fn *fn, void *context)
{
	struct reading r = {.fn = fn, .context = context};
	size_t n = bucket_count(b), i;
	struct memleak_slot slot;
	unsigned int way;
	int err = 0;

	for (i = 0; i < n; i++) {
		for (way = 0; way < SLOT_WAYS && !err; way++) {
			struct memleak_block_key key = {0};

			if (!read_slot(&b->buckets[i], way, &slot))
				continue;
			key.addr = slot.addr;
			key.image = slot.image;
			err = fn(context, &key, &slot.block);
		}
	}
	return err ? err
		   : batch__read(b->map_fd, sizeof(struct memleak_block_key),
				 sizeof(struct memleak_block), read_from_map, &r);
}

int blocks__read_freed(const struct blocks *b, batch_fn *fn, void *context)
{
	if (b->freed_fd < 0)
		return 0;
	return batch__read(b->freed_fd, sizeof(struct memleak_freed_key),
			   sizeof(struct memleak_freed), fn, context);
}

static void forget_stack(struct memleak_bucket *bucket, unsigned int way, blocks_wants_fn *wants,
			 const void *context)
{
	struct memleak_slot *slot = &bucket->slots[way];
	uint64_t tag = __atomic_load_n(&bucket->tags[way], __ATOMIC_ACQUIRE), freed = tag;
	uint64_t held = tag ^ SLOT_FREED ^ SLOT_WRITTEN;

	if (SLOT_STATE(tag) != SLOT_FREED || !slot->block.stack ||
	    wants(context, slot->block.stack))
		return;
	if (!__atomic_compare_exchange_n(&bucket->tags[way], &freed, held, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_RELAXED))
		return; /* another block needs the slot */
	slot->block.stack = 0;
	/* Unless its address has been handed out again, to a block that is in the map. */
	if (!__atomic_compare_exchange_n(&bucket->tags[way], &held, tag, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_RELAXED))
		__atomic_store_n(&bucket->tags[way], SLOT_EMPTY, __ATOMIC_RELEASE);
}

void blocks__forget_stacks(const struct blocks *b, blocks_wants_fn *wants, const void *context)
{
	size_t n = b->freed_fd < 0 ? 0 : bucket_count(b), i;
	unsigned int way;

	for (i = 0; i < n; i++)
		for (way = 0; way < SLOT_WAYS; way++)
			forget_stack(&b->buckets[i], way, wants, context);
}

/* --- one block --- */

/* The bucket of the block with @key, and its tag without a state; NULL: it is in none. */
static struct memleak_bucket *find_bucket(const struct blocks *b,
					  const struct memleak_block_key *key, uint64_t *tag)
{
	uint64_t address = SLOT_ADDRESS(key->addr, key->image);

	*tag = SLOT_TAG(address, 0);
	return b->buckets && !key->family ? &b->buckets[SLOT_BUCKET(address, b->bucket_bits)]
					  : NULL;
}

/* The tag of slot @way, if the block with the tag @block is in it, and live; 0: it is not. */
static uint64_t live_tag(const struct memleak_bucket *bucket, unsigned int way, uint64_t block)
{
	uint64_t tag = __atomic_load_n(&bucket->tags[way], __ATOMIC_ACQUIRE);

	return SLOT_IS_LIVE(tag) && !((tag ^ block) & ~SLOT_STATES) ? tag : 0;
}

/* The key of a deferrable block in the map; false: no block with @key is. */
static bool deferrable_key(const struct memleak_block_key *key, struct memleak_block_key *ret)
{
	*ret = *key;
	ret->family = MEMLEAK_KEY_DEFERRABLE;
	return !key->family;
}

int blocks__find(const struct blocks *b, const struct memleak_block_key *key,
		 struct memleak_block *ret)
{
	uint64_t tag;
	const struct memleak_bucket *bucket = find_bucket(b, key, &tag);
	struct memleak_block_key deferrable;
	struct memleak_slot slot;
	unsigned int way;

	for (way = 0; bucket && way < SLOT_WAYS; way++) {
		if (!live_tag(bucket, way, tag))
			continue;
		if (!read_slot(bucket, way, &slot) || slot.addr != key->addr ||
		    slot.image != key->image)
			continue;
		*ret = slot.block;
		return 0;
	}
	if (!bpf_map_lookup_elem(b->map_fd, key, ret))
		return 0;
	if (errno != ENOENT || !deferrable_key(key, &deferrable))
		return -errno;
	return bpf_map_lookup_elem(b->map_fd, &deferrable, ret) ? -errno : 0;
}

int blocks__drop(const struct blocks *b, const struct memleak_block_key *key)
{
	uint64_t tag, live;
	struct memleak_bucket *bucket = find_bucket(b, key, &tag);
	struct memleak_block_key deferrable;
	unsigned int way;

	for (way = 0; bucket && way < SLOT_WAYS; way++) {
		live = live_tag(bucket, way, tag);
		if (live && __atomic_compare_exchange_n(&bucket->tags[way], &live, SLOT_EMPTY,
							false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			return 0;
	}
	if (bpf_map_delete_elem(b->map_fd, key) &&
	    (errno != ENOENT || !deferrable_key(key, &deferrable) ||
	     bpf_map_delete_elem(b->map_fd, &deferrable)))
		return -errno;
	if (bucket)
		__atomic_fetch_sub(&bucket->elsewhere, 1, __ATOMIC_RELEASE);
	return 0;
}
