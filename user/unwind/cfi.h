/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_UNWIND_CFI_H
#define MEMLEAK_UNWIND_CFI_H

/*
 * Call frame information (DWARF 5, 6.4; .eh_frame: LSB 5.0 Core, 10.6) to rows: from which place in
 * the file on which rule holds.
 *
 * Terms. A *CIE* holds what many functions share, an *FDE* describes one function; the *program* of
 * an FDE is a list of instructions that make rows of the first one, which the CIE's program makes.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "unwind/arch.h"
#include "unwind/cursor.h"
#include "unwind/elf_image.h"
#include "unwind/rules.h"
#include "util/vector.h"

/* Limits on what one section makes; Chromium, the largest known, stays below a third of them. */
#define CFI_MAX_CIES (1UL << 18)
#define CFI_MAX_FDES (1UL << 21)
#define CFI_MAX_ROWS (1UL << 24)

struct cfi_row {
	uint64_t offset : 48; /* in the file: below ELF_OFFSET_LIMIT */
	uint64_t rule : 16;   /* of the rule set; holds until the next row */
};

/*
 * Sorted by offset, no two at the same, neighbours with different rules. After the last one, and
 * before the first, there is no rule.
 */
struct cfi_rows {
	VECTOR(struct cfi_row) v;
};

static inline void cfi_rows__release(struct cfi_rows *r)
{
	vector_release(&r->v);
}

enum cfi_format {
	CFI_EH_FRAME,
	CFI_EH_FRAME_UNSIZED, /* .eh_frame up to its terminator: where it ends is not known */
	CFI_DEBUG_FRAME,
};

struct cfi_input {
	struct elf_bytes section;
	enum cfi_format format;
	const struct elf_code *code; /* what is not in it makes no rows */
	size_t nr_code;
	const struct unwind_arch *arch;
};

struct cfi_counts {
	uint64_t fdes; /* with code */
	uint64_t bad;  /* entries that are damaged: their rows end with an invalid one, or are
			  missing */
};

/*
 * Make the rows of a section, adding to @rules; *@counts grows. Where FDEs overlap, the one that
 * begins later holds until its end; a function's end begins a gap (UNWIND_RULE_GAP) unless another
 * begins there. 0, -ENOMEM, -EFBIG (a limit).
 */
int cfi__rows(const struct cfi_input *in, struct rule_set *rules, struct cfi_counts *counts,
	      struct cfi_rows *ret);

/* All rows of @first, and in its gaps those of @second. 0, -ENOMEM. */
int cfi_rows__merge(const struct cfi_rows *first, const struct cfi_rows *second,
		    struct cfi_rows *ret);

/*
 * Where .eh_frame is, by the contents of PT_GNU_EH_FRAME (LSB 5.0 Core, 10.6.2); false where they
 * are damaged.
 */
bool cfi__find_eh_frame(const struct elf_bytes *hdr, uint64_t *addr);

/*
 * Read a pointer (LSB 5.0 Core, 10.5.1) of the encoding DW_EH_PE_*, whose first byte has address
 * @addr. The cursor turns bad on an encoding that these sections cannot use: indirect, relative to
 * anything but the place itself, aligned, omitted.
 */
uint64_t cfi__pointer(struct cursor *c, uint8_t encoding, uint64_t addr);

#endif
