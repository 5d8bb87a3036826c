/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MEMLEAK_BPF_WALK_BPF_H
#define MEMLEAK_BPF_WALK_BPF_H

/*
 * The walk up a user stack, from the return of an allocator to the outermost frame.
 *
 * It starts where the hooked function has just returned: the instruction pointer is the caller's
 * return address already, stack and frame pointer are the caller's. So frame 0 is right whatever
 * the allocator did with its frame, and every further frame is found by one step from the one before.
 *
 * Invariants: a frame is recorded only if its address lies in an executable mapping; the stack
 * pointer only grows, so that the walk ends.
 *
 * All state lies in the thread's own storage, because programs on uprobes can be preempted and the
 * BPF stack is too small; not in locals of a bpf_loop callback, since kernel 6.1's verifier may
 * prune tests on those.
 */

#include "bpf/files.bpf.h"

struct walk {
	__u64 ip, sp, fp;
	struct mapping mapping; /* the one that held the last address; start == end: none */
	__u32 file;
	__u32 done;
	__u64 trampoline; /* where pending return probes point their return addresses; 0: none */
	struct memleak_stack stack;
};

/* Where the kernel's uretprobe trampoline lies in this process; 0: no return probe was ever armed. */
static __always_inline __u64 trampoline_address(struct task_struct *task)
{
	return BPF_CORE_READ(task, mm, uprobes_state.xol_area, vaddr);
}

#define MAX_RETURN_INSTANCES 32

/*
 * The return address that a pending return probe hides: the one whose slot on the stack is @slot.
 * Matched by slot, never by order: the list's order differs between kernels, and longjmp leaves
 * stale ones in it. 0 where there is none.
 */
static __always_inline __u64 hidden_return_address(struct task_struct *task, __u64 slot)
{
	struct return_instance *ri = BPF_CORE_READ(task, utask, return_instances);

	for (int i = 0; i < MAX_RETURN_INSTANCES && ri; i++) {
		if (BPF_CORE_READ(ri, stack) == slot)
			return BPF_CORE_READ(ri, orig_ret_vaddr);
		ri = BPF_CORE_READ(ri, next);
	}
	return 0;
}

static long note_mapping(struct task_struct *task, struct vm_area_struct *vma, void *data)
{
	copy_mapping(data, vma);
	return 0;
}

/* Make walk->mapping the one that holds walk->ip; false where there is none with code. */
static __always_inline bool find_mapping(struct walk *w)
{
	struct mapping m = {};

	if (w->ip >= w->mapping.start && w->ip < w->mapping.end)
		return true;
	if (bpf_find_vma(bpf_get_current_task_btf(), w->ip, note_mapping, &m, 0))
		return false;
	if (!m.executable)
		return false;
	w->mapping = m;
	w->file = file_number(&m);
	return true;
}

/* One step by the frame-pointer rule: [fp] holds the caller's, [fp + 8] the return address. */
static __always_inline bool step_by_frame_pointer(struct walk *w)
{
	__u64 saved[2];

	if (w->fp < w->sp || w->fp & 7 || w->fp - w->sp > 64 << 20)
		return false;
	if (bpf_probe_read_user(saved, sizeof(saved), (void *)w->fp))
		return false;
	if (saved[1] && saved[1] == w->trampoline)
		saved[1] = hidden_return_address(bpf_get_current_task_btf(), w->fp + 8);
	w->sp = w->fp + 16;
	w->fp = saved[0];
	w->ip = saved[1];
	return true;
}

static __always_inline void set_bit(struct memleak_frame_bits *set, __u32 i)
{
	set->bits[(i >> 6) & 1] |= 1ULL << (i & 63);
}

static __always_inline void push_frame(struct walk *w)
{
	__u32 i = w->stack.nr_frames & MEMLEAK_MAX_FRAMES;

	if (w->file) {
		w->stack.frames[i] =
			MEMLEAK_FRAME(w->file, w->ip - w->mapping.start + w->mapping.offset);
	} else {
		w->stack.frames[i] = MEMLEAK_FRAME(0, w->ip);
		w->stack.flags |= MEMLEAK_STACK_PRIVATE;
	}
	if (i)
		set_bit(&w->stack.by_frame_pointer, i);
	w->stack.nr_frames++;
}

