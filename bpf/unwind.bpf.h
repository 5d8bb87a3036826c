/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MEMLEAK_BPF_UNWIND_BPF_H
#define MEMLEAK_BPF_UNWIND_BPF_H

/*
 * One step of a walk: from the registers of a frame to those of its caller. Pure: the only thing
 * outside of the arguments is unwind_read(), which the includer defines, so that unit tests compile
 * the same text natively.
 *
 * A walk does, per frame:
 *
 *   pc = unwind_search_pc(&regs);             the address whose row counts
 *   (mapping of pc, its file, offset = pc - vm_start + vm_pgoff)
 *   index = unwind_page_index(offset, start, nr_pages);
 *   rule = page.n ? unwind_search(shard, page, offset) : page.first;
 *   result = unwind_step(&regs, &rule, UNWIND_NO_ROW, ctx);
 *
 * and, without a table for the file, the last line with UNWIND_GAP_RULE and UNWIND_NO_TABLE.
 *
 * Invariants: registers change only where a step gives UNWIND_STEPPED; sp then is higher than it
 * was, unless a signal frame was left (its caller may run on another stack) or the frame was an
 * arm64 leaf. So a walk ends if the steps over signal frames are bounded, as they are by its depth.
 */

#include "bpf/unwind.h"

#ifndef __bpf__
#include <stdbool.h>
#endif

#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif

#if defined(__TARGET_ARCH_arm64) || (!defined(__TARGET_ARCH_x86) && defined(__aarch64__))
#define UNWIND_ARM64 1
#else
#define UNWIND_ARM64 0
#endif

/* Keeps the compiler from making a branch of arithmetic: the verifier is to see one path. */
#define UNWIND_BARRIER(x) asm volatile("" : "+r"(x))

/*
 * To be defined by the includer: read @size bytes (a constant, 8 or 16) of the walked process at
 * @addr. 0 or not.
 */
static __always_inline int unwind_read(void *ctx, void *to, __u32 size, __u64 addr);

/* Lowest and first impossible address of code: below is never mapped, above is the kernel's half.
 */
#define UNWIND_CODE_MIN 0x1000ULL
#define UNWIND_CODE_END (1ULL << 56)

/*
 * Pointer authentication signs the bits above the address (Arm ARM D8.10). Linux hands out
 * addresses above 48 bits only to programs that ask for them by a hint.
 */
#define UNWIND_ARM64_CODE_MASK ((1ULL << 48) - 1)

/* A frame by frame pointer lies no further above the stack pointer than this. */
#define UNWIND_FP_REACH (1ULL << 20)

#define UNWIND_GAP_RULE                                                                            \
	((struct unwind_rule){                                                                     \
		.cfa = UNWIND_CFA_GAP,                                                             \
	})

/* System V ABI, x86-64, 3.2.2; AAPCS64, 6.4.6: the caller's frame pointer and the return address.
 */
#define UNWIND_FP_CHAIN_RULE                                                                       \
	((struct unwind_rule){                                                                     \
		.cfa = UNWIND_CFA_FP,                                                              \
		.fp = UNWIND_BELOW_RA,                                                             \
		.ra = UNWIND_AT_CFA,                                                               \
		.cfa_offset = 16,                                                                  \
		.ra_offset = -8,                                                                   \
	})

#if UNWIND_ARM64
#define UNWIND_SIGNAL_RULE                                                                         \
	((struct unwind_rule){                                                                     \
		.cfa = UNWIND_CFA_SIGNAL,                                                          \
		.fp = UNWIND_AT_SP,                                                                \
		.ra = UNWIND_AT_SP,                                                                \
		.cfa_offset = UNWIND_ARM64_SIGNAL_SP,                                              \
		.fp_offset = UNWIND_ARM64_SIGNAL_FP,                                               \
		.ra_offset = UNWIND_ARM64_SIGNAL_IP,                                               \
	})
