/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Loads a library that brings an allocator of its own, when told so: late LIBRARY MS. A line on
 * standard input loads it; MS milliseconds later it gives out blocks: own_malloc of libown.c.
 */
#include <dlfcn.h>
#include <time.h>

#include "expect.h"

NOIPA static void leak_late(void *(*give)(size_t))
{
	for (int i = 0; i < 10; i++)
		give(1000 + i);
}

int main(int argc, char **argv)
{
	long ms = argc > 2 ? atol(argv[2]) : 50;
	struct timespec wait = {.tv_nsec = ms * 1000000};
	void *(*give)(size_t);
	void *lib;
	char c;

	if (argc < 2 || read(0, &c, 1) != 1)
		return 1;
	lib = dlopen(argv[1], RTLD_NOW);
	*(void **)&give = lib ? dlsym(lib, "je_malloc") : NULL;
	if (!give)
		return 1;
	nanosleep(&wait, NULL);
	leak_late(give);
	if (write(1, "ok\n", 3) != 3)
		return 1;
	return read(0, &c, 1) < 0;
}
