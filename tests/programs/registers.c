// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Threads that run for ever, each with a block that only one register of it points to, and one that
 * nothing points to. Prints how many registers there are, "ready", and waits for a line.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOIPA __attribute__((noipa))

static pthread_barrier_t barrier;

NOIPA static void *block(void)
{
	return malloc(100);
}

NOIPA static void scrub(void)
{
	char rubbish[16384];

	memset(rubbish, 0, sizeof(rubbish));
	__asm__ volatile("" ::"r"(rubbish) : "memory");
}

NOIPA static void lost(void)
{
	memset(block(), 1, 100);
}

#ifdef __x86_64__

/* What is between the block's address in rax and the loop. */
#define HOLD(name, move)                                                                           \
	NOIPA static void *name(void *unused)                                                      \
	{                                                                                          \
		void *p = block();                                                                 \
                                                                                                   \
		(void)unused;                                                                      \
		scrub();                                                                           \
		pthread_barrier_wait(&barrier);                                                    \
		__asm__ volatile(move "\n1: pause\njmp 1b" : "+a"(p)::"memory");                   \
		return NULL;                                                                       \
	}

/* Whatever else may have the address. */
#define ALONE                                                                                      \
	"xor %%eax, %%eax\nxor %%ebx, %%ebx\nxor %%ecx, %%ecx\nxor %%edx, %%edx\n"                 \
	"xor %%esi, %%esi\nxor %%edi, %%edi\nxor %%ebp, %%ebp\nxor %%r8d, %%r8d\n"                 \
	"xor %%r9d, %%r9d\nxor %%r10d, %%r10d\nxor %%r11d, %%r11d\nxor %%r12d, %%r12d\n"           \
	"xor %%r13d, %%r13d\nxor %%r14d, %%r14d\nxor %%r15d, %%r15d\n"

HOLD(general, "movq %%rax, %%xmm1\n" ALONE "movq %%xmm1, %%r11\npxor %%xmm1, %%xmm1")
HOLD(xmm, "movq %%rax, %%xmm15\n" ALONE)
HOLD(ymm, "vmovq %%rax, %%xmm3\nvinserti128 $1, %%xmm3, %%ymm4, %%ymm7\nvpxor %%xmm3, %%xmm3, "
	  "%%xmm3\n" ALONE)
HOLD(zmm, "vpbroadcastq %%rax, %%zmm31\n" ALONE)

static int start_all(pthread_barrier_t *b)
{
	void *(*const all[])(void *) = {general, xmm, __builtin_cpu_supports("avx2") ? ymm : NULL,
					__builtin_cpu_supports("avx512f") ? zmm : NULL};
	pthread_t t;
	int i, n = 0;

	for (i = 0; i < 4; i++)
		n += !!all[i];
	pthread_barrier_init(b, NULL, n + 1);
	for (i = 0; i < 4; i++)
		if (all[i])
			pthread_create(&t, NULL, all[i], NULL);
	pthread_barrier_wait(b);
	return n;
}

#else

static int start_all(pthread_barrier_t *b)
{
	(void)b;
	return 0;
}

#endif

int main(void)
{
	int n = start_all(&barrier);

	lost();
	scrub();
	printf("%d\nready\n", n);
	fflush(stdout);
	return getchar() == EOF;
}
