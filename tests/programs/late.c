/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Loads a library that brings an allocator of its own, when told so: late LIBRARY [wait]. A line on
 * standard input loads it; at once, or at the next line, it gives out blocks: own_malloc of
 * libown.c.
 */
#include <dlfcn.h>

#include "expect.h"

NOIPA static void leak_late(void *(*give)(size_t))
{
	for (int i = 0; i < 10; i++)
		give(1000 + i);
}

static int answer(void)
{
	return write(1, "ok\n", 3) == 3;
}

int main(int argc, char **argv)
{
	void *(*give)(size_t);
	void *lib;
	char c;

	if (argc < 2 || read(0, &c, 1) != 1)
		return 1;
	lib = dlopen(argv[1], RTLD_NOW);
	*(void **)&give = lib ? dlsym(lib, "je_malloc") : NULL;
	if (!give)
		return 1;
	if (argc > 2 && (!answer() || read(0, &c, 1) != 1))
		return 1;
	leak_late(give);
	if (!answer())
		return 1;
	return read(0, &c, 1) < 0;
}
