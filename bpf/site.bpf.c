// SPDX-License-Identifier: GPL-2.0
/*
 * Sites in allocators: the third source of the same events. What other probes find out at the two
 * ends of a call is said here at one place, by whoever makes the call: a pointer, a size, and the
 * bytes that a block stands for if the process has drawn it itself.
 */
#include "bpf/arguments.bpf.h"
#include "bpf/deferred.bpf.h"
#include "bpf/mapping.bpf.h"
#include "bpf/process.bpf.h"
#include "bpf/wrong_free.bpf.h"

char LICENSE[] SEC("license") = "GPL";

#if defined(__TARGET_ARCH_x86)
#define PT_REGS_WORDS  (sizeof(struct pt_regs) / 8)
#define SITE_PARM5(x)  ((x)->r8)
#define SITE_PARM6(x)  ((x)->r9)
#define SITE_PARM7(x)  ((x)->r10)
#define SITE_PARM8(x)  ((x)->r11)
#define SITE_PARM9(x)  ((x)->ax)
#define SITE_PARM10(x) ((x)->sp + 32) /* where it is */
#define SITE_PARM11(x) ((x)->sp + 40)
#elif defined(__TARGET_ARCH_arm64)
#define PT_REGS_WORDS  (sizeof(struct user_pt_regs) / 8)
#define SITE_PARM5(x)  ((x)->user_regs.regs[4])
#define SITE_PARM6(x)  ((x)->user_regs.regs[5])
#define SITE_PARM7(x)  ((x)->user_regs.regs[6])
#define SITE_PARM8(x)  ((x)->user_regs.regs[7])
#define SITE_PARM9(x)  ((x)->user_regs.regs[8])
#define SITE_PARM10(x) ((x)->user_regs.sp + 8)
#define SITE_PARM11(x) ((x)->user_regs.sp + 16)
#endif

#define NO_INDEX 0xff

struct site {
	__u64 pointer, size, weight;
	__u64 info;  /* libmemleak.so's: MEMLEAK_SITE_INFO */
	__u64 frame; /* the same; 0: another's */
	__u8 guarded;
};

/* A register by its number: the verifier takes no variable offset into the context. */
static __always_inline __u64 site_register(struct pt_regs *regs, __u32 number)
{
	__u64 value = 0, word = number;

	UNWIND_BARRIER(word);
	if (word >= PT_REGS_WORDS)
		return 0;
	bpf_probe_read_kernel(&value, sizeof(value), (__u64 *)regs + word);
	return value;
}

static __always_inline __u64 site_narrow(__u64 value, struct memleak_argument *a)
{
	__u32 unused = (64 - a->bits) & 63;

	value <<= unused;
	return a->is_signed ? (__u64)((__s64)value >> unused) : value >> unused;
}

static __always_inline __u64 site_argument(struct pt_regs *regs, struct memleak_argument *a)
{
	__u64 value = 0, at;

	if (a->kind == MEMLEAK_ARGUMENT_CONSTANT)
		return a->offset;
	if (a->kind == MEMLEAK_ARGUMENT_NONE)
		return 0;
	at = site_register(regs, a->base);
	if (a->kind == MEMLEAK_ARGUMENT_REGISTER)
		return site_narrow(at, a);
	at += a->offset;
	if (a->index != NO_INDEX)
		at += site_register(regs, a->index) << (a->scale & 3);
	bpf_probe_read_user(&value, sizeof(value), (void *)at);
	return site_narrow(value, a);
}

/* What the site says; false where nobody knows how. */
static __always_inline bool site_read(struct pt_regs *regs, __u64 cookie, struct site *s)
{
	__u32 spec = MEMLEAK_SITE_SPEC(cookie);
	struct memleak_site_arguments *a;

	s->guarded = (cookie & MEMLEAK_SITE_GUARDED) != 0;
	if (!spec) {
		s->pointer = PT_REGS_PARM1(regs);
		s->size = PT_REGS_PARM2(regs);
		s->weight = PT_REGS_PARM3(regs);
		s->info = PT_REGS_PARM4(regs);
		s->frame = SITE_PARM5(regs);
		return true;
	}
	spec--;
	a = bpf_map_lookup_elem(&site_arguments, &spec);
	if (!a)
		return false;
	s->pointer = site_argument(regs, &a->list[0]);
	s->size = site_argument(regs, &a->list[1]);
	s->weight = site_argument(regs, &a->list[2]);
	s->info = s->frame = 0;
	return true;
}

