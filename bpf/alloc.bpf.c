// SPDX-License-Identifier: GPL-2.0
/*
 * The probes on allocation functions.
 *
 * An allocator call is followed from its entry, where its sizes are, to its return, where its
 * pointer is. Allocators call each other (calloc calls malloc, operator new calls malloc): only the
 * outermost call counts. A thread's storage holds the one that is in flight. Whether a call is
 * followed is decided at its entry; a call that sampling leaves out has no return probe, and what
 * it calls in turn is left out with it.
 *
 * A block leaves the table at the entry of free and realloc: behind it another thread may be given
 * the address. It enters the table at the return: nobody else knows the address before.
 */
#include "bpf/mapping.bpf.h"
#include "bpf/process.bpf.h"
#include "bpf/wrong_free.bpf.h"

char LICENSE[] SEC("license") = "GPL";

/* Whether what the call gives is recorded. Mappings and resources are not sampled. */
static __always_inline bool is_followed(struct call *call)
{
	if (MEMLEAK_COOKIE_CALL(call->cookie) == MEMLEAK_CALL_MMAP)
		return is_mmap_followed(call->arg2);
	if (is_mapping(call->cookie) || call->cookie & MEMLEAK_FORM_RESOURCE)
		return true;
	return !has_size(call) || is_size_followed(call->size);
}

static __always_inline void add_inner_size(struct thread *t, struct pt_regs *regs, __u64 cookie)
{
	if (is_mapping(cookie) && MEMLEAK_COOKIE_CALL(cookie) != MEMLEAK_CALL_MMAP)
		return;
	t->returning.cookie = cookie;
	t->returning.size = 0;
	read_arguments(t, &t->returning, regs);
	t->call.size += t->returning.size;
}

/*
 * A function that leaves its return address alone has jumped to this one, which is to return to its
 * caller: the call is the same, and its return is seen by the return probe that is armed now.
 */
static __always_inline bool goes_on(struct call *call, struct pt_regs *regs)
{
	if (!call->ret || call->sp != PT_REGS_SP(regs) || call->ret != return_address(regs))
		return false;
	call->ret = 0;
	return true;
}

/* The block that a realloc takes back. */
static __always_inline void take_old(struct memleak_process *p, struct thread *t, struct call *call,
				     struct pt_regs *regs)
{
	struct memleak_block *old = &call->old;

	call->has_old = block_free(p, call->arg, MEMLEAK_COOKIE_FAMILY(call->cookie), old);
	if (call->has_old && trace_events)
		trace_event(MEMLEAK_EVENT_FREE, p->image, call->arg, old->size, old->family,
			    old->stack, 0);
	if (diagnose)
		judge_free(p, t, regs, call->cookie, call->arg, old, call->has_old);
}

static __always_inline void send_unmapping(struct memleak_process *p, struct call *call, __u32 type)
{
	struct mapping_change m = {.type = type, .addr = call->arg, .size = call->size};

	send_mapping_event(p, &m);
}

/*
 * Begin @call of @t, unless it is a part of one in flight; false if its return is of no use.
 * @was_asked: is_left_out() has said no, and nobody is to draw once more.
 */
static __always_inline bool begin_call(struct memleak_process *p, struct thread *t,
				       struct call *call, struct pt_regs *regs, __u64 cookie,
				       bool was_asked)
{
	__u64 sp = PT_REGS_SP(regs);

	if (in_flight(t, call, regs, p->image)) {
		if (is_sizeless(call))
			add_inner_size(t, regs, cookie);
		return false;
	}
	if (is_skipped_too(t, regs, p->image))
		return false;
	call->ret = 0;
	call->cookie = cookie;
	call->image = p->image;
	call->has_old = 0;
	call->arg = 0;
	read_arguments(t, call, regs);
	if (!(cookie & MEMLEAK_FORM_RESOURCE))
		take_new(t, call, regs);
	if (cookie & MEMLEAK_FORM_RESOURCE) {
		call->has_old =
			MEMLEAK_FORM_ARGUMENT(cookie, 24) &&
			resource_release(p, call->arg, MEMLEAK_COOKIE_FAMILY(cookie), &call->old);
	} else if (is_realloc(cookie) && call->arg) {
		take_old(p, t, call, regs);
	}
	call->is_followed = (was_asked && is_told_by_size(cookie)) || is_followed(call);
	if (!call->is_followed && !call->has_old) {
		skip_call(t, call, regs);
		return false;
	}
	if (MEMLEAK_COOKIE_CALL(cookie) == MEMLEAK_CALL_MUNMAP)
		send_unmapping(p, call, MEMLEAK_EVENT_MUNMAP);
	call->sp = sp;
	set_engaged();
	return true;
}

