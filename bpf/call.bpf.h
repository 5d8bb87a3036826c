/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MEMLEAK_BPF_CALL_BPF_H
#define MEMLEAK_BPF_CALL_BPF_H

/*
 * Calls of allocators in flight: a thread holds the outermost one, so that those within it are told
 * from calls of their own.
 */

#include "bpf/blocks.bpf.h"
#include "bpf/walk.bpf.h"

/* The outermost allocator call in flight. */
struct call {
	__u64 sp;  /* at its entry; 0: none */
	__u64 ret; /* its return address, where that is as it was; 0: it has a return probe */
	__u64 ip;  /* of its entry, with `ret` */
	__u64 cookie;
	__u64 size;
	__u64 arg;  /* realloc, mremap: the old pointer; posix_memalign: the out-parameter */
	__u64 arg2; /* mmap: flags; mremap: old size; described: the argument with the pointer */
	struct memleak_block old; /* realloc: what left the table at entry */
	__u32 image;
	__u8 has_old;
	__u8 is_followed;     /* its block enters the table */
	__u8 families, slack; /* as the block's */
};

/* A C++ operator on its way to malloc or free. */
struct operator_call {
	__u64 sp;   /* at its entry; 0: none */
	__u64 ret;  /* its return address */
	__u64 ip;   /* of its entry */
	__u64 addr; /* delete: of what */
	__u64 size; /* asked for; delete: what it was told */
	__u8 family, families;
	__u8 sized; /* delete: it was told */
	__u8 pad[5];
};

/* The outermost call of free in flight. */
struct free_call {
	__u64 sp; /* at its entry; 0: none */
	__u64 ret;
	__u64 ip;
};

/* A wrong free, before its stack is walked. */
struct wrong_draft {
	struct memleak_wrong_key key; /* kind: of none where there is none */
	struct memleak_wrong value;
	__u64 first_caller; /* of the free before */
	__u64 is_begun;	    /* the walk is where the free's caller is */
};

/* The last call that sampling left out. */
struct skipped {
	__u64 sp; /* at its entry; 0: none */
	__u64 ip;
	__u64 ret; /* its return address */
};

/* Families of resources whose calls can be in flight at once, one inside the other. */
#define RESOURCES 4

#define ARGUMENTS 8 /* a power of two for the verifier */

struct thread {
	struct call call;
	struct skipped skipped;
	struct call resources[RESOURCES]; /* by family */
	__u64 arguments[ARGUMENTS];	  /* of a described call */
	struct call returning;		  /* one of these, while it is handled */
	struct operator_call making, deleting;
	struct free_call freeing;
	struct wrong_draft wrong;
	struct memleak_block reallocated; /* by a site's realloc in flight */
	__u64 reallocated_addr;		  /* 0: none */
	struct walk walk;
};

/* Newer kernels' allocator for BPF (kmalloc_nolock) gives two pages at most, the storage's head
 * included. */
_Static_assert(sizeof(struct thread) <= 8192 - 256, "a thread's state can be allocated");

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct thread);
} threads __weak SEC(".maps");

/* How far from an allocator's code its callers lie: more than what lies between its functions, less
 * than what lies between it and others. */
#define ALLOCATOR_REACH (1 << 20)

static __always_inline struct thread *thread_storage(__u64 flags)
{
	return bpf_task_storage_get(&threads, bpf_get_current_task_btf(), 0, flags);
}

/* Where the function that is being entered returns to; 0 where that cannot be read. */
static __always_inline __u64 return_address(struct pt_regs *regs)
{
#if defined(__TARGET_ARCH_x86)
	__u64 ret = 0;

	bpf_probe_read_user(&ret, sizeof(ret), (void *)PT_REGS_SP(regs));
	return ret;
#else
	return PT_REGS_RET(regs) & UNWIND_ARM64_CODE_MASK;
#endif
}

static __always_inline bool is_near(__u64 a, __u64 b)
{
	return a - b + ALLOCATOR_REACH < 2 * ALLOCATOR_REACH;
}

/*
 * Whether the thread's call is still in flight, so that this one is part of it. A call that longjmp
 * or an exception left behind is not: its return address, which the kernel replaced by that of the
 * trampoline, is no longer where it was. arm64 functions save it where they like.
 */
static __always_inline bool in_flight(struct thread *t, struct call *call, struct pt_regs *regs,
				      __u32 image)
{
	__u64 sp = PT_REGS_SP(regs);
#if defined(__TARGET_ARCH_x86)
	__u64 ret = 0;
#endif

	if (!call->sp || sp > call->sp || call->sp - sp > 1 << 20)
		return false;
	/* A jump from one function of an allocator to another: what was skipped cannot be told from
	 * what is over, so of several draws the last one counts. */
	if (is_sampling() && sp == call->sp && !call->has_old)
		return false;
#if defined(__TARGET_ARCH_x86)
	if (bpf_probe_read_user(&ret, sizeof(ret), (void *)call->sp))
		return false;
	if (ret == trampoline_address(bpf_get_current_task_btf()))
		return true;
	/* The address may be what another frame left behind. An allocator calls its own functions;
	 * what the user's functions call can lie anywhere, and takes a walk, which costs at loading
	 * too. */
	if (sp == call->sp || !call->ret || ret != call->ret)
		return false;
	if (!user_functions)
		return is_near(return_address(regs), call->ip);
#else
	/* Where the stack is as it was, only a jump has led here. */
	if (sp == call->sp)
		return PT_REGS_RET(regs) == trampoline_address(bpf_get_current_task_btf());
#endif
	return is_inside_call(&t->walk, regs, call->sp, call->ret, image);
}

#endif
