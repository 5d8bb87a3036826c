/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MEMLEAK_BPF_UNWIND_H
#define MEMLEAK_BPF_UNWIND_H

/*
 * Unwind tables as the kernel side searches them, and what one step of a walk says.
 *
 * Terms. The *CFA* (canonical frame address) is the value that the stack pointer has in the caller
 * after the return. A *row* says that from a place in a file on, until the next row, one rule
 * holds. A *rule* tells from the registers of a frame those of its caller. A *gap* is a stretch of
 * a file that no row describes.
 *
 * Places in a file are file offsets, which the kernel has at hand (vm_pgoff, vm_start), never
 * addresses. Text is cut into pages of UNWIND_PAGE_SIZE bytes:
 *
 *   file    start, nr_pages, first page number      kept with the file's entry
 *     |
 *   page    {shard, first, n}                       one array for all files
 *     |
 *   shard   u32 rows[65536]                         many files' rows, 256 KiB each
 *     |
 *   rule    16 bytes                                one array for all files
 *
 * Invariants, which the table compiler holds:
 *  - the rows of a page lie in one shard, in a run: rows[first .. first + n - 1];
 *  - they are sorted, no two at the same place: at most UNWIND_PAGE_SIZE;
 *  - the first one is at the page's first byte, so that every search ends at a row;
 *  - a page with n = 0 has one rule for all of its text, whose number is `first`; a page of zeroes
 *    is therefore a gap.
 */

#ifdef __bpf__
#include "vmlinux/vmlinux.h"
#else
#include <assert.h>
#include <linux/types.h>
#endif

#define UNWIND_PAGE_SHIFT 9
#define UNWIND_PAGE_SIZE  (1 << UNWIND_PAGE_SHIFT)

#define UNWIND_SHARD_ROWS 65536

/* A row: the offset in its page above, the number of the rule below; rows compare as numbers. */
#define UNWIND_ROW(offset, rule) ((__u32)(offset) << 16 | (__u16)(rule))
#define UNWIND_ROW_OFFSET(row)	 ((row) >> 16)
#define UNWIND_ROW_RULE(row)	 ((__u16)(row))

struct unwind_page {
	__u32 shard;
	__u16 first;
	__u16 n;
};

/* The value of a shard's only element. */
struct unwind_shard {
	__u32 rows[UNWIND_SHARD_ROWS];
};

/* How the CFA is found, or why it is not. */
enum unwind_cfa {
	UNWIND_CFA_GAP,	     /* no row: hand-written code without CFI, data */
	UNWIND_CFA_INVALID,  /* damaged, or an expression that has no rule here */
	UNWIND_CFA_STOP,     /* the outermost frame: its return address is undefined */
	UNWIND_CFA_REGISTER, /* counts from a register that the walk does not follow */
	UNWIND_CFA_SP,	     /* sp + cfa_offset */
	UNWIND_CFA_FP,	     /* fp + cfa_offset */
	UNWIND_CFA_PLT,	     /* sp + cfa_offset, + 8 where (ip & 15) >= addend */
	UNWIND_CFA_DEREF_SP, /* *(sp + cfa_offset) + addend */
	UNWIND_CFA_DEREF_FP, /* *(fp + cfa_offset) + addend */
	UNWIND_CFA_SIGNAL,   /* as DEREF_SP; the caller was interrupted by a signal */
	UNWIND_CFAS
};

/* Where the caller's frame pointer (rbp, x29) or the return address is. */
enum unwind_place {
	UNWIND_LOST,	 /* nowhere, or in a register that the walk does not follow */
	UNWIND_SAME,	 /* in its register still: rbp, x29, x30 */
	UNWIND_AT_CFA,	 /* *(CFA + offset) */
	UNWIND_AT_SP,	 /* *(sp + offset), sp of the frame itself */
	UNWIND_AT_FP,	 /* *(fp + offset), fp of the frame itself */
	UNWIND_BELOW_RA, /* the word below the return address; frame pointer only */
	UNWIND_IS_CFA,	 /* CFA + offset itself; frame pointer only */
	UNWIND_PLACES
};

struct unwind_rule {
	__u8 cfa; /* enum unwind_cfa */
	__u8 fp;  /* enum unwind_place */
	__u8 ra;  /* enum unwind_place */
	__u8 addend;
	__s32 cfa_offset;
	__s32 fp_offset;
	__s32 ra_offset;
};

