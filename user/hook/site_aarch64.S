/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The probe sites, and the notes that tell of them in the form of <sys/sdt.h>: the address, the
 * semaphore, provider and name, and where the arguments are.
 *
 * A site is a function of its own, so that its arguments lie where the ABI puts them.
 */
	.text

	.macro BEGIN function
	.globl	hook_site_\function
	.hidden	hook_site_\function
	.type	hook_site_\function, %function
	.p2align 4
hook_site_\function:
	.cfi_startproc
	.endm

	.macro END function
	ret
	.cfi_endproc
	.size	hook_site_\function, . - hook_site_\function
	.endm

	.macro SITE function
	BEGIN	\function
	nop
	END	\function
	.endm

	.macro NOTE address, semaphore, provider, name, arguments
	.pushsection .note.stapsdt, "", %note
	.balign	4
	.4byte	2f - 1f, 4f - 3f, 3
1:	.asciz	"stapsdt"
2:	.balign	4
3:	.8byte	\address, _.stapsdt.base, hook_\semaphore\()_semaphore
	.asciz	"\provider"
	.asciz	"\name"
	.asciz	"\arguments"
4:	.balign	4
	.popsection
	.endm

	SITE alloc
	NOTE hook_site_alloc, alloc, otel_memory, alloc, "8@x0 8@x1 8@x2"
	NOTE hook_site_alloc, alloc, memleak_bpf, alloc, "8@x0 8@x1 8@x2 8@x3 8@x4"

	/* More arguments than the ABI has registers for. */
	BEGIN put
	ldr	x8, [sp]
	.globl	hook_nops_put
	.hidden	hook_nops_put
hook_nops_put:
	nop
	END put
	/* Another name whenever what bpf/deferred.h says changes: the tool may be older, or newer. */
	NOTE hook_nops_put, put, memleak_bpf, put4, "8@x0 8@x1 8@x2 8@x3 8@x4 8@x5 8@x6 8@x7 8@x8"

	SITE free
	NOTE hook_site_free, free, otel_memory, free, "8@x0"
	NOTE hook_site_free, free, memleak_bpf, free, "8@x0 8@x1 8@x2 8@x3 8@x4"
	SITE restore
	NOTE hook_site_restore, free, memleak_bpf, restore, "8@x0"
	SITE map
	NOTE hook_site_map, map, memleak_bpf, map, "8@x0 8@x1 8@x2 8@x3 8@x4 8@x5"

	/* A jump: its child returns first, on the same stack. */
	.globl	vfork
	.type	vfork, %function
vfork:
	.cfi_startproc
	stp	x29, x30, [sp, -16]!
	.cfi_adjust_cfa_offset 16
	.cfi_rel_offset 29, 0
	.cfi_rel_offset 30, 8
	bl	hook_begin_vfork
	ldp	x29, x30, [sp], 16
	.cfi_restore 30
	.cfi_restore 29
	.cfi_adjust_cfa_offset -16
	br	x0
	.cfi_endproc
	.size	vfork, . - vfork

	/* Read as one array: enum hook_semaphore. */
	.pushsection .probes, "aw", %progbits
	.globl	hook_semaphores
	.hidden	hook_semaphores
	.type	hook_semaphores, %object
	.balign	8
hook_semaphores:
hook_alloc_semaphore:
	.2byte	0
hook_put_semaphore:
	.2byte	0
hook_free_semaphore:
	.2byte	0
hook_map_semaphore:
	.2byte	0
	.size	hook_semaphores, 8

	/* Behind them, where the tool looks for it: MEMLEAK_PUT_SEMAPHORE_TO_CELLS (bpf/deferred.h). */
	.globl	hook_cells
	.hidden	hook_cells
	.type	hook_cells, %object
hook_cells:
	.8byte	0
	.size	hook_cells, 8
	.popsection

	.pushsection .stapsdt.base, "aG", %progbits, .stapsdt.base, comdat
	.weak	_.stapsdt.base
	.hidden	_.stapsdt.base
_.stapsdt.base:
	.space	1
	.size	_.stapsdt.base, 1
	.popsection

	.section .note.GNU-stack, "", %progbits
