/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two plugins, one after the other, most likely at the same addresses, both gone at the end. */
#include <dlfcn.h>

#include "expect.h"

static void *run_plugin(const char *dir, const char *name, size_t n)
{
	void *(*run)(size_t);
	char path[4096];
	void *lib, *p;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	lib = dlopen(path, RTLD_NOW);
	if (!lib)
		abort();
	*(void **)&run = dlsym(lib, "plugin_run");
	if (!run)
		abort();
	p = run(n);
	dlclose(lib);
	return p;
}

int main(int argc, char **argv)
{
	char dir[4096];
	char *slash;

	(void)argc;
	snprintf(dir, sizeof(dir), "%s", argv[0]);
	slash = strrchr(dir, '/');
	if (slash)
		*slash = 0;
	for (int i = 0; i < 5; i++) {
		expect_add(run_plugin(dir, "libplugin_a.so", 410), 410, "malloc", "plugin_a_leak",
			   false);
		expect_add(run_plugin(dir, "libplugin_b.so", 420), 420, "malloc", "plugin_b_leak",
			   false);
	}
	expect.totals_unknown = true; /* the loader allocates too */
	return expect_done(0);
}
