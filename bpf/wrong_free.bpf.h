/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MEMLEAK_BPF_WRONG_FREE_BPF_H
#define MEMLEAK_BPF_WRONG_FREE_BPF_H

/*
 * Frees that are wrong: by another family's function, with another size, of what was freed already
 * or never allocated. A free is judged at its entry, where the block leaves the table. The wrong
 * one's stack is walked by a program of its own, reached by a tail call, so that the others stay
 * small.
 *
 * Whether a pointer is no block can be said only where every block was seen: the process was traced
 * from its first instruction, nothing was lost, and the function is one that hands out and takes
 * back in the sight of the probes. Calls of free that are part of another allocator call are not
 * judged: a wrapper may pass on another pointer than it was given.
 */

#include "bpf/arguments.bpf.h"
#include "bpf/operators.bpf.h"

/* How far from the entry of free the rest of a C library's allocator lies. */
#define ALLOCATOR_CODE (32 << 10)

/* How far an allocator goes down on the stack. */
#define CALL_REACH (1 << 20)

/* Whether this call of free is made by another free, or by a realloc or the like, in flight. */
static __always_inline bool is_inner_free(struct thread *t, struct pt_regs *regs)
{
	struct free_call *f = &t->freeing;
	__u64 sp = PT_REGS_SP(regs);

	if (t->call.sp && sp <= t->call.sp && t->call.sp - sp < CALL_REACH)
		return true;
	/* Entered again with the same stack, the same function is called again. */
	if (sp == f->sp && PT_REGS_IP(regs) == f->ip)
		return false;
	return is_entered_from(f->sp, f->ret, regs);
}

/* Whether every block of the process was seen. */
static __always_inline bool is_guarded(struct memleak_process *p)
{
	return guard && p->complete && !unguarded && !losses[MEMLEAK_LOSS_BLOCK_TABLE] &&
	       !losses[MEMLEAK_LOSS_BLOCK_MEMORY] && !losses[MEMLEAK_LOSS_BLOCK_THREAD] &&
	       !losses[MEMLEAK_LOSS_BLOCK_POINTER];
}

/* Keep in mind that @addr is free now. A full table forgets what was freed long ago. */
static __always_inline void remember_freed(struct memleak_process *p, __u64 addr,
					   struct memleak_block *b, __u64 caller)
{
	struct memleak_freed_key key = {.addr = addr, .image = p->image};
	struct memleak_freed f = {
		.stack = b->stack, .size = b->size, .family = b->family, .caller = caller};

	if (!guard || !p->complete)
		return;
	if (!slot_remember(slot_place(addr, p->image), caller))
		bpf_map_update_elem(&freed, &key, &f, BPF_ANY);
}

/* What is remembered of @addr, into *@f. */
static __always_inline bool recall_freed(struct memleak_process *p, __u64 addr,
					 struct memleak_freed *f)
{
	struct memleak_freed_key key = {.addr = addr, .image = p->image};
	struct memleak_freed *before;

	if (slot_recall(slot_place(addr, p->image), f))
		return true;
	before = bpf_map_lookup_elem(&freed, &key);
	if (before)
		*f = *before;
	return before != NULL;
}

/* What is freed, by whom, and as what. */
struct freeing {
	struct memleak_process *process;
	__u64 addr, size;
	__u64 caller; /* its return address */
	__u8 family, families, sized;
	__u8 guarded; /* who frees got the pointer from functions that are probed */
};

static __always_inline void begin_draft(struct thread *t, struct freeing *f, __u8 kind)
{
	struct wrong_draft *d = &t->wrong;

	__builtin_memset(d, 0, sizeof(*d));
	d->key.image = f->process->image;
	d->key.kind = kind;
	d->key.free_family = f->family;
	d->value.count = 1;
	d->value.addr = f->addr;
}

/* @b is freed: may it be so? */
static __always_inline bool judge_block(struct thread *t, struct freeing *f,
					struct memleak_block *b)
{
	__u8 kind;

	if (!b->families || !f->families)
		return false;
	if (!(b->families & f->families))
		kind = MEMLEAK_WRONG_MISMATCHED;
	else if (f->sized && f->size != b->size - b->slack)
		kind = MEMLEAK_WRONG_SIZE;
	else
		return false;
	begin_draft(t, f, kind);
	t->wrong.key.alloc_stack = b->stack;
	t->wrong.key.alloc_family = b->family;
	t->wrong.value.size = b->size - b->slack;
	t->wrong.value.deleted_size = f->size;
	bpf_probe_read_user(&t->wrong.value.head, sizeof(__u64), (void *)f->addr);
	return true;
}

/* What is no block is freed. */
static __always_inline bool judge_pointer(struct thread *t, struct freeing *f)
{
	struct memleak_freed before = {};
	bool is_known;

	if (!f->guarded || !is_guarded(f->process))
		return false;
	is_known = recall_freed(f->process, f->addr, &before);
	begin_draft(t, f, is_known ? MEMLEAK_WRONG_DOUBLE : MEMLEAK_WRONG_POINTER);
	if (is_known) {
		t->wrong.key.alloc_stack = before.stack;
		t->wrong.key.alloc_family = before.family;
		t->wrong.value.size = before.size;
		t->wrong.first_caller = before.caller;
	}
	return true;
}

