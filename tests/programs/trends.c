// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * trends: after a line of input, until it is killed, a stack that loses blocks, a cache of bounded
 * size whose oldest block makes room for the next one, and a table that grows for a second and
 * stays as it is then.
 */
#include <stdlib.h>
#include <unistd.h>

#define NOIPA  __attribute__((noipa))

#define CACHED 20
#define ROUNDS 50 /* that the table grows in */

static void *volatile cache[CACHED], *volatile table[ROUNDS];
static void *volatile last;

NOIPA static void trends_lose(void)
{
	last = malloc(100);
}

NOIPA static void trends_cache(unsigned int round)
{
	free(cache[round % CACHED]);
	cache[round % CACHED] = malloc(200);
}

NOIPA static void trends_table(unsigned int round)
{
	if (round < ROUNDS)
		table[round] = malloc(300);
}

int main(void)
{
	unsigned int round;
	char c;

	while (read(STDIN_FILENO, &c, 1) == 1 && c != '\n')
		;
	for (round = 0;; round++) {
		trends_lose();
		trends_cache(round);
		trends_table(round);
		usleep(20000);
	}
}
