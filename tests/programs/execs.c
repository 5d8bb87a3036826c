/* SPDX-License-Identifier: GPL-2.0-or-later */
/* exec: counters and blocks begin afresh. Runs the program of argv[1], or itself once more. */
#include "expect.h"

NOIPA static void leak_old_image(void)
{
	for (int i = 0; i < 11; i++)
		malloc(907);
}

NOIPA static void leak_new_image(void)
{
	malloc(72);
	malloc(73);
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "again")) {
		leak_new_image();
		return expect_done(0);
	}
	leak_old_image();
	if (argc > 1)
		execvp(argv[1], argv + 1);
	else
		execlp(argv[0], argv[0], "again", NULL);
	return 99;
}
