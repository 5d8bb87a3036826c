/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_TARGET_PLACEMENT_H
#define MEMLEAK_TARGET_PLACEMENT_H

/*
 * Where in a function a uprobe's trap is cheapest.
 *
 * The kernel replaces the probed instruction by a breakpoint and then either emulates it or runs a
 * copy in single step, which costs three to four times as much. So the probe is put behind leading
 * instructions that leave alone what a probe looks at (argument registers, stack pointer, memory),
 * on the first one that is emulated. To be hit exactly once a call, it must not be reached from
 * within the function: where a jump leads back to behind the function's first byte, the probe stays
 * in front of its target; where that cannot be known, it stays at the first byte.
 *
 * A few instructions are refused by the kernel: one of them fails a whole multi link where the file
 * is mapped, and never fires where it was not mapped yet.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "target/object.h"

/* What the kernel does for the instruction; the cheaper the lower. */
enum placement_cost {
	PLACEMENT_OPTIMISED_NOP, /* the breakpoint becomes a call */
	PLACEMENT_EMULATED,
	PLACEMENT_SINGLE_STEPPED,
	PLACEMENT_REFUSED, /* not to be probed */
};

/* No more instructions than these are stepped over. */
#define PLACEMENT_STEPS 8

struct placement {
	uint64_t offset; /* in the file; where refused, the function's */
	enum placement_cost cost;
	const char *instruction;	   /* its name, static */
	const char *over[PLACEMENT_STEPS]; /* of the stepped over, static */
	unsigned int nr_over;
};

/* What the kernel does for x86's nops. */
enum placement_nops {
	PLACEMENT_NOPS_OLD, /* it emulates 0x90 alone */
	PLACEMENT_NOPS_5,   /* it emulates all, and replaces those of 5 bytes by a call: Linux 6.18,
			       "uprobes/x86: Add support to optimize uprobes" */
	PLACEMENT_NOPS_10, /* it replaces those of 10 bytes instead, so that the call leaves the red
			      zone alone: Linux 7.2, "Move optimized uprobe from nop5 to nop10" */
};

/* A function's code. */
struct placement_code {
	uint16_t machine; /* e_machine */
	const unsigned char *bytes;
	size_t n;	 /* bytes there are */
	uint64_t size;	 /* of the function; 0 where unknown: then nothing is stepped over */
	uint64_t offset; /* of the function in the file */
	enum placement_nops nops;
};

/* Choose by the bytes alone. A machine that is not known gives the function's first byte. */
void placement__choose_bytes(const struct placement_code *code, struct placement *ret);

/*
 * Choose for the function at @offset in the file of @o. @size is that of its symbol, 0 where
 * unknown;
 * @nops as above. 0 and *@ret, or -errno where the code cannot be read.
 */
int placement__choose(const struct object *o, uint64_t offset, uint64_t size,
		      enum placement_nops nops, struct placement *ret);

/* Which of them this kernel is, seen by the system call that came with them. */
enum placement_nops placement__nops(void);

/* Where execution goes on behind an instruction. */
enum placement_flow {
	PLACEMENT_FLOW_NEXT,	  /* to the next one; also behind calls through registers */
	PLACEMENT_FLOW_CALL,	  /* to the next one, once the function at `target` has returned */
	PLACEMENT_FLOW_CALL_SLOT, /* the same; the function's address is in memory at `target` */
	PLACEMENT_FLOW_BRANCH,	  /* to the next one, or to `target` */
	PLACEMENT_FLOW_JUMP,	  /* to `target` */
	PLACEMENT_FLOW_JUMP_SLOT, /* to the address in memory at `target` */
	PLACEMENT_FLOW_COMPUTED,  /* it cannot be known */
	PLACEMENT_FLOW_RETURN,
	PLACEMENT_FLOW_END, /* nowhere */
};

struct placement_step {
	unsigned int length;
	enum placement_flow flow;
	int64_t target; /* relative to the instruction */
};

/* Decode the instruction at @bytes, of which @n can be read; false where it is not known. */
bool placement__step(uint16_t machine, const unsigned char *bytes, size_t n,
		     struct placement_step *ret);

/* Write "+3 (stepped over test; je, emulated)" for a function at @start; what does not fit in the
 * @n bytes of @buf is cut off. */
void placement__describe(const struct placement *p, uint64_t start, char *buf, size_t n);

#endif
