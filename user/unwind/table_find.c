// SPDX-License-Identifier: GPL-2.0-or-later
#include "unwind/table.h"

#include "bpf/unwind.bpf.h"

/* Searching reads no memory of anybody's. */
static __always_inline int unwind_read(void *ctx, void *to, __u32 size, __u64 addr)
{
	(void)ctx, (void)to, (void)size, (void)addr;
	return -1;
}

const struct unwind_rule *unwind_table__find(const struct unwind_table *t, uint64_t offset)
{
	uint64_t index = unwind_page_index(offset, t->start);
	const struct unwind_table_page *page;
	const struct unwind_shard *run;
	size_t nr;
	const struct unwind_rule *rules = rule_set__rules(t->rules, &nr);

	if (index >= t->nr_pages)
		return &rules[UNWIND_RULE_GAP];
	page = &t->pages[index];
	if (!page->n)
		return &rules[page->first];
	/* The page's run as if it were the beginning of a shard: the search stays in the run. */
	run = (const struct unwind_shard *)(t->rows + page->first);
	return &rules[unwind_search(run, (struct unwind_page){.n = page->n}, offset)];
}
