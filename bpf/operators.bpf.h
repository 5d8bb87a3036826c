/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MEMLEAK_BPF_OPERATORS_BPF_H
#define MEMLEAK_BPF_OPERATORS_BPF_H

/*
 * C++'s operators on their way to malloc and free. Often no frame tells of them: libstdc++'s
 * operator new[] jumps to operator new, and every operator delete to free. So each has a probe of
 * its own that leaves a note with the thread, and malloc and free look for it. Operators call each
 * other: the outermost one is what the program wrote.
 */

#include "bpf/left_out.bpf.h"

/* From the entry of an operator to that of malloc the stack grows by a few small frames. */
#define OPERATOR_REACH 4096

/*
 * Whether the function that was entered with this stack pointer and return address is still in
 * flight as far as the stack tells. What is entered now is called by it or, with an equal stack
 * pointer, is where it jumped to. On arm64 return addresses are saved who knows where.
 */
static __always_inline bool is_entered_from(__u64 sp, __u64 ret, struct pt_regs *regs)
{
	__u64 now = PT_REGS_SP(regs);

	if (!sp || now > sp || sp - now > OPERATOR_REACH)
		return false;
#if defined(__TARGET_ARCH_x86)
	__u64 there = 0;

	return !bpf_probe_read_user(&there, sizeof(there), (void *)sp) && there == ret;
#else
	return now < sp || return_address(regs) == ret;
#endif
}

/* Whether the operator that is entered is called by the noted one, or where that has jumped to.
 * With the stack as it was, the same operator is called anew. */
static __always_inline bool is_inner_operator(struct operator_call *o, struct pt_regs *regs)
{
	if (PT_REGS_SP(regs) == o->sp && PT_REGS_IP(regs) == o->ip)
		return false;
	return is_entered_from(o->sp, o->ret, regs);
}

/* Note the operator that is entered, unless it is a part of the one that is noted already. */
static __always_inline void note_operator(struct thread *t, struct pt_regs *regs, __u64 cookie)
{
	bool deletes = MEMLEAK_COOKIE_CALL(cookie) == MEMLEAK_CALL_DELETE;
	struct operator_call *o = deletes ? &t->deleting : &t->making;
	__u64 first = PT_REGS_PARM1(regs), second = PT_REGS_PARM2(regs);

	/* Both read here: a choice between them would be one between addresses in the context. */
	barrier_var(first);
	barrier_var(second);
	if ((!deletes || o->addr == first) && is_inner_operator(o, regs))
		return;
	o->sp = PT_REGS_SP(regs);
	set_engaged();
	o->ret = return_address(regs);
	o->ip = PT_REGS_IP(regs);
	o->family = MEMLEAK_COOKIE_FAMILY(cookie);
	o->families = MEMLEAK_COOKIE_FAMILIES(cookie);
	o->addr = first;
	o->size = deletes ? second : first;
	o->sized = MEMLEAK_FORM_ARGUMENT(cookie, 16) != 0;
}

/* Whether an allocation of @size is made for an operator new: then its families and its slack. */
static __always_inline bool is_for_new(struct thread *t, struct pt_regs *regs, __u64 size,
				       __u8 *families, __u8 *slack)
{
	struct operator_call *o = &t->making;
	__u64 more = size - o->size;

	if (!o->sp || !is_entered_from(o->sp, o->ret, regs))
		return false;
	/* Much more than was asked for is for the operator's own use. */
	*families = more <= MEMLEAK_MAX_SLACK ? o->families : 0;
	*slack = more;
	return true;
}

/* The allocation @call begins: is it made for an operator new? */
static __always_inline void take_new(struct thread *t, struct call *call, struct pt_regs *regs)
{
	call->families = MEMLEAK_COOKIE_FAMILIES(call->cookie);
	call->slack = 0;
	if (!is_mapping(call->cookie) && !is_described(call->cookie) &&
	    is_for_new(t, regs, call->size, &call->families, &call->slack))
		call->cookie = MEMLEAK_COOKIE(MEMLEAK_COOKIE_CALL(call->cookie), t->making.family);
	t->making.sp = 0;
}

#endif
