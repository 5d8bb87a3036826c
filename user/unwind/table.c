// SPDX-License-Identifier: GPL-2.0-or-later
#include "unwind/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "unwind/arch.h"
#include "unwind/cfi.h"
#include "unwind/elf_image.h"
#include "util/cleanup.h"

static void cleanup_image(struct elf_image **e)
{
	elf_image__destroy(*e);
}

static void cleanup_table(struct unwind_table **t)
{
	unwind_table__destroy(*t);
}

/* --- the sections of a file --- */

/* What the sections of one file, and of its debug file, are compiled with. */
struct compiler {
	struct cfi_input in;
	struct unwind_table *table;
	struct cfi_counts counts;
	struct cfi_rows rows;
};

static void compiler__release(struct compiler *c)
{
	cfi_rows__release(&c->rows);
}

/* Errors that say that this section cannot be used, not that the work must end. */
static bool is_about_section(int err)
{
	return err == -ENOENT || err == -ENODATA || err == -ENOEXEC || err == -ENOTSUP ||
	       err == -EFBIG;
}

static int read_eh_frame(const struct elf_image *e, struct elf_bytes *section,
			 enum cfi_format *format)
{
	struct elf_bytes hdr CLEANUP(elf_bytes__release) = {0};
	uint64_t addr;
	int err = elf_image__section(e, ".eh_frame", section);

	*format = CFI_EH_FRAME;
	if (!is_about_section(err) || err == -ENODATA)
		return err;
	/* No section headers, or damaged ones; the program headers must be right, or nothing runs.
	 */
	err = elf_image__eh_frame_hdr(e, &hdr);
	if (err)
		return err;
	if (!cfi__find_eh_frame(&hdr, &addr))
		return -ENOEXEC;
	*format = CFI_EH_FRAME_UNSIZED;
	return elf_image__from_address(e, addr, section);
}

static int read_section(const struct elf_image *e, enum cfi_format *format,
			struct elf_bytes *section)
{
	if (*format == CFI_EH_FRAME)
		return read_eh_frame(e, section, format);
	return elf_image__section(e, ".debug_frame", section);
}

/* Fill the gaps of the rows so far from the section of @e that has the format. */
static int add_section(struct compiler *c, const struct elf_image *e, enum cfi_format format)
{
	struct elf_bytes section CLEANUP(elf_bytes__release) = {0};
	struct cfi_rows more CLEANUP(cfi_rows__release) = {0};
	struct cfi_rows merged = {0};
	int err = read_section(e, &format, &section);

	if (err)
		return is_about_section(err) ? 0 : err;
	c->in.section = section;
	c->in.format = format;
	err = cfi__rows(&c->in, c->table->rules, &c->counts, &more);
	if (err)
		return err;
	if (c->rows.v.count) {
		err = cfi_rows__merge(&c->rows, &more, &merged);
		if (err)
			return err;
	} else {
		merged = more;
		more = (struct cfi_rows){0};
	}
	cfi_rows__release(&c->rows);
	c->rows = merged;
	return 0;
}

static int add_debug_file(struct compiler *c, int fd)
{
	struct elf_image *e CLEANUP(cleanup_image) = NULL;
	int err = elf_image__create(fd, NULL, 0, &e);

	if (err)
		return is_about_section(err) ? 0 : err;
	if (elf_image__machine(e) != c->in.arch->machine)
		return 0;
	return add_section(c, e, CFI_DEBUG_FRAME);
}

/* --- rows to pages --- */

static void count_row(struct unwind_table *t, const struct unwind_rule *rule)
{
	t->stats.rows++;
	t->stats.by_cfa[rule->cfa]++;
	if (rule->cfa < UNWIND_CFA_SP)
		return;
	t->stats.lost_fp += rule->fp == UNWIND_LOST;
	t->stats.lost_ra += rule->ra == UNWIND_LOST;
}

static void count_rows(struct unwind_table *t, const struct cfi_rows *rows)
{
	size_t nr, i;
	const struct unwind_rule *rules = rule_set__rules(t->rules, &nr);

	for (i = 0; i < rows->v.count; i++)
		count_row(t, &rules[rows->v.items[i].rule]);
	t->stats.overflow = rule_set__overflows(t->rules);
}

/* The rows of one page: *@rule holds at its beginning and, changed, at its end. */
static void fill_page(struct unwind_table *t, struct unwind_table_page *page, uint64_t start,
		      const struct cfi_row **row, const struct cfi_row *end, uint32_t *rule)
{
	if (*row < end && (*row)->offset == start)
		*rule = (*row)++->rule;
	if (*row == end || (*row)->offset >= start + UNWIND_PAGE_SIZE) {
		*page = (struct unwind_table_page){.first = *rule};
		return;
	}
	page->first = t->nr_rows;
	t->rows[t->nr_rows++] = UNWIND_ROW(0, *rule);
	while (*row < end && (*row)->offset < start + UNWIND_PAGE_SIZE) {
		*rule = (*row)->rule;
		t->rows[t->nr_rows++] = UNWIND_ROW((*row)->offset - start, *rule);
		(*row)++;
	}
	page->n = t->nr_rows - page->first;
}

