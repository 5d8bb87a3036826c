// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Threads that run for ever, each with a block that only one register of it points to, and one that
 * nothing points to. Prints how many registers there are, "ready", and waits for a line.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOIPA __attribute__((noipa))

static int running;

NOIPA static void scrub(void)
{
	char rubbish[16384];

	memset(rubbish, 0, sizeof(rubbish));
	__asm__ volatile("" ::"r"(rubbish) : "memory");
}

NOIPA static void lost(void)
{
	malloc(100);
	scrub();
}

#ifdef __x86_64__

/* @move puts the address that is in rbx into a register; wherever else it may be is cleared. */
#define HOLD(name, move, again)                                                                    \
	NOIPA static void *name(void *unused)                                                      \
	{                                                                                          \
		register void *p __asm__("rbx") = malloc(100);                                     \
                                                                                                   \
		(void)unused;                                                                      \
		scrub();                                                                           \
		__asm__ volatile(move CLEAR again "lock incl %1\n2: pause\njmp 2b"                 \
				 : "+r"(p), "+m"(running)::"memory");                              \
		return NULL;                                                                       \
	}

/* The registers, and what may have been pushed below the stack pointer. */
#define CLEAR                                                                                      \
	"mov $-32, %%rcx\n1: movq $0, (%%rsp, %%rcx, 8)\ninc %%rcx\njnz 1b\n"                      \
	"xor %%eax, %%eax\nxor %%ebx, %%ebx\nxor %%edx, %%edx\nxor %%esi, %%esi\n"                 \
	"xor %%edi, %%edi\nxor %%ebp, %%ebp\nxor %%r8d, %%r8d\nxor %%r9d, %%r9d\n"                 \
	"xor %%r10d, %%r10d\nxor %%r11d, %%r11d\nxor %%r12d, %%r12d\nxor %%r13d, %%r13d\n"         \
	"xor %%r14d, %%r14d\nxor %%r15d, %%r15d\n"

HOLD(general, "movq %%rbx, %%xmm1\n", "movq %%xmm1, %%r11\npxor %%xmm1, %%xmm1\n")
HOLD(xmm, "movq %%rbx, %%xmm15\n", "")
HOLD(ymm,
     "vmovq %%rbx, %%xmm3\nvinserti128 $1, %%xmm3, %%ymm4, %%ymm7\nvpxor %%xmm3, %%xmm3, %%xmm3\n",
     "")
HOLD(zmm, "vpbroadcastq %%rbx, %%zmm31\n", "")

static int start_all(void)
{
	void *(*const all[])(void *) = {general, xmm, __builtin_cpu_supports("avx2") ? ymm : NULL,
					__builtin_cpu_supports("avx512f") ? zmm : NULL};
	pthread_t t;
	int i, n = 0;

	for (i = 0; i < 4; i++) {
		if (!all[i])
			continue;
		pthread_create(&t, NULL, all[i], NULL);
		n++;
	}
	while (__atomic_load_n(&running, __ATOMIC_SEQ_CST) < n)
		usleep(1000);
	return n;
}

#else

static int start_all(void)
{
	return 0;
}

#endif

int main(void)
{
	int n = start_all();

	lost();
	scrub();
	printf("%d\nready\n", n);
	fflush(stdout);
	return getchar() == EOF;
}
