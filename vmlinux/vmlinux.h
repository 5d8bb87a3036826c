/* SPDX-License-Identifier: GPL-2.0 */
#ifndef __VMLINUX_H__
#define __VMLINUX_H__

/*
 * The kernel types that bpf/ reads, and nothing else: fields are found at load time (CO-RE), so the
 * order, the gaps and the architecture do not matter. `vmlinux/check` holds every field
 * against the BTF of the running kernel.
 */

typedef unsigned char __u8;
typedef short __s16;
typedef unsigned short __u16;
typedef int __s32;
typedef unsigned int __u32;
typedef long long __s64;
typedef unsigned long long __u64;
typedef __u8 u8;
typedef __u16 u16;
typedef __s32 s32;
typedef __u32 u32;
typedef __s64 s64;
typedef __u64 u64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;
typedef _Bool bool;
typedef int pid_t;

enum { false = 0, true = 1 };

enum bpf_map_type {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PROG_ARRAY = 3,
	BPF_MAP_TYPE_CGROUP_ARRAY = 8,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_ARRAY_OF_MAPS = 12,
	BPF_MAP_TYPE_RINGBUF = 27,
	BPF_MAP_TYPE_TASK_STORAGE = 29,
};

enum {
	BPF_ANY = 0,
	BPF_NOEXIST = 1,
	BPF_EXIST = 2,
	BPF_F_NO_PREALLOC = 1,
	BPF_F_RDONLY_PROG = 128,
	BPF_F_MMAPABLE = 1024,
	BPF_F_INNER_MAP = 4096,
	BPF_LOCAL_STORAGE_GET_F_CREATE = 1,
	BPF_RB_NO_WAKEUP = 1,
	BPF_RB_FORCE_WAKEUP = 2,
	BPF_RB_AVAIL_DATA = 0,
};

/*
 * The registers that a program is handed: an ABI (arch/x86/include/asm/ptrace.h,
 * arch/arm64/include/uapi/asm/ptrace.h), so no relocation, which newer compilers turn into an
 * address that the verifier refuses to read from.
 */
#if defined(__TARGET_ARCH_x86)
struct pt_regs {
	unsigned long r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di, orig_ax, ip;
	unsigned long cs, flags, sp, ss;
};
#elif defined(__TARGET_ARCH_arm64)
struct user_pt_regs {
	__u64 regs[31];
	__u64 sp;
	__u64 pc;
	__u64 pstate;
};
struct pt_regs {
	struct user_pt_regs user_regs;
};
#endif

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
	int counter;
} atomic_t;

struct super_block {
	u32 s_dev;
	unsigned long s_flags;
};

struct inode {
	unsigned long i_ino;
	u32 i_generation;
	struct super_block *i_sb;
	atomic_t i_writecount;
};

struct timespec64 {
	s64 tv_sec;
	long tv_nsec;
};

/* When a file was changed last: since Linux 6.11, in 6.7 to 6.10, and before. */
struct inode___split {
	s64 i_mtime_sec;
	u32 i_mtime_nsec;
};

struct inode___underscored {
	struct timespec64 __i_mtime;
};

struct inode___whole {
	struct timespec64 i_mtime;
};

struct file {
	struct inode *f_inode;
};

struct xol_area {
	unsigned long vaddr;
};

struct uprobes_state {
	struct xol_area *xol_area;
};

typedef struct {
	void *vdso;
} mm_context_t;

struct seqcount {
	unsigned int sequence;
};

/* Changes to the address space are counted: at their begin and end since Linux 6.14, at the end of
 * what was done under the lock since 6.4. */
struct mm_struct___seqcount {
	struct seqcount mm_lock_seq;
};

struct mm_struct___number {
	int mm_lock_seq;
};

typedef struct {
	s64 counter;
} atomic_long_t;

struct rw_semaphore {
	atomic_long_t count;
};

struct mm_struct___lock {
	struct rw_semaphore mmap_lock;
};

/* A tree of ranges (lib/maple_tree.c), which holds the mappings of an address space. */
struct maple_tree {
	void *ma_root;
};

struct maple_range_64 {
	unsigned long pivot[15];
};

struct maple_arange_64 {
	unsigned long pivot[9];
};

struct mm_struct {
	struct maple_tree mm_mt;
	mm_context_t context;
	unsigned long start_stack;
	struct file *exe_file;
	struct uprobes_state uprobes_state;
};

struct vm_area_struct {
	unsigned long vm_start;
	unsigned long vm_end;
	unsigned long vm_flags;
	unsigned long vm_pgoff;
	struct mm_struct *vm_mm;
	struct file *vm_file;
};

struct return_instance {
	unsigned long stack;
	unsigned long orig_ret_vaddr;
	struct return_instance *next;
};

struct uprobe_task {
	struct return_instance *return_instances;
};

struct signal_struct {
	atomic_t live;
};

typedef struct {
	unsigned long sig[1];
} sigset_t;

struct task_struct {
	sigset_t blocked;
	pid_t pid;
	pid_t tgid;
	struct task_struct *real_parent;
	char comm[16];
	struct mm_struct *mm;
	struct signal_struct *signal;
	struct uprobe_task *utask;
};

struct linux_binprm {
	struct file *file;
};

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__task_vma {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	struct vm_area_struct *vma;
};

#pragma clang attribute pop

#endif