/* Whether an allocation that another probe has seen the begin of is going on: this is a part of it.
 */
static __always_inline bool is_part(struct memleak_process *p, struct thread *t,
				    struct pt_regs *regs, __u64 cookie, struct site *s)
{
	if (!(cookie & MEMLEAK_SITE_MIXED) || !in_flight(t, &t->call, regs, p->image))
		return false;
	if (is_sizeless(&t->call))
		t->call.size += s->size;
	return true;
}

static __always_inline bool is_site_followed(struct site *s)
{
	if (s->weight && s->weight != s->size)
		return s->size >= min_size && s->size <= max_size;
	s->weight = 0;
	return is_size_followed(s->size);
}

/* The family of a block: by libmemleak.so, or by an operator of the program's own, which calls it.
 */
static __always_inline void find_family(struct thread *t, struct pt_regs *regs, struct site *s,
					struct memleak_block *b)
{
	b->family = MEMLEAK_SITE_FAMILY(s->info);
	if (s->frame && !(MEMLEAK_SITE_FLAGS(s->info) & MEMLEAK_SITE_INNER))
		b->families = 1 << b->family;
	b->slack = MEMLEAK_SITE_SLACK(s->info);
	if (is_for_new(t, regs, s->size, &b->families, &b->slack))
		b->family = t->making.family;
	t->making.sp = 0;
}

static __always_inline int site_alloc(struct pt_regs *regs, __u64 cookie)
{
	struct memleak_process *p = followed_process();
	struct memleak_block b = {};
	struct site s = {};
	struct thread *t;

	if (!p || !site_read(regs, cookie, &s) || !s.pointer)
		return 0;
	t = thread_storage(BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!t) {
		count_loss(MEMLEAK_LOSS_BLOCK_THREAD);
		return 0;
	}
	t->reallocated_addr = 0;
	if (is_part(p, t, regs, cookie, &s))
		return 0;
	if (!is_site_followed(&s)) {
		t->making.sp = 0; /* the operator that leads here, if one does */
		return 0;
	}
	b.size = s.size;
	b.weight = s.weight;
	b.time_ns = bpf_ktime_get_ns();
	find_family(t, regs, &s, &b);
	if (s.frame)
		begin_from_frame(&t->walk, regs, s.frame, MEMLEAK_SITE_CFA(s.info), p->image);
	else
		begin_from_site(&t->walk, regs, p->image);
	b.stack = walk_on(&t->walk, p->image);
	if (block_insert(p, s.pointer, &b, 0) && trace_events)
		trace_event(MEMLEAK_EVENT_ALLOC, p->image, s.pointer, b.size, b.family, b.stack,
			    t->walk.stack.frames[0]);
	return 0;
}

/* --- allocations that tell of deferred frees: see bpf/deferred.h --- */

#define CODE_MASK (UNWIND_ARM64 ? UNWIND_ARM64_CODE_MASK : -1ULL)

struct put {
	struct site site;
	__u64 freed;	  /* the block that was freed; 0: none */
	__u64 came_again; /* the block that has come again since it was told, and is live */
	__u64 detail;	  /* by whom it was freed; when it came again */
	__u64 known;	  /* the stack, by its trail; 0: it is to be walked */
};

/* All ones if @x is not 0: no branch, for the verifier sees each. */
static __always_inline __u64 all_ones_if(__u64 x)
{
	__u64 sign = x | -x;

	barrier_var(sign);
	return (__u64)((__s64)sign >> 63);
}