#else
#define UNWIND_SIGNAL_RULE                                                                         \
	((struct unwind_rule){                                                                     \
		.cfa = UNWIND_CFA_SIGNAL,                                                          \
		.fp = UNWIND_AT_SP,                                                                \
		.ra = UNWIND_AT_SP,                                                                \
		.cfa_offset = UNWIND_X86_SIGNAL_SP,                                                \
		.fp_offset = UNWIND_X86_SIGNAL_FP,                                                 \
		.ra_offset = UNWIND_X86_SIGNAL_IP,                                                 \
	})
#endif

/* The address whose row describes the frame: a call's, not that of what follows it. */
static __always_inline __u64 unwind_search_pc(const struct unwind_regs *regs)
{
	return regs->ip - !(regs->flags & UNWIND_EXACT);
}

/* The number of the page of file offset @offset; nr_pages or more where the table has none. */
static __always_inline __u64 unwind_page_index(__u64 offset, __u64 start)
{
	/* Below the start it wraps, beyond any number of pages. */
	return (offset - start) >> UNWIND_PAGE_SHIFT;
}

/* Halve the run of @n rows from @at on, keeping the last one that is not above @key. */
static __always_inline void unwind_search_halve(const struct unwind_shard *shard, __u32 key,
						__u64 *at, __u64 *n)
{
	__u64 half = *n >> 1;
	__u64 row = shard->rows[(*at + half) & (UNWIND_SHARD_ROWS - 1)];
	/* All ones where row <= key. */
	__u64 not_above = (__u64)((__s64)(row - key - 1) >> 63);

	UNWIND_BARRIER(not_above);
	*at += half & not_above;
	*n -= half;
}

/* The number of the rule at file offset @offset, from a page that has rows (n > 0). */
static __always_inline __u16 unwind_search(const struct unwind_shard *shard,
					   struct unwind_page page, __u64 offset)
{
	__u32 key = UNWIND_ROW(offset & (UNWIND_PAGE_SIZE - 1), 0xffff);
	__u64 at = page.first, n = page.n;

	/* Most pages have fewer than 17 rows: four steps, in one or two cache lines. */
	if (n > 16) {
		unwind_search_halve(shard, key, &at, &n); /* at most 256 left */
		unwind_search_halve(shard, key, &at, &n);
		unwind_search_halve(shard, key, &at, &n);
		unwind_search_halve(shard, key, &at, &n);
		unwind_search_halve(shard, key, &at, &n); /* at most 16 left */
	}
	unwind_search_halve(shard, key, &at, &n);
	unwind_search_halve(shard, key, &at, &n);
	unwind_search_halve(shard, key, &at, &n);
	unwind_search_halve(shard, key, &at, &n);
	return UNWIND_ROW_RULE(shard->rows[at & (UNWIND_SHARD_ROWS - 1)]);
}

/*
 * Whether the code at @ip is the trampoline that a signal handler returns to: a C library without
 * CFI (musl) has it like any other.
 */
static __always_inline bool unwind_is_signal_return(void *ctx, __u64 ip)
{
	__u64 code[2];

#if UNWIND_ARM64
	/* mov x8, #139; svc #0 */
	return !unwind_read(ctx, code, 8, ip) && code[0] == 0xd4000001d2801168ULL;
#else
	/* mov $15, %rax (7 bytes, or as %eax 5); syscall */
	if (unwind_read(ctx, code, 16, ip))
		return false;
	if (code[0] == 0x0f0000000fc0c748ULL)
		return (__u8)code[1] == 0x05;
	return (code[0] & 0xffffffffffffffULL) == 0x050f0000000fb8ULL;
#endif
}

/* What to do in a gap: the rule by which to go on, or UNWIND_GAP_RULE. */
static __always_inline struct unwind_rule unwind_gap_rule(const struct unwind_regs *regs, void *ctx)
{
	if (unwind_is_signal_return(ctx, regs->ip))
		return UNWIND_SIGNAL_RULE;
	if (regs->flags & UNWIND_FP_UNKNOWN || regs->fp & 7 || regs->fp < regs->sp ||
	    regs->fp - regs->sp > UNWIND_FP_REACH)
		return UNWIND_GAP_RULE;
	return UNWIND_FP_CHAIN_RULE;
}