/* Rules whose numbers are fixed; they have no offsets. */
#define UNWIND_RULE_GAP	    0
#define UNWIND_RULE_INVALID 1
#define UNWIND_RULE_STOP    2
#define UNWIND_RULES_FIXED  3
#define UNWIND_MAX_RULES    65536

/* What a step or a walk ends with; a counter each. */
enum unwind_result {
	UNWIND_STEPPED, /* the registers are the caller's */

	/* the whole stack was walked */
	UNWIND_COMPLETE,      /* CFI says so */
	UNWIND_COMPLETE_ZERO, /* return address 0, with which many start a thread's stack */

	/* it was not */
	UNWIND_TRUNCATED,      /* deeper than the walk goes */
	UNWIND_NO_MAPPING,     /* the address is in no mapping, or in one without code */
	UNWIND_MAPPING_BUSY,   /* the address space was being changed, time and again */
	UNWIND_NO_TABLE,       /* no table of the file yet, and frame pointers did not help */
	UNWIND_NO_ROOM,	       /* there was no memory for the file's table; as above */
	UNWIND_NO_ROW,	       /* a gap, JIT code, and frame pointers did not help */
	UNWIND_RULE_UNUSABLE,  /* UNWIND_CFA_INVALID */
	UNWIND_OTHER_REGISTER, /* UNWIND_CFA_REGISTER */
	UNWIND_FP_LOST,	       /* needs the frame pointer, which is not known any more */
	UNWIND_RA_LOST,	       /* the return address is in a register that is gone */
	UNWIND_UNREADABLE,     /* the stack could not be read */
	UNWIND_BAD_CFA,	       /* misaligned, or not above the frame */
	UNWIND_BAD_RA,	       /* no address that code can have */
	UNWIND_RESULTS
};

#define UNWIND_IS_COMPLETE(result) ((result) == UNWIND_COMPLETE || (result) == UNWIND_COMPLETE_ZERO)

/* The registers of a frame. */
struct unwind_regs {
	__u64 ip;
	__u64 sp;
	__u64 fp; /* rbp, x29 */
	__u64 lr; /* x30: where a function has not saved it yet; 0: not known. Unused on x86 */
	/*
	 * Set by a step: what a pending return probe of the frame left behind holds in
	 * return_instance::stack. x86: the address of the return address; arm64: the CFA.
	 */
	__u64 slot;
	__u32 flags; /* enum unwind_regs_flags */
	__u32 pad;
};

enum unwind_regs_flags {
	/* ip is an instruction to be executed, not a return address: search ip, not ip - 1. */
	UNWIND_EXACT = 1,
	UNWIND_FP_UNKNOWN = 2,
};

/*
 * Where the Linux signal frame holds the interrupted registers, from sp in the signal trampoline.
 * x86-64: ucontext's flags, link and stack (40 bytes), then r8..r15, rdi, rsi, rbp and so on.
 * arm64: siginfo (128), 176 bytes of ucontext, the fault address (8), then x0..x30, sp, pc.
 */
#define UNWIND_X86_SIGNAL_FP   120
#define UNWIND_X86_SIGNAL_SP   160
#define UNWIND_X86_SIGNAL_IP   168
#define UNWIND_ARM64_SIGNAL_X  312
#define UNWIND_ARM64_SIGNAL_FP (UNWIND_ARM64_SIGNAL_X + 8 * 29)
#define UNWIND_ARM64_SIGNAL_LR (UNWIND_ARM64_SIGNAL_X + 8 * 30)
#define UNWIND_ARM64_SIGNAL_SP (UNWIND_ARM64_SIGNAL_X + 8 * 31)
#define UNWIND_ARM64_SIGNAL_IP (UNWIND_ARM64_SIGNAL_X + 8 * 32)

#ifndef __bpf__
static_assert(sizeof(struct unwind_page) == 8, "page without gaps");
static_assert(sizeof(struct unwind_rule) == 16, "rule without gaps");
static_assert(sizeof(struct unwind_shard) == 4 * UNWIND_SHARD_ROWS, "shard without gaps");
static_assert(sizeof(struct unwind_regs) == 48, "registers without gaps");
#endif

#endif