/* The library's own arguments, user/hook/hook.h: hook_site_put(). */
static __always_inline void read_put(struct pt_regs *regs, struct put *s)
{
	__u64 tag = SITE_PARM6(regs);
	__u64 address = MEMLEAK_CELL_ADDRESS(tag) & all_ones_if(tag);
	__u64 freed = all_ones_if(MEMLEAK_CELL_STATE(tag) ^ MEMLEAK_CELL_LIVE);
	__u64 stack = SITE_PARM9(regs);

	s->site.pointer = PT_REGS_PARM1(regs);
	s->site.size = PT_REGS_PARM2(regs);
	s->site.weight = PT_REGS_PARM3(regs);
	s->site.info = PT_REGS_PARM4(regs);
	s->site.frame = SITE_PARM5(regs);
	s->known = hide_stack(stack) & all_ones_if(stack);
	s->freed = address & freed;
	s->came_again = address & ~freed;
	s->detail = SITE_PARM7(regs);
}

/* Where the process has its cells, and what has come again before it was followed. */
static __always_inline void note_cells(struct memleak_process *p, struct pt_regs *regs)
{
	struct memleak_cells *cells = NULL;
	__u64 again[2] = {};

	if (bpf_probe_read_user(&cells, sizeof(cells), (void *)SITE_PARM11(regs)) || !cells)
		return;
	if (!bpf_probe_read_user(again, sizeof(again), &cells->again)) {
		p->strange_again = again[0];
		p->strange_again_bytes = again[1];
	}
	barrier();
	p->cells = (__u64)cells;
}

/* How many bytes the process has freed and not told of. Those of blocks that were there before it
 * was followed are none of the ones that it has here. */
static __always_inline void note_deferred(struct memleak_process *p, struct pt_regs *regs)
{
	__u64 bytes = SITE_PARM8(regs);

	if (!p->cells) {
		p->strange_bytes = bytes;
		note_cells(p, regs);
	}
	p->deferred_bytes = bytes > p->strange_bytes ? bytes - p->strange_bytes : 0;
	if (p->drawn)
		p->deferred_bytes -= own_session(p).new_bytes;
}

/* The bytes that it stood for. */
static __always_inline __u64 put_freed(struct memleak_process *p, struct pt_regs *regs,
				       struct put *s)
{
	struct memleak_block old;
	__u64 strange = 0;

	if (block_free_deferred(p, s->freed, &old)) {
		if (diagnose)
			remember_freed(p, s->freed, &old, s->detail & CODE_MASK);
		return weigh(&old).bytes;
	}
	bpf_probe_read_user(&strange, sizeof(strange), (void *)SITE_PARM10(regs));
	p->strange_bytes -= strange < p->strange_bytes ? strange : p->strange_bytes;
	return strange;
}

/*
 * What time it is, a tick and a millisecond late at most: the clock itself takes as long as two
 * frames of the walk. One word, or one thread could read what another has written half: the time,
 * and in its lower bits those of the tick in which it was taken.
 */
#define TICK_BITS ((1ULL << 20) - 1)

static __always_inline __u64 time_about(void)
{
	__u64 tick = bpf_jiffies64() & TICK_BITS, noted = *(volatile __u64 *)&noted_time;

	if ((noted & TICK_BITS) != tick) {
		noted = (bpf_ktime_get_ns() & ~TICK_BITS) | tick;
		*(volatile __u64 *)&noted_time = noted;
	}
	return noted & ~TICK_BITS;
}

/* --- trails, for who asks --- */

static __always_inline bool is_asked(const struct put *s)
{
	return MEMLEAK_SITE_FLAGS(s->site.info) & MEMLEAK_SITE_ASKS;
}

/* A function of its own, as what it needs of the stack comes on top of the walk's otherwise. */
static __noinline int begin_asked(struct memleak_process *p, struct walk *w, __u64 frame, __u32 cfa)
{
	struct memleak_cells *cells;
	__u64 epoch = 0;

	if (!p || !w)
		return 0;
	cells = (struct memleak_cells *)p->cells;
	/* Before the walk: what it finds is of this epoch, or a later one. */
	if (!bpf_probe_read_user(&epoch, sizeof(epoch), &cells->epoch))
		begin_trail(w, frame, cfa, epoch);
	return 0;
}

