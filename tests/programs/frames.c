// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * One allocation of MARK bytes at the end of a call chain that is hard to unwind: frames KIND. The
 * harness compares the tool's frames with gdb's at that allocation.
 */
#include <alloca.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MARK 54321
#define NOINLINE __attribute__((noinline, noclone))

static void *volatile kept;
static volatile int zero;

NOINLINE static void allocate(void)
{
	kept = malloc(MARK);
	__asm__ volatile("" ::: "memory");
}

NOINLINE static void recurse(int depth)
{
	if (depth)
		recurse(depth - 1);
	else
		allocate();
	__asm__ volatile("" ::: "memory");
}

static int compare(const void *a, const void *b)
{
	if (!kept)
		allocate();
	return *(const int *)a - *(const int *)b;
}

NOINLINE static void through_qsort(void)
{
	int v[] = {3, 1, 2};

	qsort(v, 3, sizeof(v[0]), compare);
	__asm__ volatile("" ::"m"(v));
}

NOINLINE static void through_alloca(int n)
{
	char *room = alloca(n);
	char vla[n / 2];

	memset(room, 1, n);
	memset(vla, 1, n / 2);
	allocate();
	__asm__ volatile("" ::"r"(room), "r"(vla) : "memory");
}

NOINLINE static void through_big_frame(void)
{
	char room[1 << 20];

	memset(room, 1, sizeof(room));
	allocate();
	__asm__ volatile("" ::"r"(room) : "memory");
}

/* Realigns its stack: the CFA is found through another register. */
NOINLINE static void through_realigned(int n)
{
	char vector[64] __attribute__((aligned(64)));
	char *room = alloca(n);

	memset(vector, n, sizeof(vector));
	memset(room, n, n);
	allocate();
	__asm__ volatile("" ::"r"(vector), "r"(room) : "memory");
}

NOINLINE static void realigned_without_alloca(int n)
{
	char vector[64] __attribute__((aligned(64)));

	memset(vector, n, sizeof(vector));
	allocate();
	__asm__ volatile("" ::"r"(vector) : "memory");
}

static void handler(int signal)
{
	(void)signal;
	allocate();
}

NOINLINE static void interrupted(void)
{
	*(volatile int *)&zero = 1;
	kill(getpid(), SIGUSR1);
	while (!kept)
		;
	__asm__ volatile("" ::: "memory");
}

NOINLINE static void through_signal(int flags)
{
	struct sigaction sa = {.sa_handler = handler, .sa_flags = flags};
	static char alt[1 << 16];
	stack_t ss = {.ss_sp = alt, .ss_size = sizeof(alt)};

	sigaltstack(&ss, NULL);
	sigaction(SIGUSR1, &sa, NULL);
	interrupted();
	__asm__ volatile("" ::: "memory");
}

/* A fault in the first instruction of a function: its row is that of the address, not of the one
 * before. */
NOINLINE static void faults(void)
{
	__asm__ volatile("ud2");
}

static sigjmp_buf back;

static void fault_handler(int signal)
{
	(void)signal;
	allocate();
	siglongjmp(back, 1);
}

NOINLINE static void through_fault(void)
{
	struct sigaction sa = {.sa_handler = fault_handler};

	sigaction(SIGILL, &sa, NULL);
	if (!sigsetjmp(back, 1))
		faults();
}

#if defined(__x86_64__)
/* Hand-written code that says how it is unwound, with a frame that moves. */
void asm_with_cfi(void (*f)(void));
__asm__(".text\n"
	".type asm_with_cfi, @function\n"
	"asm_with_cfi:\n"
	".cfi_startproc\n"
	"	pushq %rbx\n"
	"	.cfi_adjust_cfa_offset 8\n"
	"	.cfi_offset %rbx, -16\n"
	"	subq $1000, %rsp\n"
	"	.cfi_adjust_cfa_offset 1000\n"
	"	subq $8, %rsp\n"
	"	.cfi_adjust_cfa_offset 8\n"
	"	call *%rdi\n"
	"	addq $1008, %rsp\n"
	"	.cfi_adjust_cfa_offset -1008\n"
	"	popq %rbx\n"
	"	.cfi_adjust_cfa_offset -8\n"
	"	ret\n"
	".cfi_endproc\n"
	".size asm_with_cfi, .-asm_with_cfi\n");

/* And code that says nothing but keeps a frame pointer. */
void asm_without_cfi(void (*f)(void));
__asm__(".text\n"
	".type asm_without_cfi, @function\n"
	"asm_without_cfi:\n"
	"	pushq %rbp\n"
	"	movq %rsp, %rbp\n"
	"	subq $64, %rsp\n"
	"	call *%rdi\n"
	"	leave\n"
	"	ret\n"
	".size asm_without_cfi, .-asm_without_cfi\n");
#else
static void asm_with_cfi(void (*f)(void))
{
	f();
}
static void asm_without_cfi(void (*f)(void))
{
	f();
}
#endif

int main(int argc, char **argv)
{
	const char *kind = argc > 1 ? argv[1] : "plain";

	if (strcmp(kind, "plain") == 0)
		allocate();
	else if (strcmp(kind, "recursion") == 0)
		recurse(argc > 2 ? atoi(argv[2]) : 60);
	else if (strcmp(kind, "qsort") == 0)
		through_qsort();
	else if (strcmp(kind, "alloca") == 0)
		through_alloca(1000 + argc);
	else if (strcmp(kind, "big") == 0)
		through_big_frame();
	else if (strcmp(kind, "realigned") == 0)
		through_realigned(100 + argc);
	else if (strcmp(kind, "realigned_plain") == 0)
		realigned_without_alloca(100 + argc);
	else if (strcmp(kind, "signal") == 0)
		through_signal(0);
	else if (strcmp(kind, "altstack") == 0)
		through_signal(SA_ONSTACK);
	else if (strcmp(kind, "fault") == 0)
		through_fault();
	else if (strcmp(kind, "asm_cfi") == 0)
		asm_with_cfi(allocate);
	else if (strcmp(kind, "asm") == 0)
		asm_without_cfi(allocate);
	else
		return 2;
	return 0;
}
