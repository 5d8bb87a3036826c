/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The probe sites, and the notes that tell of them in the form of <sys/sdt.h>: the address, the
 * semaphore, provider and name, and where the arguments are.
 *
 * A site is a function of its own, so that its arguments lie where the ABI puts them and nothing
 * lies in the red zone below the stack pointer, which the call into the kernel writes to. It has
 * every kind of nop that a kernel knows to make cheap; the tool chooses one (target/notes.c), and
 * aligned so, none crosses a page:
 *
 *   +0   1 byte    emulated by all kernels; the note's address
 *   +1   10 bytes  replaced by a call since Linux 7.2
 *   +11  5 bytes   replaced by a call in Linux 6.18 to 7.1
 */
	.text

	.macro NOPS
	.byte	0x90
	.byte	0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0
	.byte	0x0f, 0x1f, 0x44, 0, 0
	.endm

	.macro BEGIN function
	.globl	hook_site_\function
	.hidden	hook_site_\function
	.type	hook_site_\function, @function
	.p2align 5
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
	NOPS
	END	\function
	.endm

	.macro NOTE address, semaphore, provider, name, arguments
	.pushsection .note.stapsdt, "", @note
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
	NOTE hook_site_alloc, alloc, otel_memory, alloc, "8@%rdi 8@%rsi 8@%rdx"
	NOTE hook_site_alloc, alloc, memleak_bpf, alloc, "8@%rdi 8@%rsi 8@%rdx 8@%rcx 8@%r8"

	/* More arguments than the ABI has registers for: 15 bytes, so that the nops are all in these 32.
	 */
	BEGIN put
	movq	8(%rsp), %r10
	movq	16(%rsp), %r11
	movq	24(%rsp), %rax
	.globl	hook_nops_put
	.hidden	hook_nops_put
hook_nops_put:
	NOPS
	END put
	/* Another name whenever what bpf/deferred.h says changes: the tool may be older, or newer. */
	NOTE hook_nops_put, put, memleak_bpf, put4, "8@%rdi 8@%rsi 8@%rdx 8@%rcx 8@%r8 8@%r9 8@%r10 8@%r11 8@%rax"

	SITE free
	NOTE hook_site_free, free, otel_memory, free, "8@%rdi"
	NOTE hook_site_free, free, memleak_bpf, free, "8@%rdi 8@%rsi 8@%rdx 8@%rcx 8@%r8"
	SITE restore
	NOTE hook_site_restore, free, memleak_bpf, restore, "8@%rdi"
	SITE map
	NOTE hook_site_map, map, memleak_bpf, map, "8@%rdi 8@%rsi 8@%rdx 8@%rcx 8@%r8 8@%r9"

	/* A jump: its child returns first, on the same stack. */
	.globl	vfork
	.type	vfork, @function
vfork:
	.cfi_startproc
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 8
	call	hook_begin_vfork
	addq	$8, %rsp
	.cfi_adjust_cfa_offset -8
	jmp	*%rax
	.cfi_endproc
	.size	vfork, . - vfork

	/* Read as one array: enum hook_semaphore. */
	.pushsection .probes, "aw", @progbits
	.globl	hook_semaphores
	.hidden	hook_semaphores
	.type	hook_semaphores, @object
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
	.type	hook_cells, @object
hook_cells:
	.8byte	0
	.size	hook_cells, 8
	.popsection

	.pushsection .stapsdt.base, "aG", @progbits, .stapsdt.base, comdat
	.weak	_.stapsdt.base
	.hidden	_.stapsdt.base
_.stapsdt.base:
	.space	1
	.size	_.stapsdt.base, 1
	.popsection

	.section .note.GNU-stack, "", @progbits
