// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Two libraries take turns at the same addresses: twins ROUNDS. The first leaks blocks of 410
 * bytes, the second of 420; which of them a block came from is told by its size alone.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void run(const char *dir, const char *name, size_t n)
{
	void *(*plugin_run)(size_t);
	char path[4096];
	void *lib;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	lib = dlopen(path, RTLD_NOW);
	if (!lib)
		abort();
	*(void **)&plugin_run = dlsym(lib, "plugin_run");
	if (!plugin_run)
		abort();
	plugin_run(n);
	dlclose(lib);
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 100;
	char dir[4096];
	char *slash;

	snprintf(dir, sizeof(dir), "%s", argv[0]);
	slash = strrchr(dir, '/');
	if (slash)
		*slash = 0;
	for (int i = 0; i < rounds; i++) {
		run(dir, "libplugin_a.so", 410);
		run(dir, "libplugin_b.so", 420);
	}
	return 0;
}
