// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * An array of 200,000 pointers, 2,000 of them to blocks, that is moved to and fro by realloc until
 * a line comes. Prints "ready" before.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#define NR 200000

static void **volatile array, *volatile wall;

int main(void)
{
	struct pollfd input = {.events = POLLIN};
	int i;

	array = calloc(NR, sizeof(*array));
	for (i = 0; i < NR; i += 100)
		array[i] = malloc(40);
	puts("ready");
	fflush(stdout);
	while (!poll(&input, 1, 0)) {
		array = realloc(array, (NR + 50000) * sizeof(*array));
		/* Somebody else behind it: it cannot grow where it is. */
		free(wall);
		wall = malloc(64);
		array = realloc(array, NR * sizeof(*array));
	}
	return 0;
}
