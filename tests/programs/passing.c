/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stacks that come and go. Does what its standard input says, a line at a time, and answers "ok":
 *   pass FIRST COUNT   a block from each of these stacks, its size 1 + its number % 100; those whose
 *                      number ends in 7 are kept, the others freed at once
 *   keep FIRST COUNT   the same, but all are kept
 *   fork FIRST COUNT   as pass, in a child, which ends
 *   late FIRST COUNT   as pass, but for larger ones each time, and those that are freed are so in the
 *                      end: at addresses that may never be handed out again
 *   end                it ends
 */
#include <sys/wait.h>

#include "digits.h"

static void *late[1000];
static size_t nr_late, late_size;
static bool keeps;

NOIPA static void digits_end(long stack)
{
	void *p = malloc(1 + stack % 100 + (stack % 10 == 7 ? 0 : late_size));

	if (stack % 10 == 7 || keeps)
		return;
	if (late_size)
		late[nr_late++] = p;
	else
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

	/* By the same call: their stacks are the same. */
	keeps = sscanf(line, "keep %ld %ld", &first, &count) == 2;
	if (keeps || sscanf(line, "pass %ld %ld", &first, &count) == 2) {
		pass(first, count);
		keeps = false;
	} else if (sscanf(line, "fork %ld %ld", &first, &count) == 2) {
		if (!fork()) {
			pass(first, count);
			_exit(0);
		}
		wait(NULL);
	} else if (sscanf(line, "late %ld %ld", &first, &count) == 2 && count <= 1000) {
		static size_t round;

		late_size = 100 * ++round;
		pass(first, count);
		while (nr_late)
			free(late[--nr_late]);
		late_size = 0;
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

		if (!fgets(line, sizeof(line), stdin) || !strcmp(line, "end\n"))
			return 0;
		obey(line);
		puts("ok");
	}
}
