/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What libc allocates for its caller is charged to the caller. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "expect.h"

NOIPA static void leak_strdup(void)
{
	EXPECT_VIA(strdup("hello world"), 12);
}

NOIPA static void leak_strndup(void)
{
	EXPECT_VIA(strndup("hello world", 5), 6);
}

NOIPA static void leak_asprintf(void)
{
	char *p;

	if (asprintf(&p, "%080d", 1) != 80)
		abort();
	EXPECT_VIA(p, 81);
}

/* Sizes of FILE and of its buffer are libc's own business. */
NOIPA static void read_lines(const char *path)
{
	FILE *f = fopen(path, "r");
	char *line = NULL;
	size_t size = 0;

	if (!f)
		abort();
	while (getline(&line, &size, f) > 0)
		;
	(free)(line);
	fclose(f);
}

NOIPA static void leak_getline(const char *path)
{
	FILE *f = fopen(path, "r");
	char *line = NULL;
	size_t size = 0;

	if (!f || getline(&line, &size, f) <= 0)
		abort();
	EXPECT_VIA(line, size);
	fclose(f);
}

int main(void)
{
	leak_strdup();
	leak_strndup();
	leak_asprintf();
	read_lines("/proc/self/status");
	leak_getline("/proc/self/status");
	expect.totals_unknown = true;
	return expect_done(0);
}