static int fill_table(struct unwind_table *t, const struct cfi_rows *rows)
{
	const struct cfi_row *row = rows->v.items, *end;
	uint32_t rule = UNWIND_RULE_GAP;
	uint64_t nr_pages, i;

	if (!rows->v.count)
		return 0;
	end = row + rows->v.count;
	t->start = row->offset & -(uint64_t)UNWIND_PAGE_SIZE;
	/* The last row begins a gap, which needs no page of its own. */
	nr_pages = (end[-1].offset - t->start + UNWIND_PAGE_SIZE - 1) >> UNWIND_PAGE_SHIFT;
	if (nr_pages > UNWIND_TABLE_MAX_PAGES)
		return -EFBIG;
	t->pages = calloc(nr_pages, sizeof(*t->pages));
	/* Each page repeats at most one row of those before it. */
	t->rows = calloc(rows->v.count + nr_pages, sizeof(*t->rows));
	if (!t->pages || !t->rows)
		return -ENOMEM;
	t->nr_pages = nr_pages;
	for (i = 0; i < nr_pages; i++)
		fill_page(t, &t->pages[i], t->start + (i << UNWIND_PAGE_SHIFT), &row, end, &rule);
	return 0;
}

/* --- the table --- */

static int compile(const struct elf_image *e, int debug_fd, struct unwind_table **ret)
{
	struct unwind_table *t CLEANUP(cleanup_table) = calloc(1, sizeof(*t));
	struct compiler c CLEANUP(compiler__release) = {.table = t};
	int err;

	if (!t)
		return -ENOMEM;
	c.in.arch = unwind_arch__find(elf_image__machine(e));
	if (!c.in.arch)
		return -ENOEXEC;
	c.in.code = elf_image__code(e, &c.in.nr_code);
	err = rule_set__create(&t->rules);
	if (!err)
		err = add_section(&c, e, CFI_EH_FRAME);
	if (!err)
		err = add_section(&c, e, CFI_DEBUG_FRAME);
	if (!err && debug_fd >= 0)
		err = add_debug_file(&c, debug_fd);
	if (!err)
		err = fill_table(t, &c.rows);
	if (err)
		return err;
	t->stats.fdes = c.counts.fdes;
	t->stats.bad_fdes = c.counts.bad;
	count_rows(t, &c.rows);
	*ret = TAKE_PTR(t);
	return 0;
}

int unwind_table__compile(int fd, int debug_fd, struct unwind_table **ret)
{
	struct elf_image *e CLEANUP(cleanup_image) = NULL;
	int err = elf_image__create(fd, NULL, 0, &e);

	return err ? err : compile(e, debug_fd, ret);
}

int unwind_table__compile_image(const void *image, size_t size, struct unwind_table **ret)
{
	struct elf_image *e CLEANUP(cleanup_image) = NULL;
	int err = elf_image__create(-1, image, size, &e);

	return err ? err : compile(e, -1, ret);
}

void unwind_table__destroy(struct unwind_table *t)
{
	if (!t)
		return;
	rule_set__destroy(t->rules);
	free(t->pages);
	free(t->rows);
	free(t);
}

int unwind_table__link(struct unwind_table *t, struct rule_set *set)
{
	size_t nr, i;
	const struct unwind_rule *rules = rule_set__rules(t->rules, &nr);
	uint16_t *numbers CLEANUP_FREE = calloc(nr, sizeof(*numbers));

	if (!numbers)
		return -ENOMEM;
	for (i = 0; i < nr; i++)
		numbers[i] = rule_set__index(set, &rules[i]);
	for (i = 0; i < t->nr_rows; i++)
		t->rows[i] = UNWIND_ROW(UNWIND_ROW_OFFSET(t->rows[i]),
					numbers[UNWIND_ROW_RULE(t->rows[i])]);
	for (i = 0; i < t->nr_pages; i++)
		if (!t->pages[i].n)
			t->pages[i].first = numbers[t->pages[i].first];
	return 0;
}

size_t unwind_table__place(const struct unwind_table *t, size_t page, uint32_t shard,
			   uint32_t *rows, uint32_t *used, struct unwind_page *pages)
{
	for (; page < t->nr_pages; page++) {
		const struct unwind_table_page *p = &t->pages[page];

		if (!p->n) {
			pages[page] = (struct unwind_page){.first = p->first};
			continue;
		}
		if (p->n > UNWIND_SHARD_ROWS - *used)
			break;
		memcpy(rows + *used, t->rows + p->first, p->n * sizeof(*rows));
		pages[page] = (struct unwind_page){.shard = shard, .first = *used, .n = p->n};
		*used += p->n;
	}
	return page;
}
