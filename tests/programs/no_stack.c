/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A signal comes while the stack pointer is 0: by what unwind information there is the rest of the
 * stack begins at address 0. never_called() is in the registers that the signal frame has.
 */
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define NOIPA __attribute__((noipa))

static char other_stack[65536];

NOIPA void never_called(void)
{
	_exit(1);
}

NOIPA static void leak_in_handler(int signal)
{
	void *volatile p = malloc(210);

	(void)signal;
	(void)p;
}

/* kill(@pid, @signal) */
void without_stack(long pid, long signal);

__asm__("	.type	without_stack, @function\n"
	"without_stack:\n"
	"	.cfi_startproc\n"
	"	mov	%rsp, %rdx\n"
	"	.cfi_def_cfa_register %rdx\n"
	"	xor	%esp, %esp\n"
	"	mov	$62, %eax\n"
	"	lea	never_called+1(%rip), %r8\n"
	"	xor	%r9d, %r9d\n"
	"	.cfi_def_cfa %rsp, 56\n"
	"	.cfi_offset %rbp, -56\n"
	"	syscall\n"
	"	nop\n"
	"	.cfi_def_cfa %rdx, 8\n"
	"	.cfi_restore %rbp\n"
	"	mov	%rdx, %rsp\n"
	"	ret\n"
	"	.cfi_endproc\n"
	"	.size	without_stack, . - without_stack\n");

int main(int argc, char **argv)
{
	struct sigaction action = {.sa_handler = leak_in_handler, .sa_flags = SA_ONSTACK};
	stack_t stack = {.ss_sp = other_stack, .ss_size = sizeof(other_stack)};

	(void)argv;
	if (argc > 1)
		never_called();
	sigaltstack(&stack, NULL);
	sigaction(SIGUSR1, &action, NULL);
	for (int i = 0; i < 20; i++)
		without_stack(getpid(), SIGUSR1);
	return 0;
}
