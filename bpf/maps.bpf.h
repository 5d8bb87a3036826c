/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MEMLEAK_BPF_MAPS_BPF_H
#define MEMLEAK_BPF_MAPS_BPF_H

/* The maps, the configuration and the counters of what is lost. Weak: every object file that is
 * linked into the one that is loaded sees the same ones. */

#include "vmlinux/vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>

#include "bpf/memleak.h"
#include "bpf/slots.h"
#include "bpf/unwind.h"

/* include/uapi/asm-generic/errno-base.h */
#define E2BIG  7
#define ENOMEM 12
#define EBUSY  16
#define EEXIST 17

/* Set by the loader before the programs are loaded: the verifier drops what is switched off. */
const volatile bool trace_all __weak;	    /* -A: follow every process */
const volatile bool in_cgroup __weak;	    /* --cgroup: only those in the one of `cgroups` */
const volatile bool follow_children __weak; /* a fork's child is followed as its parent is */
const volatile bool trace_events __weak;    /* --trace */
const volatile bool count_sites __weak;	    /* -w */
const volatile __u64 min_size __weak;
const volatile __u64 max_size __weak = -1ULL;
const volatile __u32 sample_rate __weak = 1; /* see bpf/sample.h */
const volatile __u32 sample_mean __weak;
const volatile bool diagnose __weak;	   /* look for wrong frees */
const volatile bool guard __weak;	   /* ... and for those of what is no block */
const volatile bool user_functions __weak; /* --alloc-fn, --resource */
const volatile __u32 max_blocks __weak;
const volatile __u32 bucket_bits __weak; /* how many buckets there are; 0: none */
const volatile __u32 max_depth __weak = 127;
const volatile __u32 page_shift __weak = 12;
const volatile __u64 trail_secret __weak; /* makes stacks that processes name this tool's */
const volatile __u32 session __weak;	  /* of this tool, see bpf/deferred.h */
const volatile bool knows_new __weak;	  /* samples may be new there */
const volatile __u32 own_tgid __weak;	  /* the tool itself and its helper are never followed */

/* Numbers given out so far; also counted up by the loader, atomically. */
__u32 last_image __weak = 0;
__u32 last_file __weak = MEMLEAK_FILE_VDSO;

/* Not yet: the probes are placed one after the other, and all begin to count at one moment. */
bool enabled __weak = false;

/* Followed processes are traced by ptrace: a signal stops them. */
bool stop_at_libraries __weak = false;

/* Blocks may have come from functions that are not probed: what is no block cannot be told. */
bool unguarded __weak = false;

__u64 losses[MEMLEAK_LOSSES] __weak = {};

/* By MEMLEAK_ADDRESS_SLOT: how many blocks there are, where only a part is followed. */
__u32 addresses[MEMLEAK_ADDRESS_SLOTS] __weak __attribute__((aligned(64))) = {};

/*
 * Where only a part is followed: threads that may be in something that is, a bit for each by its
 * number (include/linux/threads.h: PID_MAX_LIMIT). To look at a thread's storage takes longer.
 */
#define MAX_THREADS (1U << 22)
__u64 engaged[MAX_THREADS / 64] __weak = {};

/* -A and --cgroup: how often probes were hit. */
__u64 hits __weak = 0;

/* How walks ended, by enum unwind_result; and how many had a frame found by frame pointer. */
__u64 walks[MEMLEAK_WALK_RESULTS] __weak = {};
__u64 walks_by_frame_pointer __weak = 0;

/* Live blocks: see bpf/slots.h. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct memleak_bucket);
} buckets __weak SEC(".maps");

/* Those that are in no bucket, and resources. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct memleak_block_key);
	__type(value, struct memleak_block);
} blocks __weak SEC(".maps");

/* Whose changes are noted (0: nobody's), and how many were so far. */
__u32 changes_image __weak = 0;
__u64 nr_changes __weak = 0;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, MEMLEAK_CHANGES);
	__type(key, __u32);
	__type(value, __u64);
} changes __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct memleak_site_key);
	__type(value, struct memleak_site);
} sites __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct memleak_wrong_key);
	__type(value, struct memleak_wrong);
} wrong_frees __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1);
	__type(key, struct memleak_freed_key);
	__type(value, struct memleak_freed);
} freed __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, __u64);
	__type(value, struct memleak_stack);
} stacks __weak SEC(".maps");

/* How many came into it so far, and at how many the loader wants to be told. */
__u64 nr_stacks __weak = 0;
__u64 stacks_wanted __weak = -1ULL;

