// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mappings N: that many mappings that stay apart, and one block lost among them; "ready"; then, for each
 * line of its standard input, a thousand mappings more.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "expect.h"

/* Neighbours of unlike protection are not merged. */
static void map(long n)
{
	char *p = mmap(NULL, 4096 * n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	long i;

	if (p == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	for (i = 0; i < n; i += 2)
		if (mprotect(p + 4096 * i, 4096, PROT_READ)) {
			perror("mprotect");
			exit(1);
		}
}

NOIPA static void lose(void)
{
	memset(malloc(1234), 1, 1234);
}

int main(int argc, char **argv)
{
	char line[16];
	long i;

	map(argc > 1 ? atol(argv[1]) : 0);
	lose();
	puts("ready");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		for (i = 0; i < 1000; i++)
			map(1);
		puts("done");
		fflush(stdout);
	}
	return 0;
}