/* Something for the loader to write; NULL: there is no room. */
static __always_inline struct memleak_trail_answer *reserve_answer(struct memleak_process *p,
								   __u32 forgotten)
{
	struct memleak_trail_answer *a = bpf_ringbuf_reserve(&trails, sizeof(*a), 0);

	if (!a)
		return NULL;
	a->cells = p->cells;
	a->tgid = p->tgid;
	a->forgotten = forgotten;
	return a;
}

/* To wake the loader takes longer than some walks: samples, which are few, wait for each other.
 * What is not answered is asked for again. */
#define SAMPLES_ANSWERED 4

static __always_inline __u64 answer_wakes(const struct memleak_process *p)
{
	__u64 waiting = bpf_ringbuf_query(&trails, BPF_RB_AVAIL_DATA);

	return p->drawn && waiting < SAMPLES_ANSWERED * sizeof(struct memleak_trail_answer)
		       ? BPF_RB_NO_WAKEUP
		       : BPF_RB_FORCE_WAKEUP;
}

/* Where the walk has gone that is over. What finds no room is asked for again. */
static __noinline int answer(struct memleak_process *p, struct walk *w)
{
	struct memleak_trail_answer *a;

	if (!p || !w || !w->put_stack || !has_trail(w))
		return 0;
	a = reserve_answer(p, MEMLEAK_TRAIL_NONE);
	if (!a)
		return 0;
	a->way = __sync_fetch_and_add(&nr_trails, 1) & (MEMLEAK_TRAIL_WAYS - 1);
	a->trail = w->trail;
	a->trail.id = bpf_ktime_get_ns();
	a->trail.stack = hide_stack(w->put_stack);
	a->trail.session = knows_new && p->drawn ? session : 0;
	bpf_ringbuf_submit(a, answer_wakes(p));
	return 0;
}

/* The block at @addr is not in the table, or without its stack: what comes again there must be told
 * of. */
static __noinline int forget_trail(struct memleak_process *p, __u64 addr)
{
	struct memleak_trail_answer *a = p ? reserve_answer(p, MEMLEAK_CELL_OF(addr)) : NULL;

	if (a)
		bpf_ringbuf_submit(a, BPF_RB_FORCE_WAKEUP);
	return 0;
}

/* Stacks that were named and are in the table, by their stack_bits(). */
#define NAMED_STACKS_BITS 9
__u64 named_stacks[1 << NAMED_STACKS_BITS] __weak = {};

/* Whether the stack that a process has named is one of this tool's still. */
static __noinline int is_in_table(__u64 stack)
{
	__u64 *named = &named_stacks[stack >> (64 - NAMED_STACKS_BITS)];
	__u64 bits = stack_bits(stack);

	if (!stack)
		return 0;
	if (*(volatile __u64 *)named == bits)
		return 1;
	if (!bpf_map_lookup_elem(&stacks, &stack))
		return 0;
	*(volatile __u64 *)named = bits;
	return 1;
}

/*
 * The stack of the put into walk->put_stack, and walk->stack.flags. By way of memory, of which the
 * verifier knows nothing: or it would look at all that follows once for each way to it.
 */
static __always_inline void walk_put(struct memleak_process *p, struct pt_regs *regs,
				     struct walk *w, struct put *s)
{
	__u32 cfa = MEMLEAK_SITE_CFA(s->site.info);

	if (is_in_table(s->known)) {
		w->put_stack = s->known;
		w->stack.flags = 0;
		return;
	}
	begin_from_frame(w, regs, s->site.frame, cfa, p->image);
	if (is_asked(s))
		begin_asked(p, w, s->site.frame, cfa);
	w->put_stack = walk_on(w, p->image);
	if (is_asked(s))
		answer(p, w);
}

/* The block that was new, and is told of by @s. */
static __always_inline void read_late(const struct put *s, struct memleak_block *b)
{
	b->size = s->site.size;
	b->weight = s->site.weight;
	b->time_ns = not_later(s->detail, bpf_ktime_get_ns());
	b->stack = s->known;
	b->family = MEMLEAK_SITE_FAMILY(s->site.info);
	if (!(MEMLEAK_SITE_FLAGS(s->site.info) & MEMLEAK_SITE_INNER))
		b->families = 1 << b->family;
	b->slack = MEMLEAK_SITE_SLACK(s->site.info);
	b->deferrable = MEMLEAK_SITE_GENERATION(s->site.info);
}

