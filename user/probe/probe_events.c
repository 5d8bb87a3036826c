// SPDX-License-Identifier: GPL-2.0-or-later
#include "probe/probe_private.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "probe/deferred.h"
#include "probe/trails.h"

/* A mapping that an allocator made for itself: its caller is the library that the heap is in, or,
 * where that is the program itself, a function that does nothing else. */
static bool is_internal(struct probe *p, const struct memleak_event *e)
{
	uint32_t id = MEMLEAK_FRAME_FILE(e->frame);
	const struct file *f = files__get(p->files, id);
	uint64_t call = MEMLEAK_FRAME_OFFSET(e->frame) - 1;
	size_t i;

	if (!f || !f->allocator.has_heap)
		return false;
	for (i = 0; i < f->allocator.internals.count; i++)
		if (call >= f->allocator.internals.items[i].start &&
		    call < f->allocator.internals.items[i].end)
			return true;
	return id != e->file;
}

/* The kernel side does not know whose mapping it was. */
static void count_stack_losses(struct probe *p, uint8_t flags)
{
	__u64 *losses = p->skeleton->bss->losses;

	if (flags & MEMLEAK_STACK_TRUNCATED)
		__atomic_fetch_add(&losses[MEMLEAK_LOSS_TRUNCATED], 1, __ATOMIC_RELAXED);
	if (flags & MEMLEAK_STACK_BROKEN)
		__atomic_fetch_add(&losses[MEMLEAK_LOSS_BROKEN], 1, __ATOMIC_RELAXED);
}

static int handle_mapping(struct probe *p, const struct memleak_event *e)
{
	struct mapping m = {.image = e->image, .stack = e->stack, .time_ns = e->time_ns};

	if ((e->type == MEMLEAK_EVENT_MMAP && !is_internal(p, e)) ||
	    e->type == MEMLEAK_EVENT_MREMAP)
		count_stack_losses(p, e->stack_flags);

	switch (e->type) {
	case MEMLEAK_EVENT_MMAP:
		if (is_internal(p, e))
			return 0;
		m.start = e->addr;
		m.asked_end = e->addr + e->size;
		return mappings__map(&p->mappings, &m);
	case MEMLEAK_EVENT_MUNMAP:
		return mappings__unmap(&p->mappings, e->image, e->addr, e->size, e->tid);
	case MEMLEAK_EVENT_MUNMAP_FAILED:
		return mappings__undo_unmap(&p->mappings, e->tid);
	case MEMLEAK_EVENT_MREMAP:
		m.start = e->addr2;
		m.asked_end = e->addr2 + e->size2;
		return mappings__move(&p->mappings, e->addr, e->size, &m);
	}
	return 0;
}

static int note_grown(struct probe *p, const struct memleak_event *e)
{
	struct grown g = {.pid = e->tgid, .since_ns = e->time_ns};
	int err;

	if (hash__get(&p->grown_index, e->tgid, 0) != HASH_NONE)
		return 0;
	err = vector_push(&p->grown, g);
	return err ? err : hash__set(&p->grown_index, e->tgid, 0, p->grown.count - 1);
}

int probe__handle_event(void *context, void *data, size_t size)
{
	struct probe *p = context;
	const struct memleak_event *e = data;
	struct memleak_vma vma = {
		.mapping = {.start = e->addr, .end = e->addr + e->size, .file = e->file},
		.tgid = e->tgid,
	};
	int err = 0;

	if (size < sizeof(*e))
		return 0;
	switch (e->type) {
	case MEMLEAK_EVENT_FILE:
		return probe__learn_mapping(p, &vma);
	case MEMLEAK_EVENT_PROCESS:
		/* A static program has no loader that tells of it. Whom ptrace traces was seen. */
		if (!p->skeleton->bss->stop_at_libraries) {
			err = e->addr ? probe__renew(p, e->tgid) : 0;
			if (!err)
				err = note_grown(p, e);
		}
		return err ? err : probe__note_exe(p, e->image, e->tgid);
	case MEMLEAK_EVENT_LIBRARIES:
		return note_grown(p, e);
	case MEMLEAK_EVENT_STACKS:
		return 0; /* that there was an event is all there is to it */
	case MEMLEAK_EVENT_EXEC:
		hash__remove(&p->exes, e->image, 0);
		return hash__set(&p->replaced_images, e->image, 0, 0);
	case MEMLEAK_EVENT_SHARER_EXIT:
		return attachments__remove(p->attachments, e->tgid, e->image);
	case MEMLEAK_EVENT_EXIT:
		p->tables_stale = true;
		p->nr_exits++;
		return attachments__remove(p->attachments, e->tgid, e->image);
	case MEMLEAK_EVENT_ALLOC:
	case MEMLEAK_EVENT_FREE:
		p->options.trace(p->options.context, e);
		return 0;
	default:
		return handle_mapping(p, e);
	}
}

/* Whether the kernel's table has the stack that @a tells a process of: it may have been cleared. */
static bool has_stack(const struct probe *p, const struct deferred_tool *tool,
		      const struct memleak_trail_answer *a)
{
	uint64_t key = a->trail.stack ^ tool->secret;
	struct memleak_stack found;

	return !bpf_map_lookup_elem(bpf_map__fd(p->skeleton->maps.stacks), &key, &found);
}

int probe__handle_trail(void *context, void *data, size_t size)
{
	const struct memleak_trail_answer *a = data;
	const struct probe *p = context;
	const struct deferred_tool tool = probe__tool(p);

	if (size < sizeof(*a))
		return 0;
	/* What is new has its stack from there alone. */
	if (!a->trail.session || a->forgotten != MEMLEAK_TRAIL_NONE || has_stack(p, &tool, a))
		trails__answer(&tool, a);
	return 0;
}

int probe__event_fd(const struct probe *p)
{
	return ring_buffer__epoll_fd(p->ring);
}

int probe__consume(struct probe *p)
{
	int n = ring_buffer__consume(p->ring);

	if (p->grown.count)
		probe__attach_grown(p);
	return n < 0 ? n : 0;
}

bool probe__signalled(struct probe *p, pid_t tid)
{
	uint32_t key = tid;

	return bpf_map_delete_elem(bpf_map__fd(p->skeleton->maps.signalled), &key) == 0;
}
