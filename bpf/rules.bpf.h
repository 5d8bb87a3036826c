/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MEMLEAK_BPF_RULES_BPF_H
#define MEMLEAK_BPF_RULES_BPF_H

/* Which rule holds at an address, by the table of the file that the code there is from. */

#include "bpf/walked.bpf.h"

/* The number of the rule at @offset of the mapped file; UNWIND_STEPPED or why there is none. */
static __always_inline enum unwind_result search_rule(struct walk *w, __u64 offset, __u32 *number)
{
	struct memleak_table *table;
	struct unwind_page *page;
	struct unwind_shard *shard;
	void *shard_map;
	__u64 index;
	__u32 key, zero = 0;

	key = w->mapping.file;
	table = bpf_map_lookup_elem(&tables, &key);
	if (!table || table->state < MEMLEAK_TABLE_LOADED) {
		announce_file(&w->mapping);
		return UNWIND_NO_TABLE;
	}
	if (table->state == MEMLEAK_TABLE_NO_ROOM)
		return UNWIND_NO_ROOM;
	index = unwind_page_index(offset, table->start);
	if (index >= table->nr_pages)
		return UNWIND_NO_ROW;
	key = table->first_page + index;
	page = bpf_map_lookup_elem(&pages, &key);
	if (!page)
		return UNWIND_NO_ROW;
	*number = page->first;
	if (page->n) {
		key = page->shard;
		shard_map = bpf_map_lookup_elem(&shards, &key);
		if (!shard_map)
			return UNWIND_NO_ROW;
		shard = bpf_map_lookup_elem(shard_map, &zero);
		if (!shard)
			return UNWIND_NO_ROW;
		*number = unwind_search(shard, *page, offset);
	}
	return UNWIND_STEPPED;
}

/*
 * Rules that were found, by a hash of where: the search is the dearest part of a step. A table
 * stays as it is once it is loaded, and so does what is here. Each has two places, or two frames of
 * a stack that share one would be searched for at every walk: who comes later takes the first and
 * moves what was there to the second. One word each, or one thread could read what another has
 * written half: 16 bits of the file's number and 32 of the offset in it; then 16 of a plain step,
 * or of the rule's number if that is below those. 0: none, since no file has that number.
 */
#define FOUND_RULES_BITS 12
__u64 found_rules[1 << FOUND_RULES_BITS] __weak = {};

/* An address as found_rules has it. */
struct place {
	__u64 offset; /* in the file */
	__u64 where;  /* what the word says of it */
	__u64 *first, *second;
};

static __always_inline struct place place_of(struct walk *w, __u64 pc)
{
	struct place at = {.offset = pc - w->mapping.start + w->mapping.offset};
	__u64 i;

	at.where = (__u64)w->mapping.file << 32 | (__u32)at.offset;
	i = at.where * 0x9e3779b97f4a7c15ULL >> (64 - FOUND_RULES_BITS);
	at.first = &found_rules[i];
	at.second = &found_rules[i ^ 1];
	return at;
}

/* What is known of the place: a plain step or the number of a rule; false if nothing is. */
static __always_inline bool is_known(struct place at, __u32 *ret)
{
	__u64 word = *(volatile __u64 *)at.first;

	if (word >> 16 != at.where)
		word = *(volatile __u64 *)at.second;
	*ret = (__u16)word;
	return word >> 16 == at.where && !(at.offset >> 32);
}

/* A plain step or the number of a rule is found there. */
static __always_inline void remember_rule(struct place at, __u32 what)
{
	__u64 word = *(volatile __u64 *)at.first;

	if (at.offset >> 32)
		return;
	if (word >> 16 != at.where)
		*(volatile __u64 *)at.second = word;
	*(volatile __u64 *)at.first = at.where << 16 | what;
}

/* The plain step from @pc; 0: there is none, or it is not known. */
static __always_inline __u32 find_step(struct walk *w, __u64 pc)
{
	__u32 step;

	return is_known(place_of(w, pc), &step) && step >= UNWIND_PLAIN ? step : 0;
}

/* The rule at @pc into *@rule, and w->plain; what to say if it leads nowhere. */
static __always_inline enum unwind_result find_rule(struct walk *w, __u64 pc,
						    struct unwind_rule *rule)
{
	struct place at = place_of(w, pc);
	struct unwind_rule *found;
	enum unwind_result result;
	__u32 number;
	bool known;

	w->plain = 0;
	if (!w->mapping.file)
		return UNWIND_NO_ROW;
	known = is_known(at, &number) && number < UNWIND_PLAIN;
	if (!known) {
		result = search_rule(w, at.offset, &number);
		if (result != UNWIND_STEPPED)
			return result;
	}
	found = bpf_map_lookup_elem(&rules, &number);
	if (!found)
		return UNWIND_NO_ROW;
	*rule = *found;
	w->plain = unwind_plain(rule);
	if (!known && (w->plain || number < UNWIND_PLAIN))
		remember_rule(at, w->plain ? w->plain : number);
	return UNWIND_NO_ROW;
}

#endif
