/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stacks that come and go. Does what its standard input says, a line at a time, and answers "ok":
 *   pass FIRST COUNT   a block from each of these stacks, its size 1 + its number % 100; those whose
 *                      number ends in 7 are kept, the others freed at once
 *   fork FIRST COUNT   the same in a child, which ends
 */
#include <sys/wait.h>

#include "digits.h"

NOIPA static void digits_end(long stack)
{
	void *p = malloc(1 + stack % 100);

	if (stack % 10 != 7)
		free(p);
}

static void pass(long first, long count)
{
	long i;

	for (i = first; i < first + count; i++)
		digits_spell(i);
}

static void obey(const char *line)
{
	long first, count;

	if (sscanf(line, "pass %ld %ld", &first, &count) == 2) {
		pass(first, count);
	} else if (sscanf(line, "fork %ld %ld", &first, &count) == 2) {
		if (!fork()) {
			pass(first, count);
			_exit(0);
		}
		wait(NULL);
	} else {
		abort();
	}
}

int main(void)
{
	static char input[4096], output[64];

	setvbuf(stdin, input, _IOLBF, sizeof(input));
	setvbuf(stdout, output, _IOLBF, sizeof(output));
	for (;;) {
		char line[100];

		if (!fgets(line, sizeof(line), stdin))
			return 0;
		obey(line);
		puts("ok");
	}
}
