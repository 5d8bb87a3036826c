/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MEMLEAK_BPF_WALK_BPF_H
#define MEMLEAK_BPF_WALK_BPF_H

/*
 * The walk up a user stack, from the return of an allocator to the outermost frame.
 *
 * It starts where the hooked function has just returned: the instruction pointer is the caller's
 * return address already, stack and frame pointer are the caller's. So frame 0 is right whatever
 * the allocator did with its frame. Every further frame is found by one step (bpf/unwind.bpf.h)
 * from the one before, by the table of the file that the code is in; frame pointers are the
 * fall-back.
 *
 * Invariants: a frame is recorded only if its address lies in an executable mapping; the stack
 * pointer only grows, so that the walk ends.
 */

#include "bpf/rules.bpf.h"
#include "bpf/trail.bpf.h"

/* Begin a stack, of no frames so far. */
static __always_inline void clear_stack(struct walk *w)
{
	w->stack.nr_frames = 0;
	w->stack.flags = 0;
	w->key = w->check = 0;
}

/* Multiplication by odd constants (FNV's prime; splitmix64's) with a fold each. */
static __always_inline void hash_frame(struct walk *w, __u64 frame)
{
	w->key = (w->key ^ frame) * 0x100000001b3ULL;
	w->key ^= w->key >> 32;
	w->check = (w->check ^ frame) * 0xbf58476d1ce4e5b9ULL;
	w->check ^= w->check >> 29;
}

static __always_inline void push_frame(struct walk *w)
{
	__u32 i = w->stack.nr_frames;
	__u64 frame;

	if (i > MEMLEAK_MAX_FRAMES)
		return;
	if (w->mapping.file) {
		frame = MEMLEAK_FRAME(w->mapping.file,
				      w->regs.ip - w->mapping.start + w->mapping.offset);
		if (w->by_fp)
			frame |= MEMLEAK_FRAME_BY_FP;
		if (w->regs.flags & UNWIND_EXACT)
			frame |= MEMLEAK_FRAME_EXACT;
	} else {
		frame = MEMLEAK_FRAME_ADDRESS(w->regs.ip);
		w->stack.flags |= MEMLEAK_STACK_PRIVATE;
	}
	if (w->by_fp)
		w->stack.flags |= MEMLEAK_STACK_BY_FP;
	hash_frame(w, frame);
	w->stack.frames[i] = frame;
	w->stack.nr_frames++;
}

/* The frames of a C library's start code take no more. */
#define START_CODE_REACH 1024

/*
 * Whether a walk that got stuck at @sp is through all the same: nothing but start code lies between
 * there and the arguments with which the kernel started the program. A C library without unwind
 * information (musl) leaves it so.
 */
static __always_inline bool is_at_start(__u64 sp)
{
	__u64 start = BPF_CORE_READ(bpf_get_current_task_btf(), mm, start_stack);

	return sp <= start && start - sp < START_CODE_REACH;
}

/*
 * Whether the step from @sp, by a frame pointer, has left the stack: start code that keeps
 * something else there.
 */
static __always_inline bool has_left_start(struct walk *w, __u64 sp)
{
	return w->by_fp && !is_at_start(w->regs.sp) && w->regs.sp > sp && is_at_start(sp);
}

/* From the frame at @pc by @rule, or by what is done without one, which is @missing. */
static __always_inline bool step_by(struct walk *w, struct unwind_rule *rule,
				    enum unwind_result missing)
{
	bool by_fp;

	w->result = unwind_step(&w->regs, rule, missing, w, &by_fp);
	if (w->result == UNWIND_STEPPED && w->plain)
		note_step(w, w->plain);
	else if (w->result != UNWIND_COMPLETE)
		lose_trail(w);
	if (w->result != UNWIND_STEPPED)
		return false;
	w->by_fp = by_fp;
	return true;
}

/* The same by a plain step. False where it is not as simple as that after all. */
static __always_inline bool step_plainly(struct walk *w, __u32 step)
{
	if (!unwind_step_plainly(&w->regs, step, w))
		return false;
	w->result = UNWIND_STEPPED;
	w->by_fp = 0;
	note_step(w, step);
	return true;
}