/* How often the loader has taken some out. */
__u64 stacks_cleared __weak = 0;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 32768);
	__type(key, __u32);
	__type(value, struct memleak_process);
} processes __weak SEC(".maps");

/* Images that ended and were not collected yet, by image. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, __u32);
	__type(value, struct memleak_process);
} ended __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, MEMLEAK_MAX_FILES);
	__type(key, struct memleak_file_key);
	__type(value, __u32); /* its number */
} files __weak SEC(".maps");

/* Unwind tables: see bpf/unwind.h. Sizes are the loader's. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, MEMLEAK_MAX_FILES + 1);
	__type(key, __u32);
	__type(value, struct memleak_table);
} tables __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct unwind_page);
} pages __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, UNWIND_MAX_RULES);
	__type(key, __u32);
	__type(value, struct unwind_rule);
} rules __weak SEC(".maps");

/* value_size, not a type: libbpf 1.1 refuses the forward type that clang 14 emits for it. */
struct shard_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct unwind_shard));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__array(values, struct shard_map);
} shards __weak SEC(".maps");

/* Threads that were sent MEMLEAK_SIGNAL_LIBRARIES and have not shown it yet, by tid. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, __u32);
} signalled __weak SEC(".maps");

/* Where sites that are not libmemleak.so's have their arguments. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MEMLEAK_MAX_SITE_SPECS);
	__type(key, __u32);
	__type(value, struct memleak_site_arguments);
} site_arguments __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_CGROUP_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} cgroups __weak SEC(".maps");

#define EVENTS_BYTES (1 << 20)

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, EVENTS_BYTES);
} events __weak SEC(".maps");

/* struct memleak_trail_answer: see bpf/deferred.h. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 18);
} trails __weak SEC(".maps");
__u32 nr_trails __weak = 0;

/* What time it was last: see time_about(). Here, where other counters of a put are. */
__u64 noted_time __weak = 0;

/*
 * A program on a uprobe can be preempted, and another thread can then enter it on the same CPU.
 * From 6.13 on the kernel gives such programs private stacks, one per CPU, so that each overwrites
 * the other's: with CONFIG_PREEMPT_LAZY a few threads that allocate crash the kernel (seen on 7.3).
 * A program that has a tail call gets none. These here are never made, their maps stay empty. Two
 * maps, because the programs that use one need the same attach type.
 */
struct no_programs {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
};
struct no_programs no_session_programs __weak SEC(".maps");
struct no_programs no_uprobe_programs __weak SEC(".maps");

/* The programs that note wrong frees, made where they are looked for. */
struct no_programs wrong_session_programs __weak SEC(".maps");
struct no_programs wrong_uprobe_programs __weak SEC(".maps");

const volatile bool never __weak;

#define NO_PRIVATE_STACK(ctx, map)                                                                 \
	do {                                                                                       \
		if (never)                                                                         \
			bpf_tail_call(ctx, map, 0);                                                \
	} while (0)

static __always_inline void count_loss(enum memleak_loss reason)
{
	__sync_fetch_and_add(&losses[reason], 1);
}

/*
 * To wake the loader takes an interrupt, which costs more than all else of an event. Some can wait
 * until it reads the ring for another reason, or there are many. Behind these the kernel's own rule
 * (whoever has read all that is before is woken; Documentation/bpf/ringbuf.rst) would wake nobody,
 * so that all others do always; but where each call is traced, that rule is good enough for all.
 */
static __always_inline __u64 event_wakes(void)
{
	return trace_events ? 0 : BPF_RB_FORCE_WAKEUP;
}

static __always_inline __u64 event_waits(void)
{
	if (trace_events || bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA) > EVENTS_BYTES / 8)
		return event_wakes();
	return BPF_RB_NO_WAKEUP;
}

/* Send one event, with the @flags of bpf_ringbuf_output(); what does not fit is counted as @reason.
 */
static __always_inline int send_event(struct memleak_event *event, __u64 flags,
				      enum memleak_loss reason)
{
	if (bpf_ringbuf_output(&events, event, sizeof(*event), flags) == 0)
		return 0;
	count_loss(reason);
	return -1;
}

static __always_inline __u32 current_tgid(void)
{
	return bpf_get_current_task_btf()->tgid;
}

/* With -A and --cgroup: whether the current process, not known yet, is one to follow. The tool's
 * only child is then its helper. */
static __always_inline bool is_wanted(void)
{
	struct task_struct *task = bpf_get_current_task_btf();

	if ((__u32)task->tgid == own_tgid || (__u32)task->real_parent->tgid == own_tgid)
		return false;
	return !in_cgroup || bpf_current_task_under_cgroup(&cgroups, 0) == 1;
}

#endif