static __always_inline struct thread *entering_thread(struct memleak_process *p)
{
	struct thread *t;

	if (!p)
		return NULL;
	t = thread_storage(BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!t)
		count_loss(MEMLEAK_LOSS_BLOCK_THREAD);
	return t;
}

/* 0: the return is wanted; 1: it is not (a session then arms no return probe). */
static __always_inline int alloc_enter(struct pt_regs *regs, __u64 cookie, bool was_asked)
{
	struct memleak_process *p = followed_process();
	struct thread *t = entering_thread(p);

	if (!t)
		return 1;
	if (goes_on(&t->call, regs)) {
		if (is_sizeless(&t->call))
			add_inner_size(t, regs, cookie);
		return 0;
	}
	return !begin_call(p, t, &t->call, regs, cookie, was_asked);
}

/* A function whose return address stays as it is: its return is seen at the instruction. */
static __always_inline int plain_enter(struct pt_regs *regs, __u64 cookie)
{
	struct memleak_process *p = followed_process();
	struct thread *t = entering_thread(p);
	struct call *call;

	if (!t)
		return 0;
	if (cookie & MEMLEAK_FORM_RESOURCE)
		call = &t->resources[MEMLEAK_COOKIE_FAMILY(cookie) & (RESOURCES - 1)];
	else
		call = &t->call;
	if (begin_call(p, t, call, regs, cookie, false)) {
		call->ret = return_address(regs);
		call->ip = PT_REGS_IP(regs);
	}
	return 0;
}

/* --- return --- */

/* What the stack pointer at entry was, seen from the return: x86's ret took the return address. */
static __always_inline __u64 sp_at_entry(struct pt_regs *regs)
{
#if defined(__TARGET_ARCH_x86)
	return PT_REGS_SP(regs) - 8;
#else
	return PT_REGS_SP(regs);
#endif
}

static __always_inline bool has_failed(struct call *call, __u64 result)
{
	if (call->cookie & MEMLEAK_FORM_IN_PLACE)
		return result < call->size;
	switch (MEMLEAK_FORM_FAILURE(call->cookie)) {
	case MEMLEAK_FAIL_MINUS_ONE:
		return (__s32)result == -1;
	case MEMLEAK_FAIL_NOT_ZERO:
		return (__s32)result != 0;
	}
	return !result;
}

/* What a described call gave, into *@addr; false where it failed. */
static __always_inline bool described_result(struct call *call, __u64 result, __u64 *addr)
{
	if (has_failed(call, result))
		return false;
	*addr = result;
	if (call->cookie & MEMLEAK_FORM_IN_PLACE)
		*addr = call->arg;
	else if (MEMLEAK_FORM_ARGUMENT(call->cookie, 28))
		*addr = call->arg2;
	if (call->cookie & MEMLEAK_FORM_DEREFERENCE &&
	    bpf_probe_read_user(addr, sizeof(*addr), (void *)call->arg2)) {
		count_loss(MEMLEAK_LOSS_BLOCK_POINTER);
		return false;
	}
	return true;
}

/* The pointer that the call gave; 0 where it failed. */
static __always_inline __u64 call_result(struct call *call, struct pt_regs *regs)
{
	__u64 result = PT_REGS_RC(regs), addr;

	if (is_described(call->cookie))
		return described_result(call, result, &addr) ? addr : 0;
	if (MEMLEAK_COOKIE_CALL(call->cookie) == MEMLEAK_CALL_POSIX_MEMALIGN) {
		if ((__u32)result)
			return 0;
		if (bpf_probe_read_user(&result, sizeof(result), (void *)call->arg)) {
			count_loss(MEMLEAK_LOSS_BLOCK_POINTER);
			return 0;
		}
	}
	return result;
}

static __always_inline void mapping_exit(struct memleak_process *p, struct thread *t,
					 struct pt_regs *regs)
{
	__u8 kind = MEMLEAK_COOKIE_CALL(t->call.cookie);
	struct mapping_change m = {.addr = PT_REGS_RC(regs), .size = t->call.size};

	if (kind == MEMLEAK_CALL_MUNMAP) {
		if ((__s32)m.addr == -1)
			send_unmapping(p, &t->call, MEMLEAK_EVENT_MUNMAP_FAILED);
		return;
	}
	if (m.addr == -1ULL)
		return;
	m.type = kind == MEMLEAK_CALL_MMAP ? MEMLEAK_EVENT_MMAP : MEMLEAK_EVENT_MREMAP;
	m.size2 = t->call.arg2 & MAP_FIXED;
	if (kind == MEMLEAK_CALL_MREMAP) {
		m.addr2 = m.addr;
		m.size2 = m.size;
		m.addr = t->call.arg;
		m.size = t->call.arg2;
		m.time_ns = t->call.old.time_ns;
	}
	begin_walk(&t->walk, regs, p->image);
	walk_mapping(&t->walk, p->image, &m);
	send_mapping_event(p, &m);
}