static __always_inline int site_put(struct pt_regs *regs)
{
	struct memleak_process *p = followed_process();
	struct memleak_block b = {};
	struct put s = {};
	struct thread *t;
	bool again, kept, good;
	__u64 told = 0;

	if (!p)
		return 0;
	read_put(regs, &s);
	if (p->cells && MEMLEAK_SITE_FLAGS(s.site.info) & MEMLEAK_SITE_LOW)
		count_low(p, time_about());
	if (MEMLEAK_SITE_FLAGS(s.site.info) & MEMLEAK_SITE_LATE) {
		note_deferred(p, regs);
		read_late(&s, &b);
		return s.site.frame == session ? block_insert_late(p, s.site.pointer, &b, true) : 0;
	}
	if (s.came_again)
		block_came_again(p, s.came_again, s.detail);
	t = s.site.pointer ? thread_storage(BPF_LOCAL_STORAGE_GET_F_CREATE) : NULL;
	if (s.site.pointer && !t)
		count_loss(MEMLEAK_LOSS_BLOCK_THREAD);
	/* The usual way: an address is handed out again, by who has freed it or another. */
	again = t && s.freed == s.site.pointer && MEMLEAK_SITE_GENERATION(s.site.info);
	if (s.freed && !again)
		told = put_freed(p, regs, &s);
	note_deferred(p, regs);
	if (!t)
		return 0;
	t->reallocated_addr = 0;
	if (is_part(p, t, regs, MEMLEAK_SITE_MIXED, &s.site) || !is_site_followed(&s.site)) {
		t->making.sp = 0;
		if (again)
			put_freed(p, regs, &s);
		return 0;
	}
	b.size = s.site.size;
	b.weight = s.site.weight;
	if (MEMLEAK_SITE_FLAGS(s.site.info) & MEMLEAK_SITE_SAMPLE)
		p->drawn = true; /* before its trail is told */
	b.time_ns = time_about();
	find_family(t, regs, &s.site, &b);
	b.deferrable = MEMLEAK_SITE_GENERATION(s.site.info);
	walk_put(p, regs, &t->walk, &s);
	b.stack = *(volatile __u64 *)&t->walk.put_stack;
	good = b.stack && !(t->walk.stack.flags & MEMLEAK_STACK_BROKEN);
	kept = again && block_replace(p, s.site.pointer, &b);
	if (!kept && again)
		told = put_freed(p, regs, &s);
	if (!kept)
		kept = block_insert(p, s.site.pointer, &b, told);
	if (b.deferrable && (!kept || !good))
		forget_trail(p, s.site.pointer);
	return 0;
}

/* True if the free is wrong and has to be noted: then the walk of its stack is begun. */
static __always_inline bool is_wrong_site_free(struct memleak_process *p, struct thread *t,
					       struct pt_regs *regs, struct site *s,
					       struct memleak_block *b, bool is_block)
{
	__u8 flags = MEMLEAK_SITE_FLAGS(s->info);
	struct freeing f = {
		.process = p,
		.addr = s->pointer,
		.size = s->size,
		.family = MEMLEAK_SITE_FAMILY(s->info),
		.sized = flags & MEMLEAK_SITE_SIZED,
		.guarded = s->guarded,
	};

	if (is_inner_free(t, regs))
		return false;
	if (!(flags & MEMLEAK_SITE_INNER))
		f.families = 1 << f.family;
	if (flags & MEMLEAK_SITE_REALLOC)
		f.family = MEMLEAK_FAMILY_REALLOC;
	begin_from_frame(&t->walk, regs, s->frame, MEMLEAK_SITE_CFA(s->info), p->image);
	f.caller = t->walk.regs.ip;
	if (!judge(t, regs, &f, b, is_block))
		return false;
	t->wrong.is_begun = true;
	return true;
}

