// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libFuzzer's entry to the table compiler. The first byte says what the rest is: an ELF image, or
 * the contents of a section of call frame information.
 *
 * What comes out must hold the invariants that the kernel side relies on.
 */
#include <elf.h>

#include "tests/fuzz/fuzz.h"
#include "unwind/cfi.h"
#include "unwind/table.h"

enum {
	KIND_IMAGE = 0x00,
	KIND_EH_FRAME = 0x01,
	KIND_EH_FRAME_UNSIZED = 0x02,
	KIND_DEBUG_FRAME = 0x03,
	KIND_MASK = 0x03,
	KIND_ARM64 = 0x04,
};

static void check_page(const struct unwind_table *t, size_t i, size_t nr_rules)
{
	const struct unwind_table_page *p = &t->pages[i];
	uint32_t j;

	if (!p->n) {
		REQUIRE(p->first < nr_rules);
		return;
	}
	REQUIRE(p->n <= UNWIND_PAGE_SIZE);
	REQUIRE((size_t)p->first + p->n <= t->nr_rows);
	REQUIRE(UNWIND_ROW_OFFSET(t->rows[p->first]) == 0);
	for (j = 0; j < p->n; j++) {
		uint32_t row = t->rows[p->first + j];
		uint64_t at = t->start + i * UNWIND_PAGE_SIZE + UNWIND_ROW_OFFSET(row);

		REQUIRE(UNWIND_ROW_OFFSET(row) < UNWIND_PAGE_SIZE);
		REQUIRE(UNWIND_ROW_RULE(row) < nr_rules);
		REQUIRE(!j ||
			UNWIND_ROW_OFFSET(row) > UNWIND_ROW_OFFSET(t->rows[p->first + j - 1]));
		REQUIRE(unwind_table__find(t, at) ==
			rule_set__rules(t->rules, &nr_rules) + UNWIND_ROW_RULE(row));
	}
}

static void check_placed(struct unwind_table *t)
{
	static struct unwind_shard shard;
	struct unwind_page *pages = calloc(t->nr_pages + 1, sizeof(*pages));
	struct rule_set *set;
	uint32_t used = UNWIND_SHARD_ROWS;
	size_t page = 0;

	REQUIRE(pages && !rule_set__create(&set) && !unwind_table__link(t, set));
	while (page < t->nr_pages) {
		size_t next = unwind_table__place(t, page, 1, shard.rows, &used, pages);

		REQUIRE(next > page || used > UNWIND_SHARD_ROWS - UNWIND_PAGE_SIZE);
		REQUIRE(used <= UNWIND_SHARD_ROWS);
		page = next;
		if (page < t->nr_pages)
			used = 0;
	}
	rule_set__destroy(set);
	free(pages);
}

static void check_table(struct unwind_table *t)
{
	size_t nr_rules, i;
	const struct unwind_rule *rules = rule_set__rules(t->rules, &nr_rules);

	REQUIRE(t->start % UNWIND_PAGE_SIZE == 0);
	for (i = 0; i < nr_rules; i++)
		REQUIRE(rules[i].cfa < UNWIND_CFAS && rules[i].fp < UNWIND_PLACES &&
			rules[i].ra < UNWIND_BELOW_RA);
	for (i = 0; i < t->nr_pages; i++)
		check_page(t, i, nr_rules);
	check_placed(t);
}

static void check_rows(const struct cfi_rows *rows)
{
	size_t i;

	for (i = 1; i < rows->v.count; i++)
		REQUIRE(rows->v.items[i - 1].offset < rows->v.items[i].offset &&
			rows->v.items[i - 1].rule != rows->v.items[i].rule);
}

static void fuzz_section(uint8_t kind, const uint8_t *data, size_t size)
{
	static const enum cfi_format formats[] = {
		[KIND_EH_FRAME] = CFI_EH_FRAME,
		[KIND_EH_FRAME_UNSIZED] = CFI_EH_FRAME_UNSIZED,
		[KIND_DEBUG_FRAME] = CFI_DEBUG_FRAME,
	};
	/* Functions of a section that was cut out of a file lie anywhere around it. */
	const struct elf_code code[] = {
		{.addr = 0, .offset = 0, .size = 1 << 30},
		{.addr = 1 << 30, .offset = 1 << 20, .size = 1ULL << 40},
	};
	struct cfi_input in = {
		.section = {.data = (uint8_t *)data, .size = size, .addr = 1 << 29},
		.format = formats[kind & KIND_MASK],
		.code = code,
		.nr_code = 2,
		.arch = kind & KIND_ARM64 ? &unwind_arch_arm64 : &unwind_arch_x86_64,
	};
	struct cfi_counts counts = {0};
	struct cfi_rows rows = {0}, merged = {0};
	struct rule_set *rules;

	REQUIRE(!rule_set__create(&rules));
	if (!cfi__rows(&in, rules, &counts, &rows)) {
		check_rows(&rows);
		REQUIRE(!cfi_rows__merge(&rows, &rows, &merged));
		REQUIRE(merged.v.count == rows.v.count);
	}
	cfi_rows__release(&rows);
	cfi_rows__release(&merged);
	rule_set__destroy(rules);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct unwind_table *t;

	if (size < 1)
		return 0;
	if (data[0] & KIND_MASK) {
		fuzz_section(data[0], data + 1, size - 1);
		return 0;
	}
	if (unwind_table__compile_image(data + 1, size - 1, &t))
		return 0;
	check_table(t);
	unwind_table__destroy(t);
	return 0;
}
