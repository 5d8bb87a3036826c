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
#include <sys/auxv.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define MARK	 54321
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
#if defined(__x86_64__)
	__asm__ volatile("ud2");
#elif defined(__aarch64__)
	__asm__ volatile("udf #0");
#else
	raise(SIGILL);
#endif
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
#elif defined(__aarch64__)
void asm_with_cfi(void (*f)(void));
__asm__(".text\n"
	".type asm_with_cfi, %function\n"
	"asm_with_cfi:\n"
	".cfi_startproc\n"
	"	str x30, [sp, #-16]!\n"
	"	.cfi_adjust_cfa_offset 16\n"
	"	.cfi_offset x30, -16\n"
	"	sub sp, sp, #1008\n"
	"	.cfi_adjust_cfa_offset 1008\n"
	"	blr x0\n"
	"	add sp, sp, #1008\n"
	"	.cfi_adjust_cfa_offset -1008\n"
	"	ldr x30, [sp], #16\n"
	"	.cfi_adjust_cfa_offset -16\n"
	"	.cfi_restore x30\n"
	"	ret\n"
	".cfi_endproc\n"
	".size asm_with_cfi, .-asm_with_cfi\n");

void asm_without_cfi(void (*f)(void));
__asm__(".text\n"
	".type asm_without_cfi, %function\n"
	"asm_without_cfi:\n"
	"	stp x29, x30, [sp, #-16]!\n"
	"	mov x29, sp\n"
	"	sub sp, sp, #64\n"
	"	blr x0\n"
	"	mov sp, x29\n"
	"	ldp x29, x30, [sp], #16\n"
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

/* A signal that comes while the kernel's code in every process, vdso(7), is executed. */
static void vdso_handler(int signal, siginfo_t *info, void *context)
{
	const ucontext_t *uc = context;
	unsigned long vdso = getauxval(AT_SYSINFO_EHDR);
#if defined(__x86_64__)
	unsigned long ip = uc->uc_mcontext.gregs[REG_RIP];
#else
	unsigned long ip = uc->uc_mcontext.pc;
#endif

	(void)signal;
	(void)info;
	if (!kept && ip > vdso && ip - vdso < 8192)
		allocate();
}

NOINLINE static void through_vdso(void)
{
	struct sigaction sa = {.sa_sigaction = vdso_handler, .sa_flags = SA_SIGINFO | SA_RESTART};
	struct itimerval often = {{0, 1000}, {0, 1000}};
	struct timespec now;

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	while (!kept)
		clock_gettime(CLOCK_MONOTONIC, &now);
	__asm__ volatile("" ::: "memory");
}

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
	else if (strcmp(kind, "vdso") == 0)
		through_vdso();
	else if (strcmp(kind, "asm_cfi") == 0)
		asm_with_cfi(allocate);
	else if (strcmp(kind, "asm") == 0)
		asm_without_cfi(allocate);
	else
		return 2;
	return 0;
}
