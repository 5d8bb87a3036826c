/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef FINDINGS_H
#define FINDINGS_H

/*
 * What a test program does wrong with its frees, as it says itself: each line of JSON is one
 * finding, appended to the file that the environment variable FINDINGS names.
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* A function that keeps its name, its frame and its call sites at every optimisation level. */
#define NOIPA	  __attribute__((noipa))
#define PLAINNAME extern "C" NOIPA

/* @alloc and @frees are the functions that called the allocator; NULL: no block. */
static inline void finding(const char *kind, int count, size_t bytes, const char *alloc_family,
			   const char *alloc, const char *free_family, const char *frees,
			   size_t deleted)
{
	const char *path = getenv("FINDINGS");
	char line[512], family[32] = "null", function[64] = "null";
	int n, fd;

	if (!path)
		return;
	if (alloc) {
		snprintf(family, sizeof(family), "\"%s\"", alloc_family);
		snprintf(function, sizeof(function), "\"%s\"", alloc);
	}
	n = snprintf(line, sizeof(line),
		     "{\"kind\":\"%s\",\"count\":%d,\"bytes\":%zu,\"alloc_family\":%s,"
		     "\"alloc\":%s,\"free_family\":\"%s\",\"free\":\"%s\",\"deleted_bytes\":%zu}\n",
		     kind, count, bytes, family, function, free_family, frees, deleted);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	if (fd < 0 || write(fd, line, n) != n)
		abort();
	close(fd);
}

#endif
