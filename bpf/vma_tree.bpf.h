/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MEMLEAK_BPF_VMA_TREE_BPF_H
#define MEMLEAK_BPF_VMA_TREE_BPF_H

/*
 * The mapping at an address, found without the lock of the address space: while another thread
 * changes it, bpf_find_vma() says -EBUSY, and a program in the kernel cannot wait.
 *
 * The mappings lie in a maple tree (include/linux/maple_tree.h, since Linux 6.1), whose readers
 * need no lock but RCU, under which programs on uprobes run: nodes are replaced, not changed. Each
 * is 256 bytes long: its parent, pivots, and one slot more than pivots. Slot i holds what lies
 * above pivot i - 1, up to pivot i; a pivot of 0 that is not the first ends the list.
 *
 * The mappings themselves are changed in place: where they begin, and the offset in the file with
 * it. Of one that is freed the begin is written over, since Linux 6.4. What is found is believed if
 * it begins where the tree says so, and has the same offset, before and after it is read. That
 * holds within one change; who calls this sees to it that there are no two, where the kernel counts
 * them.
 */

#include "bpf/files.bpf.h"

struct vma_tree_node {
	__u64 words[32]; /* the parent, pivots, slots */
	__u64 start;	 /* of what the node's slot holds that was taken */
};

/* MAPLE_NODE_MASK, MAPLE_NODE_TYPE_SHIFT and _MASK, enum maple_type of lib/maple_tree.c. */
#define VMA_TREE_ADDRESS(node) ((node) & ~255ULL)
#define VMA_TREE_TYPE(node)    ((node) >> 3 & 15)
#define VMA_TREE_LEAF	       1
#define VMA_TREE_ALLOCATION    3
#define VMA_TREE_NR_PIVOTS(t)  (bpf_core_field_size(((t *)0)->pivot) / sizeof(__u64))
#define VMA_TREE_MAX_PIVOTS    15
#define VMA_TREE_MAX_DEPTH     10 /* with four in each node and eight in each leaf: two millions */

/* All ones where @a < @b, which are below 2^63: no branch, for the verifier sees each. */
static __always_inline __u64 vma_tree_below(__u64 a, __u64 b)
{
	__u64 difference = a - b;

	barrier_var(difference);
	return (__u64)((__s64)difference >> 63);
}

/*
 * Where @node leads to from @addr, and where that begins. Pivots are compared by the page that they
 * end: all lie at the end of one.
 */
static __always_inline __u64 vma_tree_slot(struct vma_tree_node *node, __u64 nr_pivots, __u64 addr)
{
	__u64 page = addr >> 12, index = 0, go_on = 1;

	for (__u64 i = 0; i < VMA_TREE_MAX_PIVOTS; i++) {
		__u64 pivot = node->words[1 + i] >> 12;

		go_on &= vma_tree_below(i, nr_pivots) & vma_tree_below(pivot, page);
		if (i)
			go_on &= vma_tree_below(0, pivot);
		index += go_on;
	}
	node->words[0] = node->start - 1; /* as if it were the pivot before the first one */
	node->start = node->words[index & 15] + 1;
	return node->words[(1 + nr_pivots + index) & 31];
}

/*
 * The kernel's structure of the current process's mapping at @addr, by its address, and in @node,
 * which is room to work in, where it begins; 0: there is none, or a node was replaced meanwhile.
 *
 * This and the next one are not static, and two: of the stack that 6.1 allows hardly anything is
 * left for them.
 */
__noinline __weak __u64 vma_tree_find(struct vma_tree_node *node, __u64 addr)
{
	struct mm_struct *mm = bpf_get_current_task_btf()->mm;
	__u64 at;

	if (!node || !mm)
		return 0;
	node->start = 0;
	at = (__u64)mm->mm_mt.ma_root;
	for (int depth = 0; depth < VMA_TREE_MAX_DEPTH; depth++) {
		__u64 address = VMA_TREE_ADDRESS(at), type = VMA_TREE_TYPE(at);

		if (bpf_probe_read_kernel(node->words, sizeof(node->words), (void *)address))
			return 0;
		if (VMA_TREE_ADDRESS(node->words[0]) == address)
			return 0; /* its own parent: it is no longer in the tree */
		at = vma_tree_slot(node,
				   type == VMA_TREE_ALLOCATION
					   ? VMA_TREE_NR_PIVOTS(struct maple_arange_64)
					   : VMA_TREE_NR_PIVOTS(struct maple_range_64),
				   addr);
		if (type <= VMA_TREE_LEAF)
			return at;
	}
	return 0;
}

static __always_inline bool is_vma_at(struct vm_area_struct *vma, struct mm_struct *mm, __u64 start,
				      __u64 addr)
{
	return BPF_CORE_READ(vma, vm_mm) == mm && BPF_CORE_READ(vma, vm_start) == start &&
	       BPF_CORE_READ(vma, vm_end) > addr;
}

/*
 * Copy the mapping at @addr from what vma_tree_find() gave, which begins at @start; 0, or not where
 * it is another one.
 */
__noinline __weak int vma_tree_copy(struct vma_copy *copy, __u64 found, __u64 start, __u64 addr)
{
	struct mm_struct *mm = bpf_get_current_task_btf()->mm;
	struct vm_area_struct *vma = (void *)found;

	if (!copy || !is_vma_at(vma, mm, start, addr))
		return 1;
	copy_vma(copy, vma, false);
	return !is_vma_at(vma, mm, start, addr) ||
	       BPF_CORE_READ(vma, vm_pgoff) << page_shift != copy->mapping.offset;
}

#endif
