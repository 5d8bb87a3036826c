/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MEMLEAK_BPF_MAPPING_BPF_H
#define MEMLEAK_BPF_MAPPING_BPF_H

/* What the mmap family does, told to user space, which keeps the intervals. */

#include "bpf/walk.bpf.h"

#define MAP_FIXED	 0x10
#define MAP_STACK	 0x20000
#define MREMAP_DONTUNMAP 4

struct mapping_change {
	__u32 type;			/* enum memleak_event_type */
	__u64 addr, size, addr2, size2; /* as in struct memleak_event */
	__u64 stack, frame;
	__u32 stack_flags; /* enum memleak_stack_flags */
	__u64 time_ns;	   /* 0: now */
};

/*
 * Walk on from where @w is. What is lost on the way user space counts, which knows whose mapping it
 * is: those of allocators and loaders are nobody's loss.
 */
static __always_inline void walk_mapping(struct walk *w, __u32 image, struct mapping_change *m)
{
	w->of_mapping = 1;
	m->stack = walk_on(w, image);
	m->frame = m->stack ? w->stack.frames[0] : 0;
	m->stack_flags = w->stack.flags;
}

/* Thread stacks are not. */
static __always_inline bool is_mmap_followed(__u64 flags)
{
	return !(flags & MAP_STACK) || flags & MAP_FIXED;
}

static __always_inline void send_mapping_event(struct memleak_process *p, struct mapping_change *m)
{
	struct memleak_event event = {.type = m->type};

	event.image = p->image;
	event.file = p->exe;
	event.frame = m->frame;
	event.tgid = current_tgid();
	event.tid = (__u32)bpf_get_current_pid_tgid();
	event.time_ns = m->time_ns ? m->time_ns : bpf_ktime_get_ns();
	event.family = MEMLEAK_FAMILY_MMAP;
	event.stack = m->stack;
	event.stack_flags = m->stack_flags;
	event.addr = m->addr;
	event.size = m->size;
	event.addr2 = m->addr2;
	event.size2 = m->size2;
	bpf_get_current_comm(event.comm, sizeof(event.comm));
	send_event(&event, event_waits(), MEMLEAK_LOSS_EVENT);
}

#endif