static __always_inline void fill_block(struct memleak_block *b, struct memleak_process *p,
				       struct thread *t, struct call *call, struct pt_regs *regs)
{
	b->size = call->size;
	b->time_ns = bpf_ktime_get_ns();
	b->family = MEMLEAK_COOKIE_FAMILY(call->cookie);
	b->families = call->families;
	b->slack = call->slack;
	b->stack = walk_stack(&t->walk, regs, call->ret != 0, p->image);
}

static __always_inline void resource_exit(struct memleak_process *p, struct thread *t,
					  struct call *call, struct pt_regs *regs)
{
	struct memleak_block b = {};
	__u64 addr;

	if (!described_result(call, PT_REGS_RC(regs), &addr)) {
		if (call->has_old)
			resource_acquire(p, call->arg, &call->old);
		return;
	}
	fill_block(&b, p, t, call, regs);
	if (resource_acquire(p, addr, &b) && trace_events)
		trace_event(MEMLEAK_EVENT_ALLOC, p->image, addr, b.size, b.family, b.stack,
			    t->walk.stack.frames[0]);
}

static __always_inline void heap_exit(struct memleak_process *p, struct thread *t,
				      struct call *call, struct pt_regs *regs)
{
	__u64 addr = call_result(call, regs);
	struct memleak_block b = {};

	if (!addr) {
		/* realloc(p, 0) that gives NULL has freed p; any other NULL has done nothing. */
		if (call->has_old && call->size && !(call->cookie & MEMLEAK_FORM_OLD_GOES))
			block_restore(p, call->arg, &call->old);
		return;
	}
	if (call->cookie & MEMLEAK_FORM_IN_PLACE)
		block_free(p, addr, MEMLEAK_COOKIE_FAMILY(call->cookie), &call->old);
	if (!call->is_followed || (!has_size(call) && !is_size_followed(call->size)))
		return;
	fill_block(&b, p, t, call, regs);
	if (!block_insert(p, addr, &b, 0))
		return;
	if (trace_events)
		trace_event(MEMLEAK_EVENT_ALLOC, p->image, addr, b.size, b.family, b.stack,
			    t->walk.stack.frames[0]);
}

static __always_inline int alloc_exit(struct pt_regs *regs)
{
	struct thread *t = thread_storage(0);
	struct memleak_process *p;

	if (!t || !t->call.sp || t->call.sp != sp_at_entry(regs))
		return 0;
	t->call.sp = 0;
	p = followed_process();
	if (!p || p->image != t->call.image)
		return 0;
	if (is_mapping(t->call.cookie))
		mapping_exit(p, t, regs);
	else
		heap_exit(p, t, &t->call, regs);
	return 0;
}

/* At a return instruction: it may be that of a call in flight, whose copy is then in t->returning.
 */
static __always_inline bool take_returning(struct thread *t, __u64 sp)
{
	if (t->call.ret && t->call.sp == sp) {
		t->returning = t->call;
		t->call.sp = 0;
		return true;
	}
	for (int i = 0; i < RESOURCES; i++) {
		if (t->resources[i].sp == sp) {
			t->returning = t->resources[i];
			t->resources[i].sp = 0;
			return true;
		}
	}
	return false;
}

static __always_inline int plain_exit(struct pt_regs *regs)
{
	struct thread *t = thread_storage(0);
	struct memleak_process *p;

	if (!t || !take_returning(t, PT_REGS_SP(regs)))
		return 0;
	p = followed_process();
	if (!p || p->image != t->returning.image)
		return 0;
	if (t->returning.cookie & MEMLEAK_FORM_RESOURCE)
		resource_exit(p, t, &t->returning, regs);
	else
		heap_exit(p, t, &t->returning, regs);
	return 0;
}

/* True if the free is wrong and has to be noted. */
static __always_inline bool free_enter(struct pt_regs *regs)
{
	struct memleak_process *p;
	struct memleak_block old = {};
	__u64 addr = PT_REGS_PARM1(regs);
	bool is_block;

	if (!addr)
		return false;
	if (!diagnose && is_absent(addr)) {
		count_hit();
		return false;
	}
	p = followed_process();
	if (!p)
		return false;
	is_block = block_free(p, addr, 0, &old);
	if (is_block && trace_events)
		trace_event(MEMLEAK_EVENT_FREE, p->image, addr, old.size, old.family, old.stack, 0);
	return diagnose && is_wrong_free(p, regs, addr, &old, is_block);
}