/* The operator delete that leads here, if one does, tells how it is freed and who wanted it. */
static __always_inline void take_delete(struct thread *t, struct freeing *f, struct pt_regs *regs)
{
	struct operator_call *o = &t->deleting;

	if (!o->sp)
		return;
	if (!is_entered_from(o->sp, o->ret, regs)) {
		o->sp = 0;
		return;
	}
	if (o->addr != f->addr) {
		f->families = 0; /* for the operator's own use */
		return;
	}
	f->family = o->family;
	f->families = o->families;
	f->sized = o->sized;
	f->size = o->size;
	f->caller = o->ret;
	o->sp = 0;
}

/* @b is the block that has left the table, if it was one. True if the free is wrong: then the draft
 * says how. */
static __always_inline bool judge(struct thread *t, struct pt_regs *regs, struct freeing *f,
				  struct memleak_block *b, bool is_block)
{
	take_delete(t, f, regs);
	if (f->process->unseen)
		return false;
	if (!is_block)
		return judge_pointer(t, f);
	remember_freed(f->process, f->addr, b, f->caller);
	return judge_block(t, f, b);
}

/* @addr is freed, by free() or one like it or by realloc(): see judge(). */
static __always_inline bool judge_free(struct memleak_process *p, struct thread *t,
				       struct pt_regs *regs, __u64 cookie, __u64 addr,
				       struct memleak_block *b, bool is_block)
{
	struct freeing f = {
		.process = p,
		.addr = addr,
		.caller = return_address(regs),
		.family = MEMLEAK_COOKIE_FAMILY(cookie),
		.families = MEMLEAK_COOKIE_FAMILIES(cookie),
	};
	__u64 distance = f.caller - PT_REGS_IP(regs) + ALLOCATOR_CODE;

	/* At the end of a thread glibc frees what it has cached, once more. */
	f.guarded = cookie & MEMLEAK_FORM_GUARDED && distance >= 2 * ALLOCATOR_CODE;
	if (is_realloc(cookie))
		f.family = MEMLEAK_FAMILY_REALLOC;
	if (MEMLEAK_COOKIE_CALL(cookie) == MEMLEAK_CALL_FREE && MEMLEAK_FORM_ARGUMENT(cookie, 16)) {
		f.sized = true;
		f.size = PT_REGS_PARM2(regs);
	}
	return judge(t, regs, &f, b, is_block);
}

/* The same for a function that does nothing but free. */
static __always_inline bool is_wrong_free(struct memleak_process *p, struct pt_regs *regs,
					  __u64 addr, struct memleak_block *b, bool is_block)
{
	struct thread *t = thread_storage(BPF_LOCAL_STORAGE_GET_F_CREATE);

	if (!t)
		return false;
	if (is_inner_free(t, regs)) {
		if (t->deleting.addr == addr)
			t->deleting.sp = 0;
		return false;
	}
	t->freeing.sp = PT_REGS_SP(regs);
	t->freeing.ret = return_address(regs);
	t->freeing.ip = PT_REGS_IP(regs);
	return judge_free(p, t, regs, bpf_get_attach_cookie(regs), addr, b, is_block);
}

/* --- noting one down --- */

static __always_inline bool has_wrong_free(void)
{
	struct thread *t = thread_storage(0);

	return t && t->wrong.key.kind;
}

/* One frame as a stack: who has freed it before. 0 where its code is not there any more. */
static __always_inline __u64 store_caller(struct walk *w, __u64 caller, __u32 image)
{
	clear_stack(w);
	if (!find_mapping(w, caller - 1))
		return 0;
	w->regs.ip = caller;
	push_frame(w);
	return store_stack(w, image);
}

/* The draft becomes a record, with the stack of what frees now. */
static __always_inline int note_wrong_free(struct pt_regs *regs)
{
	struct thread *t = thread_storage(0);
	struct wrong_draft *d;
	struct memleak_wrong *known;

	if (!t || !t->wrong.key.kind)
		return 0;
	d = &t->wrong;
	if (!d->is_begun) {
		begin_walk(&t->walk, regs, d->key.image);
		leave_function(&t->walk, regs);
	}
	d->key.free_stack = walk_on(&t->walk, d->key.image);
	if (d->first_caller)
		d->value.first_stack = store_caller(&t->walk, d->first_caller, d->key.image);
	if (bpf_map_update_elem(&wrong_frees, &d->key, &d->value, BPF_NOEXIST)) {
		known = bpf_map_lookup_elem(&wrong_frees, &d->key);
		if (known)
			__sync_fetch_and_add(&known->count, 1);
		else
			count_loss(MEMLEAK_LOSS_WRONG_FREE);
	}
	d->key.kind = MEMLEAK_WRONG_NONE;
	return 0;
}

#endif
