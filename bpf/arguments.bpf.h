/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MEMLEAK_BPF_ARGUMENTS_BPF_H
#define MEMLEAK_BPF_ARGUMENTS_BPF_H

/* What a kind of call takes and says: sizes, pointers, and what is to be done with it. */

#include "bpf/call.bpf.h"
#include "bpf/mapping.bpf.h"

static __always_inline __u64 product(__u64 a, __u64 b)
{
	/* An overflow fails in the allocator; what is recorded here is not used then. */
	return a * b;
}

/* Arguments by number; 0 at 0, where there is none. */
static __always_inline void read_all_arguments(struct thread *t, struct pt_regs *regs)
{
	t->arguments[0] = 0;
	t->arguments[1] = PT_REGS_PARM1(regs);
	t->arguments[2] = PT_REGS_PARM2(regs);
	t->arguments[3] = PT_REGS_PARM3(regs);
	t->arguments[4] = PT_REGS_PARM4(regs);
	t->arguments[5] = PT_REGS_PARM5(regs);
}

static __always_inline __u64 argument(struct thread *t, __u64 cookie, __u32 bit)
{
	return t->arguments[MEMLEAK_FORM_ARGUMENT(cookie, bit) & (ARGUMENTS - 1)];
}

static __always_inline void read_described(struct thread *t, struct call *call,
					   struct pt_regs *regs)
{
	__u64 cookie = call->cookie;

	read_all_arguments(t, regs);
	call->size = argument(t, cookie, 16);
	if (MEMLEAK_FORM_ARGUMENT(cookie, 20))
		call->size = product(call->size, argument(t, cookie, 20));
	call->arg = argument(t, cookie, 24);
	call->arg2 = argument(t, cookie, 28);
}

/* Fill in what the kind of call says about sizes and pointers. */
static __always_inline void read_arguments(struct thread *t, struct call *call,
					   struct pt_regs *regs)
{
	switch (MEMLEAK_COOKIE_CALL(call->cookie)) {
	case MEMLEAK_CALL_MALLOC:
		call->size = PT_REGS_PARM1(regs);
		break;
	case MEMLEAK_CALL_CALLOC:
		call->size = product(PT_REGS_PARM1(regs), PT_REGS_PARM2(regs));
		break;
	case MEMLEAK_CALL_REALLOC:
		call->arg = PT_REGS_PARM1(regs);
		call->size = PT_REGS_PARM2(regs);
		break;
	case MEMLEAK_CALL_REALLOCARRAY:
		call->arg = PT_REGS_PARM1(regs);
		call->size = product(PT_REGS_PARM2(regs), PT_REGS_PARM3(regs));
		break;
	case MEMLEAK_CALL_MEMALIGN:
		call->size = PT_REGS_PARM2(regs);
		break;
	case MEMLEAK_CALL_POSIX_MEMALIGN:
		call->arg = PT_REGS_PARM1(regs);
		call->size = PT_REGS_PARM3(regs);
		break;
	case MEMLEAK_CALL_MMAP:
		call->size = PT_REGS_PARM2(regs);
		call->arg2 = PT_REGS_PARM4(regs);
		break;
	case MEMLEAK_CALL_MUNMAP:
		call->arg = PT_REGS_PARM1(regs);
		call->size = PT_REGS_PARM2(regs);
		break;
	case MEMLEAK_CALL_MREMAP:
		call->arg = PT_REGS_PARM1(regs);
		/* What stays where it was ends as little as what is doubled, by a size of 0. */
		call->arg2 = PT_REGS_PARM4(regs) & MREMAP_DONTUNMAP ? 0 : PT_REGS_PARM2(regs);
		call->size = PT_REGS_PARM3(regs);
		call->old.time_ns = bpf_ktime_get_ns();
		break;
	case MEMLEAK_CALL_DESCRIBED:
		read_described(t, call, regs);
		break;
	}
}

static __always_inline bool is_described(__u64 cookie)
{
	return MEMLEAK_COOKIE_CALL(cookie) == MEMLEAK_CALL_DESCRIBED;
}

static __always_inline bool is_realloc(__u64 cookie)
{
	__u8 kind = MEMLEAK_COOKIE_CALL(cookie);

	if (kind == MEMLEAK_CALL_DESCRIBED)
		return !(cookie & MEMLEAK_FORM_IN_PLACE);
	return kind == MEMLEAK_CALL_REALLOC || kind == MEMLEAK_CALL_REALLOCARRAY;
}

static __always_inline bool is_mapping(__u64 cookie)
{
	__u8 kind = MEMLEAK_COOKIE_CALL(cookie);

	return kind >= MEMLEAK_CALL_MMAP && kind <= MEMLEAK_CALL_MREMAP;
}
/* Whether the size is known at the entry: not where it is what the call allocates in turn. */
static __always_inline bool has_size(struct call *call)
{
	return !is_described(call->cookie) || MEMLEAK_FORM_ARGUMENT(call->cookie, 16);
}

/* A pool without a size of its own is as large as what is allocated while it is made. */
static __always_inline bool is_sizeless(struct call *call)
{
	return is_described(call->cookie) && !MEMLEAK_FORM_ARGUMENT(call->cookie, 16) &&
	       !(call->cookie & MEMLEAK_FORM_RESOURCE);
}

#endif
