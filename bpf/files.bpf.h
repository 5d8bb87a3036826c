/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MEMLEAK_BPF_FILES_BPF_H
#define MEMLEAK_BPF_FILES_BPF_H

/*
 * Files by number. A mapped file is known by its inode, device and generation as the kernel holds
 * them (what stat() reports differs on overlayfs and btrfs); the first one to meet it gives it the
 * next number and tells user space, which opens it and learns its name.
 */

#include "bpf/maps.bpf.h"

#define VM_EXEC 0x4

/* A mapping, copied out of the kernel's structure. */
struct vma_copy {
	struct memleak_mapping mapping; /* without the file's number */
	struct memleak_file_key key;
	__u8 has_file;
	__u8 executable;
};

static __always_inline void copy_file_key(struct memleak_file_key *key, struct file *file)
{
	struct inode *inode = file->f_inode;

	key->inode = inode->i_ino;
	key->device = inode->i_sb->s_dev;
	key->generation = inode->i_generation;
}

static __always_inline void copy_vma(struct vma_copy *copy, struct vm_area_struct *vma)
{
	struct file *file = vma->vm_file;

	copy->mapping.start = vma->vm_start;
	copy->mapping.end = vma->vm_end;
	copy->mapping.offset = vma->vm_pgoff << page_shift;
	copy->executable = !!(vma->vm_flags & VM_EXEC);
	copy->has_file = 0;
	if (!file)
		return;
	copy->has_file = 1;
	copy_file_key(&copy->key, file);
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

/* Tell user space of a file that the current process has mapped, once. */
static __always_inline void announce_file(struct memleak_mapping *m)
{
	__u32 file = m->file;
	struct memleak_table *table = bpf_map_lookup_elem(&tables, &file);
	struct memleak_event event = {.type = MEMLEAK_EVENT_FILE};

	if (!table || table->state != MEMLEAK_TABLE_UNKNOWN)
		return;
	event.tgid = current_tgid();
	event.tid = (__u32)bpf_get_current_pid_tgid();
	event.time_ns = bpf_ktime_get_ns();
	event.addr = m->start;
	event.size = m->end - m->start;
	event.file = file;
	if (!send_event(&event, MEMLEAK_LOSS_EVENT))
		table->state = MEMLEAK_TABLE_ANNOUNCED;
}

#endif
