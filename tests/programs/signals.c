/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A handler that allocates, on the thread's stack and on one of its own. */
#include <signal.h>

#include "expect.h"

static char other_stack[65536];

NOIPA static void leak_in_handler(int signal)
{
	malloc(signal == SIGUSR1 ? 210 : 220);
}

NOIPA static void interrupted(int signal)
{
	raise(signal);
	__asm__ volatile("" ::: "memory"); /* no tail call */
}

int main(void)
{
	struct sigaction action = {.sa_handler = leak_in_handler};
	stack_t stack = {.ss_sp = other_stack, .ss_size = sizeof(other_stack)};

	sigaction(SIGUSR1, &action, NULL);
	sigaltstack(&stack, NULL);
	action.sa_flags = SA_ONSTACK;
	sigaction(SIGUSR2, &action, NULL);
	for (int i = 0; i < 20; i++) {
		interrupted(SIGUSR1);
		interrupted(SIGUSR2);
	}
	return expect_done(0);
}