/* A pending return probe has put the trampoline where the return address belongs. */
static __always_inline void see_through_trampoline(struct walk *w)
{
	if (w->regs.ip != w->trampoline)
		return;
	w->regs.ip = hidden_return_address(bpf_get_current_task_btf(), w->regs.slot);
	w->saw_through = 1;
}

/*
 * Out of a frame that is not recorded; not 0 where that fails. This and walk_frame() are not
 * static: the verifier looks at such a function once a program. Otherwise what differs between
 * frames and between those who begin a walk would multiply the paths in it, beyond what 7.3 takes.
 */
__noinline __weak int leave_frame(struct walk *w)
{
	struct unwind_rule rule = UNWIND_GAP_RULE;
	enum unwind_result missing;
	__u64 pc;

	if (!w)
		return 1;
	see_through_trampoline(w);
	pc = unwind_search_pc(&w->regs);
	if (!find_mapping(w, pc))
		return 1;
	missing = find_rule(w, pc, &rule);
	return !step_by(w, &rule, missing);
}

/*
 * A return address in front of which no code has a rule, but which has one itself, is a function's
 * first instruction. No call comes back there: it was put where a stack begins, as makecontext()
 * does. Such an address is looked at twice.
 */
static __always_inline bool is_second_look_needed(struct walk *w, struct unwind_rule *rule,
						  enum unwind_result missing)
{
	return rule->cfa == UNWIND_CFA_GAP && missing == UNWIND_NO_ROW && w->mapping.file &&
	       !(w->regs.flags & UNWIND_EXACT);
}

/* One frame and the step to its caller, in two turns if need be; 1 ends the walk. */
__noinline __weak int walk_frame(struct walk *w)
{
	struct unwind_rule rule = UNWIND_GAP_RULE;
	enum unwind_result missing;
	__u64 pc, sp;
	__u32 step;

	if (!w)
		return 1;
	see_through_trampoline(w);
	pc = unwind_search_pc(&w->regs);
	sp = w->regs.sp;
	if (!w->at_entry && w->stack.nr_frames >= max_depth) {
		w->result = UNWIND_TRUNCATED;
		return 1;
	}
	if (!find_mapping(w, pc))
		return 1;
	if (!w->at_entry) {
		push_frame(w);
		step = find_step(w, pc);
		if (step && step_plainly(w, step))
			return 0;
	}
	missing = find_rule(w, pc, &rule);
	if (w->at_entry) {
		w->at_entry = 0;
		w->regs.flags &= ~UNWIND_EXACT;
		if (rule.cfa != UNWIND_CFA_GAP) {
			w->result = UNWIND_COMPLETE;
			return 1;
		}
	} else if (is_second_look_needed(w, &rule, missing)) {
		w->at_entry = 1;
		w->regs.flags |= UNWIND_EXACT;
		return 0;
	}
	if (!step_by(w, &rule, missing)) {
		if (w->result == UNWIND_NO_ROW && is_at_start(sp))
			w->result = UNWIND_COMPLETE;
		return 1;
	}
	if (has_left_start(w, sp)) {
		w->result = UNWIND_COMPLETE;
		return 1;
	}
	return 0;
}

/* Frames by each turn of the loop, which costs a quarter of what a frame does. */
#define FRAMES_A_TURN 4

static long walk_next(__u32 index, void *data)
{
	struct walk_context *c = data;

#pragma unroll
	for (int i = 0; i < FRAMES_A_TURN; i++)
		if (walk_frame(c->walk))
			return 1;
	return 0;
}

/* Frames between a probed call and another that it makes; beyond them the walk is given up. */
#define MAX_INNER_FRAMES 32

struct inner_walk {
	struct walk *walk;
	__u64 sp;
};

/* One step from inside of a call, until @sp is reached; 1 ends the walk. */
static long walk_inner_frame(__u32 index, void *data)
{
	struct inner_walk *c = data;

	return leave_frame(c->walk) || c->walk->regs.sp >= c->sp;
}