static __always_inline int release_enter(struct pt_regs *regs, __u64 cookie)
{
	struct memleak_process *p = followed_process();
	struct thread *t = entering_thread(p);
	__u8 family = MEMLEAK_COOKIE_FAMILY(cookie);
	struct memleak_block old = {};
	__u64 addr;
	bool freed;

	if (!t)
		return 0;
	read_all_arguments(t, regs);
	addr = argument(t, cookie, 28);
	freed = cookie & MEMLEAK_FORM_RESOURCE ? resource_release(p, addr, family, &old)
					       : block_free(p, addr, family, &old);
	if (freed && trace_events)
		trace_event(MEMLEAK_EVENT_FREE, p->image, addr, old.size, old.family, old.stack, 0);
	return 0;
}

static __always_inline int operator_enter(struct pt_regs *regs, __u64 cookie)
{
	struct thread *t;

	if (!followed_process())
		return 0;
	t = thread_storage(BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (t)
		note_operator(t, regs, cookie);
	return 0;
}

/* --- the probes --- */

/*
 * At both ends of a session the helper gives the probed address. The kernel's own function for
 * this, bpf_session_is_return(), has no argument in 6.18 and one in 7.3, and libbpf before 1.3
 * loads no program that would do with either.
 */
static __always_inline bool is_return(struct pt_regs *regs)
{
	return PT_REGS_IP(regs) != bpf_get_func_ip(regs);
}

/* A realloc whose old block is taken back wrongly. */
#define NOTE_WRONG_FREE(regs, programs)                                                            \
	do {                                                                                       \
		if (diagnose && has_wrong_free())                                                  \
			bpf_tail_call(regs, programs, 0);                                          \
	} while (0)

SEC("uprobe")
int probe_session(struct pt_regs *regs)
{
	NO_PRIVATE_STACK(regs, &no_session_programs);
	if (is_return(regs))
		return alloc_exit(regs);
	if (is_partial() && is_left_out(regs))
		return 1;
	if (alloc_enter(regs, bpf_get_attach_cookie(regs), true))
		return 1;
	NOTE_WRONG_FREE(regs, &wrong_session_programs);
	return 0;
}

SEC("uprobe")
int probe_entry(struct pt_regs *regs)
{
	NO_PRIVATE_STACK(regs, &no_uprobe_programs);
	alloc_enter(regs, bpf_get_attach_cookie(regs), false);
	NOTE_WRONG_FREE(regs, &wrong_uprobe_programs);
	return 0;
}

SEC("uretprobe")
int probe_return(struct pt_regs *regs)
{
	NO_PRIVATE_STACK(regs, &no_uprobe_programs);
	return alloc_exit(regs);
}

SEC("uprobe")
int probe_free(struct pt_regs *regs)
{
	NO_PRIVATE_STACK(regs, &no_uprobe_programs);
	if (free_enter(regs))
		bpf_tail_call(regs, &wrong_uprobe_programs, 0);
	return 0;
}

/* Where a tail call leads: the same for links of either kind. */
SEC("uprobe")
int wrong_free_uprobe(struct pt_regs *regs)
{
	NO_PRIVATE_STACK(regs, &no_uprobe_programs);
	return note_wrong_free(regs);
}

SEC("uprobe")
int wrong_free_session(struct pt_regs *regs)
{
	NO_PRIVATE_STACK(regs, &no_session_programs);
	return note_wrong_free(regs);
}

SEC("uprobe")
int probe_operator(struct pt_regs *regs)
{
	NO_PRIVATE_STACK(regs, &no_uprobe_programs);
	return operator_enter(regs, bpf_get_attach_cookie(regs));
}

SEC("uprobe")
int probe_plain_entry(struct pt_regs *regs)
{
	NO_PRIVATE_STACK(regs, &no_uprobe_programs);
	return plain_enter(regs, bpf_get_attach_cookie(regs));
}

SEC("uprobe")
int probe_plain_return(struct pt_regs *regs)
{
	NO_PRIVATE_STACK(regs, &no_uprobe_programs);
	return plain_exit(regs);
}

SEC("uprobe")
int probe_release(struct pt_regs *regs)
{
	NO_PRIVATE_STACK(regs, &no_uprobe_programs);
	return release_enter(regs, bpf_get_attach_cookie(regs));
}
