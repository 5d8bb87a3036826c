/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_UNWIND_CFI_PROGRAM_H
#define MEMLEAK_UNWIND_CFI_PROGRAM_H

/*
 * Running the instructions of a CIE or an FDE (DWARF 5, 6.4.2). Only what a walk follows is kept:
 * the CFA, the frame pointer and the return address.
 */

#include <stdbool.h>
#include <stdint.h>

#include "unwind/arch.h"
#include "unwind/cursor.h"

/* How a value is found; "register" is any that the machine has. */
enum cfi_kind {
	CFI_UNSPECIFIED, /* no instruction named it */
	CFI_UNDEFINED,
	CFI_SAME,
	CFI_AT_CFA,	 /* *(CFA + offset) */
	CFI_IS_CFA,	 /* CFA + offset */
	CFI_REGISTER,	 /* register + offset */
	CFI_AT_REGISTER, /* *(register + offset) + addend */
	CFI_PLT,	 /* register + offset, + 8 where (ip & 15) >= addend */
	CFI_OTHER,	 /* an expression of another shape */
};

struct cfi_value {
	uint8_t kind;	/* enum cfi_kind */
	uint8_t addend; /* of AT_REGISTER and PLT alone */
	uint16_t reg;	/* DWARF number; UINT16_MAX stands for all that are larger */
	int64_t offset;
};

struct cfi_state {
	struct cfi_value cfa, fp, ra;
};

struct cfi_cie {
	uint64_t at; /* of the entry in its section */
	uint64_t code_align;
	int64_t data_align;
	uint16_t ra; /* column of the return address */
	uint8_t encoding;
	bool has_augmentation; /* FDEs begin with the length of their augmentation data */
	bool is_signal;
	bool bad;
	struct cfi_state initial; /* the first row of its FDEs */
};

/* A program, its place and what it runs on. */
struct cfi_program {
	const struct unwind_arch *arch;
	const struct cfi_cie *cie;
	struct cursor code;
	uint64_t code_addr; /* address of code.at */
	uint64_t addr, end; /* of the function */
};

/* Called for each row that differs from the one before it: @state holds from @addr on. 0 to go on.
 */
typedef int cfi_row_fn(void *ctx, uint64_t addr, const struct cfi_state *state);

/*
 * Run the program of an FDE. 0; -EINVAL: damaged, rows up to *@bad were given; else what the
 * function gave.
 */
int cfi_program__run(const struct cfi_program *p, cfi_row_fn *row, void *ctx, uint64_t *bad);

/* Run the program of a CIE: what all rows of its FDEs begin with. False where it is damaged. */
bool cfi_program__initial(const struct cfi_program *p, struct cfi_state *ret);

/* The rule for a row of a function that @cie describes. */
struct unwind_rule cfi_state__rule(const struct cfi_state *s, const struct unwind_arch *arch,
				   const struct cfi_cie *cie);

/* The value of an expression, recognised by its shape (DWARF 5, 2.5); its kind may be CFI_OTHER. */
struct cfi_value cfi_expression__value(struct cursor code);

#endif