/* The CFA by @rule; UNWIND_STEPPED or why not. */
static __always_inline enum unwind_result unwind_find_cfa(const struct unwind_regs *regs,
							  const struct unwind_rule *rule, void *ctx,
							  __u64 *ret)
{
	__u64 cfa = regs->sp;

	if (rule->cfa == UNWIND_CFA_FP || rule->cfa == UNWIND_CFA_DEREF_FP) {
		if (regs->flags & UNWIND_FP_UNKNOWN)
			return UNWIND_FP_LOST;
		cfa = regs->fp;
	}
	cfa += (__s64)rule->cfa_offset;
	if (rule->cfa == UNWIND_CFA_PLT && (regs->ip & 15) >= rule->addend)
		cfa += 8;
	if (rule->cfa >= UNWIND_CFA_DEREF_SP) {
		if (unwind_read(ctx, &cfa, 8, cfa))
			return UNWIND_UNREADABLE;
		cfa += rule->addend;
	}
	if (cfa & 7)
		return UNWIND_BAD_CFA;
	if (cfa <= regs->sp && rule->cfa != UNWIND_CFA_SIGNAL) {
		/* A leaf that has pushed nothing: its return address is in lr. */
		if (!UNWIND_ARM64 || cfa != regs->sp || rule->ra != UNWIND_SAME)
			return UNWIND_BAD_CFA;
	}
	*ret = cfa;
	return UNWIND_STEPPED;
}

/* Where @place says that a register was saved; 0 where it was not in memory. */
static __always_inline __u64 unwind_place_address(const struct unwind_regs *regs, __u8 place,
						  __s32 offset, __u64 cfa)
{
	if (place == UNWIND_AT_CFA)
		return cfa + (__s64)offset;
	if (place == UNWIND_AT_SP)
		return regs->sp + (__s64)offset;
	if (place == UNWIND_AT_FP && !(regs->flags & UNWIND_FP_UNKNOWN))
		return regs->fp + (__s64)offset;
	return 0;
}

/* The caller's frame pointer, for every place but BELOW_RA. */
static __always_inline enum unwind_result unwind_find_fp(const struct unwind_regs *regs,
							 const struct unwind_rule *rule, void *ctx,
							 struct unwind_regs *next)
{
	__u64 at = unwind_place_address(regs, rule->fp, rule->fp_offset, next->sp);

	next->flags |= regs->flags & UNWIND_FP_UNKNOWN;
	if (rule->fp == UNWIND_SAME) {
		next->fp = regs->fp;
		return UNWIND_STEPPED;
	}
	next->flags &= ~UNWIND_FP_UNKNOWN;
	if (rule->fp == UNWIND_IS_CFA) {
		next->fp = next->sp + (__s64)rule->fp_offset;
	} else if (!at) {
		next->fp = 0;
		next->flags |= UNWIND_FP_UNKNOWN;
	} else if (unwind_read(ctx, &next->fp, 8, at)) {
		return UNWIND_UNREADABLE;
	}
	return UNWIND_STEPPED;
}

/* Frame pointer and return address, once next->sp is known. */
static __always_inline enum unwind_result unwind_find_saved(const struct unwind_regs *regs,
							    const struct unwind_rule *rule,
							    void *ctx, struct unwind_regs *next)
{
	__u64 at = unwind_place_address(regs, rule->ra, rule->ra_offset, next->sp);
	enum unwind_result result;
	__u64 pair[2];

	if (!at) {
		if (!UNWIND_ARM64 || rule->ra != UNWIND_SAME || !regs->lr)
			return UNWIND_RA_LOST;
		next->ip = regs->lr;
		return unwind_find_fp(regs, rule, ctx, next);
	}
	next->slot = at;
	if (rule->fp == UNWIND_BELOW_RA) {
		if (unwind_read(ctx, pair, 16, at - 8))
			return UNWIND_UNREADABLE;
		next->fp = pair[0];
		next->ip = pair[1];
		return UNWIND_STEPPED;
	}
	/* Upwards: a frame pointer is saved below the return address. */
	result = unwind_find_fp(regs, rule, ctx, next);
	if (result != UNWIND_STEPPED)
		return result;
	if (unwind_read(ctx, &next->ip, 8, at))
		return UNWIND_UNREADABLE;
	/* The interrupted frame may be a leaf. x30 comes two words before pc. */
	if (UNWIND_ARM64 && rule->cfa == UNWIND_CFA_SIGNAL &&
	    unwind_read(ctx, &next->lr, 8, at - (UNWIND_ARM64_SIGNAL_IP - UNWIND_ARM64_SIGNAL_LR)))
		return UNWIND_UNREADABLE;
	return UNWIND_STEPPED;
}

