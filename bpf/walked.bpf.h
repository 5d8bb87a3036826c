/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MEMLEAK_BPF_WALKED_BPF_H
#define MEMLEAK_BPF_WALKED_BPF_H

/*
 * What a walk has before it: the stack, which is read in pieces, the return addresses that pending
 * return probes hide, and what is mapped where.
 *
 * All state lies in the thread's own storage, because programs on uprobes can be preempted and the
 * BPF stack is too small; not in locals of a bpf_loop callback, since kernel 6.1's verifier may
 * prune tests on those.
 */

#include "bpf/deferred.h"
#include "bpf/unwind.bpf.h"
#include "bpf/vma_tree.bpf.h"

/* Mappings that a thread's walks keep. */
#define KEPT_MAPPINGS 4

/* Bytes that are read of a stack at a time, at most: many frames. */
#define STACK_WINDOW  2048
#define SMALLEST_PAGE 4096
#define NO_WINDOW     (1ULL << 62) /* far from every address */

/* Windows whose use is remembered. */
#define REACHES 32

struct walk {
	struct unwind_regs regs;
	struct memleak_mapping mapping; /* of the last address; start == end: none */
	__u32 image;
	__u32 by_fp;	  /* the frame was found by frame pointer */
	__u32 at_entry;	  /* the step asks whether the frame is at a function's first instruction */
	__u32 of_mapping; /* its losses are counted elsewhere */
	__u32 result;	  /* enum unwind_result of the last step */
	__u64 trampoline; /* where pending return probes point their return addresses; 0: none */
	struct memleak_mapping kept[KEPT_MAPPINGS]; /* hold while the address space is as it was */
	__u32 kept_seq;				    /* changes_so_far() when they were found */
	__u32 next_kept;
	__u32 changes;		   /* number_of_changes() before the look at the tree */
	struct vma_tree_node node; /* room for a look at the tree of mappings */
	struct vma_copy found;	   /* what the kernel has at the last address it was asked for */
	__u64 key, check;	   /* two hashes of the frames so far */
	__u64 window_start;	   /* of the stack, what was read last */
	__u64 window_last;	   /* where in it 16 bytes can begin, at most */
	__u64 window_used;	   /* where in it the furthest began that were asked for */
	__u64 reaches[REACHES];	   /* see remember_reach() */
	__u64 window[STACK_WINDOW / 8 + 2];
	__u64 put_stack;   /* of site.bpf.c: what the walk has found, or was told */
	__u64 trail_fp;	   /* see bpf/trail.bpf.h: where the frame pointer was read, as it is now */
	__u32 saw_through; /* a return address was not what the stack has */
	__u32 plain;	   /* the rule that was found, as a plain step; 0: it is none */
	struct memleak_trail trail;
	struct memleak_stack stack;
};

static __always_inline __u64 *reach_at(struct walk *w, __u64 addr)
{
	__u64 i = (addr >> 3 ^ addr >> 9) & (REACHES - 1);

	UNWIND_BARRIER(i);
	return &w->reaches[i & (REACHES - 1)];
}

/*
 * Walks of a thread mostly go by the same frames, some of which are large: of a window that began
 * there before is read what was used, the address in the upper 48 bits. @next is where the one
 * after it begins, which this one might have had.
 */
static __always_inline void remember_reach(struct walk *w, __u64 next)
{
	__u64 used = w->window_used + 16, *known = reach_at(w, w->window_start);

	if (w->window_start == NO_WINDOW)
		return;
	if (next - w->window_start <= STACK_WINDOW - 16)
		used = next - w->window_start + 16;
	if (*known >> 16 != w->window_start || (__u16)*known < used)
		*known = w->window_start << 16 | used;
}

/*
 * Make the window begin at @addr, unless that is no place in the stack. It may reach beyond the
 * page; where that cannot be read it ends with the page: what is in it can be read if the first
 * word can.
 */
__noinline __weak int move_window(struct walk *w, __u64 addr)
{
	__u64 left = SMALLEST_PAGE - (addr & (SMALLEST_PAGE - 1)), size = STACK_WINDOW, known;

	if (!w || addr - w->regs.sp > UNWIND_FP_REACH)
		return 1;
	remember_reach(w, addr);
	known = *reach_at(w, addr);
	if (known && known >> 16 == addr) /* 0 is no window at address 0 */
		size = ((__u16)known + 63) & ~63;
	if (size > STACK_WINDOW)
		size = STACK_WINDOW;
	w->window_start = NO_WINDOW;
	if (bpf_probe_read_user(w->window, size, (void *)addr)) {
		if (left < 16 || left >= size)
			return 1;
		size = left;
		if (size > STACK_WINDOW)
			size = STACK_WINDOW;
		if (bpf_probe_read_user(w->window, size, (void *)addr))
			return 1;
	}
	w->window_start = addr;
	w->window_last = size - 16;
	w->window_used = 0;
	return 0;
}

/* A call to read takes far more time than what it reads. */
static __always_inline int unwind_read(void *ctx, void *to, __u32 size, __u64 addr)
{
	struct walk *w = ctx;
	__u64 at = addr - w->window_start, *from, *words = to;

	if (at > w->window_last) {
		if (move_window(w, addr))
			return bpf_probe_read_user(to, size, (void *)addr);
		at = 0;
	}
	if (at > w->window_used)
		w->window_used = at;
	from = (void *)w->window + (at & (STACK_WINDOW - 1));
	words[0] = from[0];
	if (size == 16)
		words[1] = from[1];
	return 0;
}

/*
 * Where the kernel's uretprobe trampoline lies in this process, as a walk sees it; 0: no return
 * probe was ever armed. The kernel asks for the end of the address space, on arm64 with 52 bits
 * beyond what is left of a signed address.
 */
