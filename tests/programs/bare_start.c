/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bare_start [ARG...]: start code as that of a C library without unwind information: its frame is
 * the last one, and the frame pointer holds what is no frame's address: the arguments'.
 */
#include <stdlib.h>

__attribute__((noipa)) static void *allocate(void)
{
	void *volatile p = malloc(77);

	return p;
}

int main(void)
{
	void *volatile p = allocate();

	return !p;
}

#ifdef __x86_64__
/* System V ABI, x86-64, 3.4.1; __libc_start_main(main, argc, argv, init, fini, rtld_fini, end). */
__asm__(".globl _start\n"
	"_start:\n"
	"	mov %rdx, %r9\n"
	"	mov (%rsp), %rsi\n"
	"	lea 8(%rsp), %rdx\n"
	"	mov %rdx, %rbp\n"
	"	and $-16, %rsp\n"
	"	push %rax\n"
	"	push %rsp\n"
	"	xor %r8d, %r8d\n"
	"	xor %ecx, %ecx\n"
	"	lea main(%rip), %rdi\n"
	"	call *__libc_start_main@GOTPCREL(%rip)\n"
	"	hlt\n");
#endif