/* True if the free is wrong and has to be noted. */
static __always_inline bool site_free(struct pt_regs *regs, __u64 cookie)
{
	struct memleak_process *p = followed_process();
	struct memleak_block old = {};
	struct site s = {};
	bool is_block, is_realloc;
	struct thread *t;

	if (!p || !site_read(regs, cookie, &s))
		return false;
	is_block = block_free(p, s.pointer, 0, &old);
	if (is_block && trace_events)
		trace_event(MEMLEAK_EVENT_FREE, p->image, s.pointer, old.size, old.family,
			    old.stack, 0);
	is_realloc = is_block && MEMLEAK_SITE_FLAGS(s.info) & MEMLEAK_SITE_REALLOC;
	if (!s.frame || (!diagnose && !is_realloc))
		return false;
	t = thread_storage(BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!t)
		return false;
	if (is_realloc) {
		t->reallocated = old;
		t->reallocated_addr = s.pointer;
	}
	return diagnose && is_wrong_site_free(p, t, regs, &s, &old, is_block);
}

static __always_inline int site_restore(struct pt_regs *regs)
{
	struct memleak_process *p = followed_process();
	struct thread *t = thread_storage(0);
	__u64 addr = PT_REGS_PARM1(regs);

	if (!p || !t || !addr || t->reallocated_addr != addr)
		return 0;
	t->reallocated_addr = 0;
	block_restore(p, addr, &t->reallocated);
	return 0;
}

static __always_inline int site_map(struct pt_regs *regs)
{
	struct memleak_process *p = followed_process();
	__u64 info = PT_REGS_PARM4(regs);
	__u32 flags = MEMLEAK_SITE_MAP_FLAGS(info);
	struct mapping_change m = {
		.addr = PT_REGS_PARM1(regs),
		.size = PT_REGS_PARM2(regs),
		.addr2 = PT_REGS_PARM3(regs),
		.size2 = SITE_PARM6(regs),
	};
	struct thread *t;

	if (!p)
		return 0;
	switch ((__u8)info) {
	case MEMLEAK_CALL_MUNMAP:
		m.type = flags ? MEMLEAK_EVENT_MUNMAP_FAILED : MEMLEAK_EVENT_MUNMAP;
		send_mapping_event(p, &m);
		return 0;
	case MEMLEAK_CALL_MMAP:
		if (!is_mmap_followed(flags))
			return 0;
		m.type = MEMLEAK_EVENT_MMAP;
		m.size2 = flags & MAP_FIXED;
		break;
	default:
		m.type = MEMLEAK_EVENT_MREMAP;
		if (flags & MREMAP_DONTUNMAP)
			m.size = 0; /* see read_arguments() */
	}
	t = thread_storage(BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!t) {
		count_loss(MEMLEAK_LOSS_BLOCK_THREAD);
		return 0;
	}
	begin_from_frame(&t->walk, regs, SITE_PARM5(regs), MEMLEAK_SITE_CFA(info), p->image);
	walk_mapping(&t->walk, p->image, &m);
	send_mapping_event(p, &m);
	return 0;
}

SEC("uprobe")
int probe_site_alloc(struct pt_regs *regs)
{
	NO_PRIVATE_STACK(regs, &no_uprobe_programs);
	return site_alloc(regs, bpf_get_attach_cookie(regs));
}

SEC("uprobe")
int probe_site_put(struct pt_regs *regs)
{
	NO_PRIVATE_STACK(regs, &no_uprobe_programs);
	return site_put(regs);
}

/* On a site that somebody must be attached to: then frees are deferred no longer. */
SEC("uprobe")
int probe_site_nothing(struct pt_regs *regs)
{
	return 0;
}

SEC("uprobe")
int probe_site_free(struct pt_regs *regs)
{
	NO_PRIVATE_STACK(regs, &no_uprobe_programs);
	if (site_free(regs, bpf_get_attach_cookie(regs)))
		bpf_tail_call(regs, &wrong_uprobe_programs, 0);
	return 0;
}

SEC("uprobe")
int probe_site_restore(struct pt_regs *regs)
{
	NO_PRIVATE_STACK(regs, &no_uprobe_programs);
	return site_restore(regs);
}

SEC("uprobe")
int probe_site_map(struct pt_regs *regs)
{
	NO_PRIVATE_STACK(regs, &no_uprobe_programs);
	return site_map(regs);
}