static __always_inline __u64 trampoline_address(struct task_struct *task)
{
	struct mm_struct *mm = task->mm;
	struct xol_area *area = mm ? mm->uprobes_state.xol_area : NULL;

	if (!area)
		return 0;
	return UNWIND_ARM64 ? area->vaddr & UNWIND_ARM64_CODE_MASK : area->vaddr;
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

struct walk_context {
	struct walk *walk;
};

static long note_mapping(struct task_struct *task, struct vm_area_struct *vma, void *data)
{
	struct walk_context *c = data;

	copy_vma(&c->walk->found, vma, true);
	return 0;
}

static __always_inline bool is_vdso(struct memleak_mapping *m)
{
	struct task_struct *task = bpf_get_current_task_btf();

	if (m->start != (__u64)BPF_CORE_READ(task, mm, context.vdso))
		return false;
	m->offset = 0;
	return true;
}

/* How often the tree is looked at: another thread may be changing what leads to the mapping, or it.
 */
#define MAPPING_TRIES 12

/* Whether the kernel tells when an address space was changed last. */
static __always_inline bool counts_changes(void)
{
	return bpf_core_field_exists(struct mm_struct___seqcount, mm_lock_seq) ||
	       (bpf_core_field_exists(struct mm_struct___number, mm_lock_seq) &&
		bpf_core_field_exists(struct rw_semaphore, count));
}

/* kernel/locking/rwsem.c */
#define RWSEM_WRITER_LOCKED 1

/* How often the current address space has been changed, into *@seq; false while it is. */
static __always_inline bool changes_so_far(__u32 *seq)
{
	void *mm = bpf_get_current_task_btf()->mm;
	struct mm_struct___seqcount *counting = mm;
	struct mm_struct___number *numbering = mm;
	struct mm_struct___lock *locking = mm;
	bool locked;

	if (!mm)
		return false;
	if (bpf_core_field_exists(counting->mm_lock_seq)) {
		*seq = counting->mm_lock_seq.sequence;
		return !(*seq & 1);
	}
	/* In this order: who had the lock before counts, and then lets it go. */
	locked = *(volatile s64 *)&locking->mmap_lock.count.counter & RWSEM_WRITER_LOCKED;
	*seq = *(volatile int *)&numbering->mm_lock_seq;
	return !locked;
}

/*
 * What walks found before holds if the address space has not been changed since, nor is being
 * changed now: asking the kernel for a mapping is the dearest part of a walk's step.
 */
static __always_inline void recall_mappings(struct walk *w, __u32 image)
{
	__u32 seq = 0;

	if (!counts_changes())
		return;
	if (changes_so_far(&seq) && seq == w->kept_seq && image == w->image)
		return;
	for (int i = 0; i < KEPT_MAPPINGS; i++)
		w->kept[i].start = w->kept[i].end = 0;
	w->kept_seq = seq;
}

static __always_inline bool find_kept_mapping(struct walk *w, __u64 pc)
{
	if (!counts_changes())
		return false;
	for (int i = 0; i < KEPT_MAPPINGS; i++) {
		if (pc >= w->kept[i].start && pc < w->kept[i].end) {
			w->mapping = w->kept[i];
			return true;
		}
	}
	return false;
}

static __always_inline void keep_mapping(struct walk *w)
{
	if (counts_changes())
		w->kept[w->next_kept++ & (KEPT_MAPPINGS - 1)] = w->mapping;
}

/*
 * The number of changes so far, with the one that is being made; always 0 where nobody counts. Not
 * inlined: the loop that asks for it has no room on its stack.
 */
__noinline __weak __u32 number_of_changes(void)
{
	__u32 seq = 0;

	if (counts_changes())
		changes_so_far(&seq);
	return seq;
}

/*
 * As bpf_find_vma(), into walk->found: 0 or -EBUSY. A mapping that a change has moved and another
 * one moves back looks as the tree had it, half of it: so no change may have begun or ended.
 */
static __always_inline long find_unlocked(struct walk *w, __u64 pc)
{
	for (int i = 0; i < MAPPING_TRIES; i++) {
		__u64 vma;

		w->changes = number_of_changes();
		vma = vma_tree_find(&w->node, pc);
		if (vma && !vma_tree_copy(&w->found, vma, w->node.start, pc) &&
		    number_of_changes() == w->changes)
			return 0;
	}
	return -EBUSY;
}

/* The number of the file that walk->found maps. 6.1 takes keys from the program's stack alone. */
__noinline __weak __u32 found_file(struct walk *w)
{
	struct memleak_file_key key;

	if (!w)
		return 0;
	key = w->found.key;
	return file_number(&key);
}

/* Make walk->mapping the one that holds @pc; false, with the result, where there is none with code.
 */
static __always_inline bool find_mapping(struct walk *w, __u64 pc)
{
	struct walk_context c = {.walk = w};
	long err;

	if (pc >= w->mapping.start && pc < w->mapping.end)
		return true;
	if (find_kept_mapping(w, pc))
		return true;
	err = bpf_find_vma(bpf_get_current_task_btf(), pc, note_mapping, &c, 0);
	if (err == -EBUSY)
		err = find_unlocked(w, pc);
	if (err == -EBUSY) {
		w->result = UNWIND_MAPPING_BUSY;
		return false;
	}
	if (err || !w->found.executable) {
		w->result = UNWIND_NO_MAPPING;
		return false;
	}
	w->mapping = w->found.mapping;
	if (w->found.has_file)
		w->mapping.file = found_file(w);
	else
		w->mapping.file = is_vdso(&w->mapping) ? MEMLEAK_FILE_VDSO : 0;
	keep_mapping(w);
	return true;
}

#endif