/*
 * Whether the function that is being entered was called, over whatever others, by the one that was
 * entered at @sp: then the frame that ends there returns to @ret or, with a return probe, to the
 * trampoline. A walk that gets lost on the way says yes.
 */
static __always_inline bool is_inside_call(struct walk *w, struct pt_regs *regs, __u64 sp,
					   __u64 ret, __u32 image)
{
	struct inner_walk c = {.walk = w, .sp = sp};

	w->regs = (struct unwind_regs){
		.ip = PT_REGS_IP(regs),
		.sp = PT_REGS_SP(regs),
		.fp = PT_REGS_FP(regs),
		.lr = PT_REGS_RET(regs),
	};
	w->mapping.start = w->mapping.end = 0;
	w->window_start = NO_WINDOW;
	recall_mappings(w, image);
	w->image = image;
	w->trampoline = trampoline_address(bpf_get_current_task_btf());
	w->result = unwind_step_entry(&w->regs, w);
	if (w->result != UNWIND_STEPPED)
		return true;
	bpf_loop(MAX_INNER_FRAMES, walk_inner_frame, &c, 0);
	if (w->result != UNWIND_STEPPED || w->regs.sp < sp)
		return true;
#if defined(__TARGET_ARCH_x86)
	sp += 8; /* of the return address */
#endif
	return w->regs.sp == sp && (w->regs.ip == w->trampoline || w->regs.ip == ret);
}

/* A stack came into the table. An event that finds no room is none: the next report sees it, too.
 */
static __always_inline void count_stack(void)
{
	struct memleak_event *event;

	if (__sync_fetch_and_add(&nr_stacks, 1) + 1 < stacks_wanted)
		return;
	stacks_wanted = -1ULL;
	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event)
		return;
	event->type = MEMLEAK_EVENT_STACKS;
	bpf_ringbuf_submit(event, event_wakes());
}

/*
 * Stacks that are in the table, as 64 bits that both hashes make: most are met again soon, and a
 * look at the table takes longer. What was found before the loader has taken some out is found no
 * more: those bits were made with another count. 0: none.
 */
#define KNOWN_STACKS_BITS 12
__u64 known_stacks[1 << KNOWN_STACKS_BITS] __weak = {};

/* A key and that count, as such bits. */
static __always_inline __u64 stack_bits(__u64 key)
{
	return (key + *(volatile __u64 *)&stacks_cleared) * 0x9e3779b97f4a7c15ULL;
}

/* Put the walked stack into the table; false where it is full. */
static __always_inline bool insert_stack(struct walk *w, __u64 key)
{
	struct memleak_stack *known = bpf_map_lookup_elem(&stacks, &key);

	if (!known) {
		long err = bpf_map_update_elem(&stacks, &key, &w->stack, BPF_NOEXIST);

		if (!err) {
			count_stack();
			return true;
		}
		if (err == -ENOMEM) {
			count_loss(MEMLEAK_LOSS_STACK_MEMORY);
			return false;
		}
		known = bpf_map_lookup_elem(&stacks, &key); /* another thread was faster */
	}
	if (known && known->check == w->check)
		return true;
	count_loss(MEMLEAK_LOSS_STACK);
	return false;
}

/* Have the walked stack in the table; its key, 0 where that is full. */
static __always_inline __u64 store_stack(struct walk *w, __u32 image)
{
	__u64 key, bits, *known;

	hash_frame(w, (__u64)w->stack.nr_frames << 32 | w->stack.flags);
	if (w->stack.flags & MEMLEAK_STACK_PRIVATE)
		hash_frame(w, image);
	key = w->key | !w->key; /* 0 is "no stack" */
	w->stack.check = w->check;
	bits = stack_bits(key) + w->check;
	bits |= !bits;
	known = &known_stacks[key >> (64 - KNOWN_STACKS_BITS)];
	if (*(volatile __u64 *)known == bits)
		return key;
	if (!insert_stack(w, key))
		return 0;
	*(volatile __u64 *)known = bits;
	return key;
}