static __always_inline enum unwind_result unwind_check_ra(struct unwind_regs *next)
{
	if (UNWIND_ARM64) {
		next->ip &= UNWIND_ARM64_CODE_MASK;
		next->lr &= UNWIND_ARM64_CODE_MASK;
	}
	if (!next->ip)
		return UNWIND_COMPLETE_ZERO;
	if (next->ip < UNWIND_CODE_MIN || next->ip >= UNWIND_CODE_END)
		return UNWIND_BAD_RA;
	return UNWIND_STEPPED;
}

/* What a rule without a CFA means. */
static __always_inline enum unwind_result unwind_no_cfa(__u8 cfa)
{
	if (cfa == UNWIND_CFA_STOP)
		return UNWIND_COMPLETE;
	if (cfa == UNWIND_CFA_REGISTER)
		return UNWIND_OTHER_REGISTER;
	return UNWIND_RULE_UNUSABLE;
}

/*
 * Why a walk ends in a gap. A frame pointer of 0 marks the outermost frame (System V ABI, x86-64,
 * 3.4.1), but only a table can say that this code is in a gap.
 */
static __always_inline enum unwind_result unwind_gap_end(const struct unwind_regs *regs,
							 enum unwind_result missing)
{
	if (regs->fp || regs->flags & UNWIND_FP_UNKNOWN || missing != UNWIND_NO_ROW)
		return missing;
	return UNWIND_COMPLETE_ZERO;
}

/*
 * One step out of the frame @regs by @rule: UNWIND_STEPPED with the caller's registers in @regs, or
 * why the walk ends, with @regs unchanged.
 *
 * In a gap the trampoline of a signal handler is known by its code; anything else is taken for a
 * function with a frame pointer, and @*by_fp tells so. What cannot be one gives @missing:
 * UNWIND_NO_ROW, or UNWIND_NO_TABLE.
 */
static __always_inline enum unwind_result unwind_step(struct unwind_regs *regs,
						      const struct unwind_rule *rule,
						      enum unwind_result missing, void *ctx,
						      bool *by_fp)
{
	struct unwind_rule r = *rule;
	struct unwind_regs next = {};
	enum unwind_result result;

	*by_fp = false;
	if (r.cfa == UNWIND_CFA_GAP) {
		r = unwind_gap_rule(regs, ctx);
		if (r.cfa == UNWIND_CFA_GAP)
			return unwind_gap_end(regs, missing);
		*by_fp = r.cfa == UNWIND_CFA_FP;
	}
	if (r.cfa < UNWIND_CFA_SP)
		return unwind_no_cfa(r.cfa);
	result = unwind_find_cfa(regs, &r, ctx, &next.sp);
	if (result != UNWIND_STEPPED)
		return result;
	result = unwind_find_saved(regs, &r, ctx, &next);
	if (result != UNWIND_STEPPED)
		return result;
	result = unwind_check_ra(&next);
	if (result != UNWIND_STEPPED)
		return *by_fp && result == UNWIND_BAD_RA ? missing : result;
	if (*by_fp && next.fp && next.fp <= regs->fp)
		return missing;
	if (r.cfa == UNWIND_CFA_SIGNAL) {
		next.flags |= UNWIND_EXACT;
		next.slot = 0;
	} else if (UNWIND_ARM64) {
		/* A frame record may lie anywhere in its frame: by_fp knows no CFA. */
		next.slot = *by_fp ? 0 : next.sp;
	}
	*regs = next;
	return UNWIND_STEPPED;
}

/* --- plain steps --- */

