/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MEMLEAK_BPF_FILES_BPF_H
#define MEMLEAK_BPF_FILES_BPF_H

/*
 * Files by number. A mapped file is known by its inode, device and generation as the kernel holds
 * them (what stat() reports differs on overlayfs and btrfs) and by when it was changed last: a
 * program that is copied over another one has its inode. The first one to meet it gives it the next
 * number and tells user space, which opens it and learns its name.
 */

#include "bpf/maps.bpf.h"

#define VM_EXEC	     0x4
#define SB_KERNMOUNT (1 << 22)

/* A mapping, copied out of the kernel's structure. */
struct vma_copy {
	struct memleak_mapping mapping; /* without the file's number */
	struct memleak_file_key key;
	__u8 has_file;
	__u8 executable;
};

/*
 * A field of what @p points to, which the verifier knows to be a kernel's structure or (@known
 * false) does not; @known is a constant.
 */
#define FIELD_OF(known, p, field)                                                                  \
	({                                                                                         \
		typeof((p)->field) value;                                                          \
		if (known)                                                                         \
			value = (p)->field;                                                        \
		else                                                                               \
			value = BPF_CORE_READ(p, field);                                           \
		value;                                                                             \
	})

static __always_inline __u64 to_ns(__s64 seconds, __s64 ns)
{
	return seconds * 1000000000 + ns;
}

/*
 * While somebody may write to it, or where it is memory by a descriptor (memfd_create), its time
 * says nothing: that is how code made at run time is kept.
 */
static __always_inline __u64 changed_ns(struct inode *inode, bool known)
{
	struct super_block *super = FIELD_OF(known, inode, i_sb);
	struct inode___split *split = (void *)inode;
	struct inode___underscored *underscored = (void *)inode;
	struct inode___whole *whole = (void *)inode;

	if (FIELD_OF(known, inode, i_writecount.counter) > 0 ||
	    FIELD_OF(known, super, s_flags) & SB_KERNMOUNT)
		return 0;
	if (bpf_core_field_exists(struct inode___split, i_mtime_sec))
		return to_ns(FIELD_OF(known, split, i_mtime_sec),
			     FIELD_OF(known, split, i_mtime_nsec));
	if (bpf_core_field_exists(struct inode___underscored, __i_mtime))
		return to_ns(FIELD_OF(known, underscored, __i_mtime.tv_sec),
			     FIELD_OF(known, underscored, __i_mtime.tv_nsec));
	return to_ns(FIELD_OF(known, whole, i_mtime.tv_sec),
		     FIELD_OF(known, whole, i_mtime.tv_nsec));
}

static __always_inline void copy_file_key(struct memleak_file_key *key, struct file *file,
					  bool known)
{
	struct inode *inode = FIELD_OF(known, file, f_inode);
	struct super_block *super = FIELD_OF(known, inode, i_sb);

	key->inode = FIELD_OF(known, inode, i_ino);
	key->device = FIELD_OF(known, super, s_dev);
	key->generation = FIELD_OF(known, inode, i_generation);
	key->changed_ns = changed_ns(inode, known);
}

static __always_inline void copy_vma(struct vma_copy *copy, struct vm_area_struct *vma, bool known)
{
	struct file *file = FIELD_OF(known, vma, vm_file);

	copy->mapping.start = FIELD_OF(known, vma, vm_start);
	copy->mapping.end = FIELD_OF(known, vma, vm_end);
	copy->mapping.offset = FIELD_OF(known, vma, vm_pgoff) << page_shift;
	copy->executable = !!(FIELD_OF(known, vma, vm_flags) & VM_EXEC);
	copy->has_file = 0;
	if (!file)
		return;
	copy->has_file = 1;
	copy_file_key(&copy->key, file, known);
}

/* The number of the file, given out if it is new; 0 where there are no more. */
static __always_inline __u32 file_number(struct memleak_file_key *key)
{
	__u32 *known = bpf_map_lookup_elem(&files, key);
	__u32 fresh;

	if (known)
		return *known;
	if (last_file >= MEMLEAK_MAX_FILES - 1)
		return 0;
	fresh = __sync_fetch_and_add(&last_file, 1) + 1;
	/* Who comes second uses the number of who came first. */
	bpf_map_update_elem(&files, key, &fresh, BPF_NOEXIST);
	known = bpf_map_lookup_elem(&files, key);
	return known ? *known : 0;
}

/*
 * Tell user space of a file that the current process has mapped, once. The event is made where it
 * is sent from: what calls this has no room for it on the stack that 6.1 allows.
 */
static __always_inline void announce_file(struct memleak_mapping *m)
{
	__u32 file = m->file;
	struct memleak_table *table = bpf_map_lookup_elem(&tables, &file);
	struct memleak_event *event;

	if (!table || table->state != MEMLEAK_TABLE_UNKNOWN)
		return;
	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event) {
		count_loss(MEMLEAK_LOSS_EVENT);
		return;
	}
	__builtin_memset(event, 0, sizeof(*event));
	event->type = MEMLEAK_EVENT_FILE;
	event->tgid = current_tgid();
	event->tid = (__u32)bpf_get_current_pid_tgid();
	event->time_ns = bpf_ktime_get_ns();
	event->addr = m->start;
	event->size = m->end - m->start;
	event->file = file;
	bpf_ringbuf_submit(event, event_wakes());
	table->state = MEMLEAK_TABLE_ANNOUNCED;
}

#endif
