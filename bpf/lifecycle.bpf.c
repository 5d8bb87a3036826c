// SPDX-License-Identifier: GPL-2.0
/*
 * Processes come and go: fork, exec, exit; and the mappings of processes that were there before.
 * Raw BTF tracepoints alone: tracefs may be unmounted, kprobes may be absent.
 */
#include "bpf/process.bpf.h"
#include "bpf/settle.bpf.h"

char LICENSE[] SEC("license") = "GPL";

/* The process of @tgid ends. False: that is seen to. */
static __always_inline bool settle_image(__u32 tgid)
{
	struct memleak_process *p = bpf_map_lookup_elem(&processes, &tgid);

	/* If several threads end at once, each may be the last. */
	if (!p || __sync_val_compare_and_swap(&p->ending, 0, 1))
		return false;
	settle(p);
	return true;
}

/*
 * The image of @tgid is over. After an exit its numbers move to where the loader collects them;
 * after an exec they are dropped with its blocks. A function of its own, as settling it takes much
 * of the stack, too.
 */
static __noinline int end_image(__u32 tgid, struct task_struct *exiting)
{
	struct memleak_process *p = bpf_map_lookup_elem(&processes, &tgid);
	struct memleak_process copy;

	if (!p)
		return 0;
	copy = *p;
	if (bpf_map_delete_elem(&processes, &tgid))
		return 0;  /* two threads have ended at once, and the other was faster */
	if (copy.shares) { /* a vfork child has nothing of its own */
		if (exiting)
			tell_process(MEMLEAK_EVENT_SHARER_EXIT, &copy, false);
		return 0;
	}
	if (!exiting) {
		tell_process(MEMLEAK_EVENT_EXEC, &copy, false);
		return 0;
	}
	copy.end_ns = bpf_ktime_get_ns();
	__builtin_memcpy(copy.comm, exiting->comm, sizeof(copy.comm));
	if (bpf_map_update_elem(&ended, &copy.image, &copy, BPF_ANY))
		count_loss(MEMLEAK_LOSS_PROCESS);
	tell_process(MEMLEAK_EVENT_EXIT, &copy, false);
	return 0;
}

static __always_inline void add_image(struct memleak_process *p, bool by_thread)
{
	p->image = __sync_fetch_and_add(&last_image, 1) + 1;
	if (bpf_map_update_elem(&processes, &p->tgid, p, BPF_ANY)) {
		count_loss(MEMLEAK_LOSS_PROCESS);
		return;
	}
	if (!p->shares)
		tell_process(MEMLEAK_EVENT_PROCESS, p, by_thread);
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	struct memleak_process p = {};
	struct memleak_process *known;
	__u32 tgid = parent->tgid;

	if (!enabled || child->tgid == parent->tgid)
		return 0; /* a thread */
	known = bpf_map_lookup_elem(&processes, &tgid);
	if (!known)
		return 0;
	if (!trace_all && !follow_children) {
		if (child->mm == parent->mm)
			known->unseen = 1;
		return 0;
	}
	p.tgid = child->tgid;
	p.exe = known->exe;
	__builtin_memcpy(p.comm, child->comm, sizeof(p.comm));
	if (child->mm == parent->mm) {
		p.shares = known->shares ? known->shares : tgid;
		p.shares_image = known->shares ? known->shares_image : known->image;
		known->shared = 1;
	}
	add_image(&p, false);
	return 0;
}

/* A function of its own, as end_image() is. */
static __noinline int begin_image(struct task_struct *task, struct linux_binprm *bprm,
				  bool by_thread)
{
	struct memleak_process p = {};
	struct memleak_file_key key = {};

	copy_file_key(&key, bprm->file, true);
	p.tgid = task->tgid;
	p.exe = file_number(&key);
	__builtin_memcpy(p.comm, task->comm, sizeof(p.comm));
	add_image(&p, by_thread);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task, pid_t old_pid, struct linux_binprm *bprm)
{
	__u32 tgid = task->tgid;

	if (!enabled)
		return 0;
	if (bpf_map_lookup_elem(&processes, &tgid))
		end_image(tgid, NULL);
	else if (!trace_all || !is_wanted())
		return 0;
	begin_image(task, bprm, old_pid != (pid_t)tgid);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *task)
{
	if (task->signal->live.counter == 0 && settle_image(task->tgid))
		end_image(task->tgid, task);
	return 0;
}

/* One record for each executable mapping of a file, of one process or of all, as the loader asks.
 */
SEC("iter/task_vma")
int list_mappings(struct bpf_iter__task_vma *ctx)
{
	struct vm_area_struct *vma = ctx->vma;
	struct task_struct *task = ctx->task;
	struct vma_copy copy = {};
	struct memleak_vma record = {};

	if (!vma || !task || task->pid != task->tgid)
		return 0;
	copy_vma(&copy, vma, true);
	if (!copy.has_file || !copy.executable)
		return 0;
	record.mapping = copy.mapping;
	record.mapping.file = file_number(&copy.key);
	if (!record.mapping.file)
		return 0;
	record.tgid = task->tgid;
	record.is_exe = task->mm && task->mm->exe_file &&
			task->mm->exe_file->f_inode == vma->vm_file->f_inode;
	bpf_seq_write(ctx->meta->seq, &record, sizeof(record));
	return 0;
}

/* struct r_debug of <link.h>, to which the loader's protocol with debuggers (SVR4) goes back. */
#define R_STATE_OFFSET 24
#define RT_CONSISTENT  0

static __always_inline bool is_blocked(struct task_struct *task, int signal)
{
	return BPF_CORE_READ(task, blocked.sig[0]) >> (signal - 1) & 1;
}

/*
 * _dl_debug_state: the dynamic loader has mapped libraries, or taken them away, and runs none of
 * their code yet. (glibc calls it before, too: then the state is not consistent.) A process that
 * the tool traces is stopped here by a signal, so that what is new can be probed and unwound from
 * its first instruction on; for others an event has to do.
 */
SEC("uprobe")
int probe_libraries(struct pt_regs *regs)
{
	struct memleak_event event = {.type = MEMLEAK_EVENT_LIBRARIES};
	__u32 tgid = current_tgid(), tid = (__u32)bpf_get_current_pid_tgid();
	__s64 distance = MEMLEAK_COOKIE_DISTANCE(bpf_get_attach_cookie(regs));
	int state = RT_CONSISTENT;

	NO_PRIVATE_STACK(regs, &no_uprobe_programs);
	if (!enabled || tgid == own_tgid)
		return 0;
	if (!trace_all && !bpf_map_lookup_elem(&processes, &tgid))
		return 0;
	if (distance)
		bpf_probe_read_user(&state, sizeof(state),
				    (void *)(PT_REGS_IP(regs) + distance + R_STATE_OFFSET));
	if (state != RT_CONSISTENT)
		return 0;
	if (stop_at_libraries &&
	    !is_blocked(bpf_get_current_task_btf(), MEMLEAK_SIGNAL_LIBRARIES) &&
	    !bpf_map_update_elem(&signalled, &tid, &tgid, BPF_ANY)) {
		if (!bpf_send_signal_thread(MEMLEAK_SIGNAL_LIBRARIES))
			return 0;
		bpf_map_delete_elem(&signalled, &tid);
	}
	event.tgid = tgid;
	event.tid = tid;
	event.time_ns = bpf_ktime_get_ns();
	send_event(&event, event_wakes(), MEMLEAK_LOSS_EVENT);
	return 0;
}