/*
 * Most rules are plain: the CFA counts from the stack pointer, the return address is the word below
 * it, and the frame pointer is as it was, or a few words further below. So is the one of a chain of
 * frame pointers. 16 bits say all of that, so that a step needs no look at the rule itself.
 */
#define UNWIND_PLAIN	       0x8000
#define UNWIND_STEP(words, fp) (UNWIND_PLAIN | (fp) << 12 | (words))
#define UNWIND_STEP_WORDS(x)   ((x)&0xfff)     /* from the stack pointer to the CFA; 0: the chain */
#define UNWIND_STEP_FP(x)      ((x) >> 12 & 7) /* words below the return address; 0: as it was */

/* @rule as a plain step; 0: it is none. */
static __always_inline __u32 unwind_plain(const struct unwind_rule *rule)
{
	__u32 words = (__u32)rule->cfa_offset / 8, fp = (__u32)-rule->fp_offset / 8 - 1;

	if (rule->ra != UNWIND_AT_CFA || rule->ra_offset != -8 || rule->cfa_offset & 7)
		return 0;
	if (rule->cfa == UNWIND_CFA_FP)
		return words == 2 && rule->fp == UNWIND_BELOW_RA ? UNWIND_STEP(0, 0) : 0;
	if (rule->cfa != UNWIND_CFA_SP || !words || words > 0xfff)
		return 0;
	if (rule->fp == UNWIND_SAME)
		return UNWIND_STEP(words, 0);
	if (rule->fp == UNWIND_BELOW_RA)
		return UNWIND_STEP(words, 1);
	if (rule->fp != UNWIND_AT_CFA || rule->fp_offset & 7 || !fp || fp > 7)
		return 0;
	return UNWIND_STEP(words, fp);
}

/*
 * One step out of the frame @regs, as unwind_step() takes it by the rule of @step. False, with
 * @regs unchanged, where something is not as it should be: unwind_step() says what.
 */
static __always_inline bool unwind_step_plainly(struct unwind_regs *regs, __u32 step, void *ctx)
{
	__u64 cfa = regs->sp + 8 * (__u64)UNWIND_STEP_WORDS(step), pair[2] = {regs->fp};
	__u64 fp = UNWIND_STEP_FP(step);

	if (!UNWIND_STEP_WORDS(step)) {
		if (regs->flags & UNWIND_FP_UNKNOWN)
			return false;
		cfa = regs->fp + 16;
		fp = 1;
	}
	if (cfa & 7 || cfa <= regs->sp)
		return false;
	if (fp == 1) {
		if (unwind_read(ctx, pair, 16, cfa - 16))
			return false;
	} else {
		if (fp && unwind_read(ctx, pair, 8, cfa - 8 - 8 * fp))
			return false;
		if (unwind_read(ctx, pair + 1, 8, cfa - 8))
			return false;
	}
	if (UNWIND_ARM64)
		pair[1] &= UNWIND_ARM64_CODE_MASK;
	if (pair[1] < UNWIND_CODE_MIN || pair[1] >= UNWIND_CODE_END)
		return false;
	regs->ip = pair[1];
	regs->sp = cfa;
	regs->fp = pair[0];
	regs->lr = 0;
	regs->slot = UNWIND_ARM64 ? cfa : cfa - 8;
	regs->flags &= fp ? 0 : UNWIND_FP_UNKNOWN;
	return true;
}

/*
 * One step out of a function that is at its first instruction: no table is needed. The same results
 * as unwind_step().
 */
static __always_inline enum unwind_result unwind_step_entry(struct unwind_regs *regs, void *ctx)
{
	struct unwind_regs next = *regs;
	enum unwind_result result;

	next.flags &= ~UNWIND_EXACT;
	next.slot = regs->sp;
	if (UNWIND_ARM64) {
		next.ip = regs->lr;
		next.lr = 0;
	} else {
		if (unwind_read(ctx, &next.ip, 8, regs->sp))
			return UNWIND_UNREADABLE;
		next.sp = regs->sp + 8;
	}
	result = unwind_check_ra(&next);
	if (result == UNWIND_STEPPED)
		*regs = next;
	return result;
}

#endif
