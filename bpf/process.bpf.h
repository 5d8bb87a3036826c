/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MEMLEAK_BPF_PROCESS_BPF_H
#define MEMLEAK_BPF_PROCESS_BPF_H

/* Which process this is, and whether it is followed. */

#include "bpf/files.bpf.h"

/*
 * A vfork child runs in its parent's memory: what it does is the parent's doing. Not that of the
 * program which the parent executes, if the child is still there.
 */
static __always_inline struct memleak_process *current_process(void)
{
	__u32 tgid = current_tgid(), image;
	struct memleak_process *p = bpf_map_lookup_elem(&processes, &tgid);

	if (!p || !p->shares)
		return p;
	tgid = p->shares;
	image = p->shares_image;
	p = bpf_map_lookup_elem(&processes, &tgid);
	return p && p->image == image ? p : NULL;
}

static __always_inline void tell_process(__u32 type, struct memleak_process *p, bool by_thread)
{
	struct memleak_event event = {.type = type};

	event.tgid = p->tgid;
	event.tid = p->tgid;
	event.image = p->image;
	event.file = p->exe;
	event.addr = by_thread;
	event.time_ns = bpf_ktime_get_ns();
	__builtin_memcpy(event.comm, p->comm, sizeof(event.comm));
	send_event(&event, event_wakes(), MEMLEAK_LOSS_EVENT);
}

/* -A: a process that was there before its first event. 1: added; 0: known; -1: not to be followed.
 */
static __noinline int add_process(void)
{
	struct memleak_process p = {};
	__u32 tgid = current_tgid();
	struct memleak_file_key key = {};
	struct mm_struct *mm;

	if (!is_wanted())
		return -1;
	p.tgid = tgid;
	p.image = __sync_fetch_and_add(&last_image, 1) + 1;
	bpf_get_current_comm(p.comm, sizeof(p.comm));
	mm = bpf_get_current_task_btf()->mm;
	if (mm && mm->exe_file) {
		copy_file_key(&key, mm->exe_file, true);
		p.exe = file_number(&key);
	}
	if (bpf_map_update_elem(&processes, &tgid, &p, BPF_NOEXIST)) {
		if (!bpf_map_lookup_elem(&processes, &tgid))
			count_loss(MEMLEAK_LOSS_PROCESS);
		return 0;
	}
	return 1;
}

/* A function of its own: both in one take too much of the stack, which callers share. */
static __noinline int tell_of_new(struct memleak_process *p)
{
	if (p)
		tell_process(MEMLEAK_EVENT_PROCESS, p, false);
	return 0;
}

static __always_inline void count_hit(void)
{
	if (trace_all && enabled)
		__sync_fetch_and_add(&hits, 1);
}

static __always_inline struct memleak_process *followed_process(void)
{
	struct memleak_process *p;

	if (!enabled)
		return NULL;
	count_hit();
	p = current_process();
	if (!p && trace_all) {
		int added = add_process();

		if (added < 0)
			return NULL;
		p = current_process();
		if (added)
			tell_of_new(p);
	}
	return p;
}

#endif