/* Count how the walk ended. */
static __always_inline void count_walk(struct walk *w)
{
	__u32 result = w->result;

	__sync_fetch_and_add(&walks[result & (MEMLEAK_WALK_RESULTS - 1)], 1);
	if (w->stack.flags & MEMLEAK_STACK_BY_FP)
		__sync_fetch_and_add(&walks_by_frame_pointer, 1);
	if (result == UNWIND_TRUNCATED)
		w->stack.flags |= MEMLEAK_STACK_TRUNCATED;
	else if (!UNWIND_IS_COMPLETE(result))
		w->stack.flags |= MEMLEAK_STACK_BROKEN;
	if (w->of_mapping)
		return;
	if (w->stack.flags & MEMLEAK_STACK_TRUNCATED)
		count_loss(MEMLEAK_LOSS_TRUNCATED);
	if (w->stack.flags & MEMLEAK_STACK_BROKEN)
		count_loss(MEMLEAK_LOSS_BROKEN);
}

/* At its entry and at its return a function's caller is found in the same way. */
static __always_inline void leave_function(struct walk *w, struct pt_regs *regs)
{
	w->regs.lr = PT_REGS_RET(regs);
	unwind_step_entry(&w->regs, w);
}

static __always_inline void begin_walk(struct walk *w, struct pt_regs *regs, __u32 image)
{
	w->regs = (struct unwind_regs){
		.ip = PT_REGS_IP(regs),
		.sp = PT_REGS_SP(regs),
		.fp = PT_REGS_FP(regs),
	};
	w->mapping.start = w->mapping.end = 0;
	w->window_start = NO_WINDOW;
	recall_mappings(w, image);
	w->image = image;
	w->by_fp = 0;
	w->at_entry = 0;
	w->of_mapping = 0;
	w->saw_through = 0;
	lose_trail(w);
	w->trampoline = trampoline_address(bpf_get_current_task_btf());
	clear_stack(w);
}

/* Walk on from where w->regs are and store what is found. */
static __always_inline __u64 walk_on(struct walk *w, __u32 image)
{
	struct walk_context c = {.walk = w};

	bpf_loop(2 * (max_depth + 1) / FRAMES_A_TURN + 1, walk_next, &c, 0);
	remember_reach(w, NO_WINDOW);
	count_walk(w);
	return store_stack(w, image);
}

/*
 * Walk from the caller's registers and store what was found; the key in `stacks`, 0 if lost.
 * @returning: the registers are still those of the function, at its return instruction.
 */
static __always_inline __u64 walk_stack(struct walk *w, struct pt_regs *regs, bool returning,
					__u32 image)
{
	begin_walk(w, regs, image);
	if (returning)
		leave_function(w, regs);
	return walk_on(w, image);
}

/*
 * Begin at a site inside of an allocation function, whose frame is at @frame and ends @cfa bytes
 * above: its caller is the first one. walk_on() does the rest, once in a program: the verifier
 * takes its time for each.
 */
static __always_inline void begin_from_frame(struct walk *w, struct pt_regs *regs, __u64 frame,
					     __u64 cfa, __u32 image)
{
	__u64 pair[2] = {};

	begin_walk(w, regs, image);
	/* System V ABI, x86-64, 3.2.2; AAPCS64, 6.4.6. What cannot be read is no code. */
	unwind_read(w, pair, sizeof(pair), frame);
	w->regs.fp = pair[0];
	w->regs.ip = UNWIND_ARM64 ? pair[1] & UNWIND_ARM64_CODE_MASK : pair[1];
	w->regs.sp = frame + cfa;
	w->regs.slot = UNWIND_ARM64 ? w->regs.sp : w->regs.sp - 8;
	see_through_trampoline(w);
}

/* Begin at any instruction of an allocator: the frame that it is in is left out. */
static __always_inline void begin_from_site(struct walk *w, struct pt_regs *regs, __u32 image)
{
	begin_walk(w, regs, image);
	w->stack.flags = MEMLEAK_STACK_SITE;
	w->regs.flags = UNWIND_EXACT;
	w->regs.lr = PT_REGS_RET(regs);
	leave_frame(w);
}

#endif