struct walk_context {
	struct walk *walk;
};

/* One frame; 1 ends the walk. */
static long walk_frame(__u32 index, void *data)
{
	struct walk_context *c = data;
	struct walk *w = c->walk;

	if (index >= max_depth) {
		w->stack.flags |= MEMLEAK_STACK_TRUNCATED;
		return 1;
	}
	if (!find_mapping(w)) {
		w->stack.flags |= MEMLEAK_STACK_BROKEN;
		return 1;
	}
	push_frame(w);
	if (!w->fp)
		return 1; /* the outermost frame, by convention of the ABI */
	if (!step_by_frame_pointer(w)) {
		w->stack.flags |= MEMLEAK_STACK_BROKEN;
		return 1;
	}
	return 0;
}

/* Two 64-bit hashes of the frames, made in one pass: the key and the check. */
struct stack_hash {
	struct walk *walk;
	__u64 key, check;
};

static long hash_frame(__u32 index, void *data)
{
	struct stack_hash *h = data;
	__u64 frame = h->walk->stack.frames[index & MEMLEAK_MAX_FRAMES];

	/* Multiplication by odd constants (FNV's prime; splitmix64's) with a fold each. */
	h->key = (h->key ^ frame) * 0x100000001b3ULL;
	h->key ^= h->key >> 32;
	h->check = (h->check ^ frame) * 0xbf58476d1ce4e5b9ULL;
	h->check ^= h->check >> 29;
	return 0;
}

/* Put the walked stack into the table, or find it there; its key, 0 where the table is full. */
static __always_inline __u64 store_stack(struct walk *w, __u32 image)
{
	struct stack_hash h = {.walk = w, .key = w->stack.flags, .check = w->stack.nr_frames};
	struct memleak_stack *known;

	if (w->stack.flags & MEMLEAK_STACK_PRIVATE)
		h.key ^= (__u64)image << 32;
	bpf_loop(w->stack.nr_frames, hash_frame, &h, 0);
	h.key |= !h.key; /* 0 is "no stack" */
	w->stack.check = h.check;
	known = bpf_map_lookup_elem(&stacks, &h.key);
	if (!known) {
		if (bpf_map_update_elem(&stacks, &h.key, &w->stack, BPF_NOEXIST) == 0)
			return h.key;
		known = bpf_map_lookup_elem(&stacks, &h.key); /* another thread was faster */
	}
	if (known && known->check == h.check)
		return h.key;
	count_loss(MEMLEAK_LOSS_STACK);
	return 0;
}

/* Walk from the caller's registers and store what was found; the key in `stacks`, 0 if lost. */
static __always_inline __u64 walk_stack(struct walk *w, struct pt_regs *regs, __u32 image)
{
	struct walk_context c = {.walk = w};

	w->ip = PT_REGS_IP(regs);
	w->sp = PT_REGS_SP(regs);
	w->fp = PT_REGS_FP(regs);
	w->mapping.start = w->mapping.end = 0;
	w->trampoline = trampoline_address(bpf_get_current_task_btf());
	w->stack.nr_frames = 0;
	w->stack.flags = 0;
	w->stack.by_frame_pointer = (struct memleak_frame_bits){};
	w->stack.interrupted = (struct memleak_frame_bits){};
	bpf_loop(MEMLEAK_MAX_FRAMES + 1, walk_frame, &c, 0);
	if (w->stack.flags & MEMLEAK_STACK_TRUNCATED)
		count_loss(MEMLEAK_LOSS_TRUNCATED);
	if (w->stack.flags & MEMLEAK_STACK_BROKEN)
		count_loss(MEMLEAK_LOSS_BROKEN);
	return store_stack(w, image);
}

#endif
