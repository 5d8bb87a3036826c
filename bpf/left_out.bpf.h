/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MEMLEAK_BPF_LEFT_OUT_BPF_H
#define MEMLEAK_BPF_LEFT_OUT_BPF_H

/*
 * Calls that sampling or a size filter leaves out: those that their size alone tells of, before
 * anything else is looked at, and those that are part of one that was left out.
 */

#include "bpf/arguments.bpf.h"

/* How far below a skipped call its own calls can begin: more than what allocators need. */
#define SKIPPED_REACH 4096

/* The current thread's bit among those that are `engaged`, and the word that it is in. */
static __always_inline __u64 *engaged_bit(__u64 *bit)
{
	__u32 tid = bpf_get_current_task_btf()->pid;

	*bit = 1ULL << (tid & 63);
	return &engaged[tid / 64 & (MAX_THREADS / 64 - 1)];
}

static __always_inline void set_engaged(void)
{
	__u64 bit, *word = engaged_bit(&bit);

	if (is_partial() && !(*(volatile __u64 *)word & bit))
		__sync_fetch_and_or(word, bit);
}

static __always_inline bool is_engaged(void)
{
	__u64 bit, *word = engaged_bit(&bit);

	return *(volatile __u64 *)word & bit;
}

static __always_inline void clear_engaged(void)
{
	__u64 bit, *word = engaged_bit(&bit);

	__sync_fetch_and_and(word, ~bit);
}

/*
 * Whether the size of a call alone, before anything else is known of it, may say that it is left
 * out: nothing within it has to be left out with it, and it is no part of one whose return is
 * waited for here. What the user's functions jump to may be.
 */
static __always_inline bool is_told_by_size(__u64 cookie)
{
	return is_partial() && !user_functions && cookie & MEMLEAK_FORM_LEAF;
}

/* Whether it says so. Of several draws for a call that has jumped here the last one counts. */
static __always_inline bool is_left_out(struct pt_regs *regs)
{
	__u64 cookie = bpf_get_attach_cookie(regs), size = PT_REGS_PARM1(regs);
	struct thread *t;

	if (!is_told_by_size(cookie))
		return false;
	if (MEMLEAK_COOKIE_CALL(cookie) == MEMLEAK_CALL_CALLOC)
		size = product(size, PT_REGS_PARM2(regs));
	if (is_size_followed(size))
		return false;
	count_hit();
	if (!is_engaged())
		return true;
	t = thread_storage(0);
	if (t) {
		t->making.sp = 0; /* the operator that leads here, if one does */
		if (is_sampling() && t->call.sp == PT_REGS_SP(regs) && !t->call.has_old)
			t->call.sp = 0;
	}
	if (!t || !t->call.sp)
		clear_engaged();
	return true;
}

/*
 * Whether this call is part of the one that was skipped last, which nothing marks: it is made by
 * code near to that one's, and that one's frame is still there. Of a jump see in_flight().
 */
static __always_inline bool is_skipped_too(struct thread *t, struct pt_regs *regs, __u32 image)
{
	struct skipped *s = &t->skipped;
	__u64 sp = PT_REGS_SP(regs), ret;

	if (!is_sampling() || !s->sp || sp >= s->sp || s->sp - sp > SKIPPED_REACH)
		return false;
	ret = return_address(regs);
	if (!is_near(ret, s->ip))
		return false;
#if defined(__TARGET_ARCH_x86)
	if (bpf_probe_read_user(&ret, sizeof(ret), (void *)s->sp))
		return false;
	return ret == s->ret || ret == trampoline_address(bpf_get_current_task_btf());
#else
	return is_inside_call(&t->walk, regs, s->sp, s->ret, image);
#endif
}

static __always_inline void skip_call(struct thread *t, struct call *call, struct pt_regs *regs)
{
	call->sp = 0;
	if (!is_sampling())
		return;
	t->skipped.sp = PT_REGS_SP(regs);
	t->skipped.ip = PT_REGS_IP(regs);
	t->skipped.ret = return_address(regs);
}

#endif
