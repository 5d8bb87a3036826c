// SPDX-License-Identifier: GPL-2.0
/*
 * Programs to compare with: they do nothing, or nothing but take a stack by the kernel's helpers.
 * Their attach type is the loader's choice: session, or one link for entries and one for returns.
 */
#include "vmlinux/vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

/* include/uapi/linux/bpf.h; vmlinux/vmlinux.h holds what the tool needs, no more. */
#define MAP_TYPE_STACK_TRACE 7
#define F_USER_STACK	     (1 << 8)

#define MAX_FRAMES	     127

char LICENSE[] SEC("license") = "GPL";

/* Session links: the program runs at entry and at return, and does its work at the return. */
const volatile bool session = false;

/* One process at a time calls; nobody reads it. */
__u64 stack[MAX_FRAMES];

struct {
	__uint(type, MAP_TYPE_STACK_TRACE);
	__uint(max_entries, 1024);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, MAX_FRAMES * sizeof(__u64));
} stacks SEC(".maps");

/*
 * At both ends of a session the helper gives the probed address; see bpf/alloc.bpf.c. These
 * programs have next to no stack, so that the kernel gives them no private one.
 */
static __always_inline bool is_return(struct pt_regs *regs)
{
	return !session || PT_REGS_IP(regs) != bpf_get_func_ip(regs);
}

SEC("uprobe")
int empty_entry(struct pt_regs *regs)
{
	return 0;
}

SEC("uprobe")
int empty(struct pt_regs *regs)
{
	return 0;
}

SEC("uprobe")
int stackid(struct pt_regs *regs)
{
	if (is_return(regs))
		bpf_get_stackid(regs, &stacks, F_USER_STACK);
	return 0;
}

SEC("uprobe")
int stack_20(struct pt_regs *regs)
{
	if (is_return(regs))
		bpf_get_stack(regs, stack, 20 * sizeof(__u64), F_USER_STACK);
	return 0;
}

SEC("uprobe")
int stack_127(struct pt_regs *regs)
{
	if (is_return(regs))
		bpf_get_stack(regs, stack, sizeof(stack), F_USER_STACK);
	return 0;
}
