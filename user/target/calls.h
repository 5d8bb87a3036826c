/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_TARGET_CALLS_H
#define MEMLEAK_TARGET_CALLS_H

/*
 * Where the calls and jumps of an object's code lead, and where its functions return.
 *
 * A return probe replaces a return address, and an exception that is thrown through it finds
 * nobody: the C++ runtime ends the program. Functions that may throw are therefore probed at their
 * return instructions. Those are found by following the code from the function's first instruction
 * over all jumps, also into other functions: a tail call returns to the caller from there.
 */

#include <libelf.h>
#include <stdbool.h>
#include <stdint.h>

#include "target/object.h"
#include "util/vector.h"

/* A slot of the global offset table, filled by the dynamic loader. */
struct calls_slot {
	uint64_t vaddr;	 /* of the slot */
	uint64_t target; /* vaddr of the function, if this object defines it; 0: another one does */
	const char *name; /* of the function, in the ELF file's memory; never NULL */
	bool probed;	  /* it has a return probe, which sees its returns to whoever */
};

struct calls {
	const struct object *object;
	VECTOR(struct calls_slot) slots; /* by vaddr */
	VECTOR(uint64_t) noreturns;	 /* functions of this object that never return */
};

/*
 * Read the slots of @o, open as @elf; both are borrowed for as long as the result is used. It
 * belongs to the caller also on failure: release it with calls__release. 0 or -ENOMEM.
 */
int calls__read(const struct object *o, Elf *elf, struct calls *ret);
void calls__release(struct calls *c);

/* Mark the slots whose names @is_probed holds true: a jump to one of these ends a search. */
void calls__mark(struct calls *c, bool (*is_probed)(void *context, const char *name),
		 void *context);

/* The slot through which the entry at @vaddr of a procedure linkage table jumps; NULL where there
 * is no such entry. */
const struct calls_slot *calls__stub(const struct calls *c, uint64_t vaddr);

/* The slot at @vaddr; NULL where there is none. */
const struct calls_slot *calls__slot(const struct calls *c, uint64_t vaddr);

typedef VECTOR(uint64_t) calls_returns;

/*
 * Append to @ret the file offsets of all instructions by which the function at @vaddr, of @size
 * bytes (0: unknown), returns to its caller. A computed jump in it (a switch) is taken to lead to
 * anywhere in it. 0, -ENOMEM, or -ENOTSUP where they cannot be known: a jump out of the object, a
 * computed one in another function; then nothing is appended.
 */
int calls__find_returns(const struct calls *c, uint64_t vaddr, uint64_t size, calls_returns *ret);

#endif
