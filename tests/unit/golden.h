/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_TESTS_GOLDEN_H
#define MEMLEAK_TESTS_GOLDEN_H

/*
 * Expected texts in files of tests/unit/golden. With UPDATE_GOLDEN=1 in the environment they are
 * written instead of compared: read the difference before it is committed. Include it after
 * cmocka.h.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

/* A path seen from the folder of the including test. */
static inline void golden_path(char *buf, size_t size, const char *test_file, const char *name)
{
	const char *slash = strrchr(test_file, '/');
	int folder = slash ? slash + 1 - test_file : 0;

	snprintf(buf, size, "%.*s%s", folder, test_file, name);
}

/* The whole file, for the caller to free(). */
static inline char *golden_read(const char *path)
{
	CLEANUP_FCLOSE FILE *f = fopen(path, "r");
	CLEANUP_FREE char *text = NULL;
	size_t length = 0;

	if (!f)
		fail_msg("cannot open %s", path);
	if (getdelim(&text, &length, '\0', f) < 0) {
		free(text);
		text = calloc(1, 1);
	}
	return TAKE_PTR(text);
}

static inline void golden_check(const char *test_file, const char *name, const char *text)
{
	CLEANUP_FREE char *expected = NULL;
	char path[512], file[128];

	snprintf(file, sizeof(file), "golden/%s", name);
	golden_path(path, sizeof(path), test_file, file);
	if (getenv("UPDATE_GOLDEN")) {
		CLEANUP_FCLOSE FILE *f = fopen(path, "w");

		if (!f || fputs(text, f) == EOF)
			fail_msg("cannot write %s", path);
		return;
	}
	expected = golden_read(path);
	assert_string_equal(text, expected);
}

#endif
