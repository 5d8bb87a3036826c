/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_UNWIND_TABLE_H
#define MEMLEAK_UNWIND_TABLE_H

/*
 * The unwind table of one file, as the kernel side searches it (bpf/unwind.h): from an ELF file to
 * plain data, and from there into the maps.
 *
 * A loader does this with a file:
 *
 *   unwind_table__compile(fd, -1, &t);
 *   unwind_table__link(t, rules);          then copy the new rules of the set to the kernel
 *   for (page = 0; page < t->nr_pages;) {
 *           (take a shard with room, or a new one)
 *           page = unwind_table__place(t, page, shard, mapped, &used, pages);
 *   }                                      then copy pages[] to t->nr_pages slots in a row
 *   (publish {t->start, t->nr_pages, first slot} in the file's entry, last)
 *   unwind_table__destroy(t);
 *
 * Everything read from the file is hostile: the compiler bounds every read, its memory and its time
 * by the sizes of the sections that it reads, and those by limits of its own. It keeps no state.
 */

#include <stddef.h>
#include <stdint.h>

#include "bpf/unwind.h"
#include "unwind/rules.h"

/* What was found; a report of the tool shows it with -v. */
struct unwind_stats {
	uint64_t fdes;		      /* functions described */
	uint64_t bad_fdes;	      /* damaged: invalid from there to the function's end */
	uint64_t rows;		      /* places where a rule changes */
	uint64_t by_cfa[UNWIND_CFAS]; /* the same, by kind of rule */
	uint64_t lost_fp;	      /* rows whose frame pointer is lost */
	uint64_t lost_ra;	      /* rows whose return address is lost */
	uint64_t overflow;	      /* rows whose rule found no room in the table: invalid */
};

/* A page's rows are rows[first .. first + n - 1]; n = 0: `first` is the rule of the whole page. */
struct unwind_table_page {
	uint32_t first;
	uint32_t n;
};

/* 1 GiB of text, from the first described function to the last. */
#define UNWIND_TABLE_MAX_PAGES (1UL << 21)

struct unwind_table {
	uint64_t start; /* file offset of the first page, a multiple of UNWIND_PAGE_SIZE */
	struct unwind_table_page *pages;
	size_t nr_pages;
	uint32_t *rows; /* UNWIND_ROW */
	size_t nr_rows;
	struct rule_set *rules; /* the file's own; what rows name until unwind_table__link() */
	struct unwind_stats stats;
};

/*
 * Compile the file behind @fd (an x86-64 or arm64 ELF file, open for reading). @debug_fd is a
 * separate debug file, whose .debug_frame fills gaps, or -1. Both stay the caller's.
 *
 * A file without CFI gives a table without pages. 0, -ENOMEM, -ENOEXEC (not an ELF file of these
 * machines, or its headers are damaged), -EFBIG (beyond the compiler's limits), -errno of a read.
 */
int unwind_table__compile(int fd, int debug_fd, struct unwind_table **ret);

/* The same from @size bytes of memory that hold a whole ELF file, such as the vDSO. */
int unwind_table__compile_image(const void *image, size_t size, struct unwind_table **ret);

void unwind_table__destroy(struct unwind_table *t);

/*
 * Make the rows name the rules of @set, which are added to it where they are new. Once a table. 0
 * or -ENOMEM with the table unchanged.
 */
int unwind_table__link(struct unwind_table *t, struct rule_set *set);

/*
 * Copy pages from number @page on, with their rows, for as long as the rows fit behind the first
 * *@used ones of a shard. Gives the number of the first page that was not placed: nr_pages when
 * done, @page itself where the shard has no room for one more. No page needs more than
 * UNWIND_PAGE_SIZE rows. *@used grows by what was copied.
 *
 * @shard is what the page names the shard by, @rows the UNWIND_SHARD_ROWS of its memory, @pages the
 * table's own nr_pages slots, of which those placed are filled.
 */
size_t unwind_table__place(const struct unwind_table *t, size_t page, uint32_t shard,
			   uint32_t *rows, uint32_t *used, struct unwind_page *pages);

/*
 * The rule that holds at file offset @offset, by the search that the kernel side does. Not after
 * unwind_table__link().
 */
const struct unwind_rule *unwind_table__find(const struct unwind_table *t, uint64_t offset);

#endif
