/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A plugin: loaded late, leaks, goes away. Built twice, under two names. */
#include <stdlib.h>

#ifndef PLUGIN
#define PLUGIN plugin_a
#endif
#define PASTE_(a, b) a##b
#define PASTE(a, b)  PASTE_(a, b)

__attribute__((noipa)) void *PASTE(PLUGIN, _leak)(size_t n)
{
	void *p = malloc(n);
	void *volatile q = malloc(n + 1);

	free(q);
	return p;
}

void *plugin_run(size_t n)
{
	void *p = PASTE(PLUGIN, _leak)(n);

	((volatile char *)p)[0] = 1;
	return p;
}
