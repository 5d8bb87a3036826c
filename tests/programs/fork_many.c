/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Children of children, each with numbers of its own. */
#include <sys/wait.h>

#include "expect.h"

NOIPA static void leak_own(int n)
{
	for (int i = 0; i < n; i++)
		malloc(10 * n);
}

int main(void)
{
	for (int i = 1; i <= 5; i++) {
		pid_t child = fork();

		if (!child) {
			expect_reset();
			leak_own(i);
			if (i % 2 == 0) {
				child = fork();
				if (!child) {
					expect_reset();
					leak_own(10 + i);
					return expect_done(0);
				}
				waitpid(child, NULL, 0);
			}
			return expect_done(0);
		}
		if (i < 4)
			waitpid(child, NULL, 0);
	}
	while (wait(NULL) > 0)
		;
	leak_own(20);
	return expect_done(0);
}
