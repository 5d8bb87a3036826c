/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_UTIL_REPLACE_H
#define MEMLEAK_UTIL_REPLACE_H

/*
 * Files that are there in full or not at all: written under another name in the same folder,
 * brought to the disk, and only then renamed over what was there.
 */

#include <stdio.h>

/* Write the contents to @out. 0 or -errno. */
typedef int replace_fn(void *context, FILE *out);

/* Make @path the file that @write writes. 0, or -errno with whatever was at @path unchanged and
 * nothing left behind. */
int replace__file(const char *path, replace_fn *write, void *context);

/* Whether that can be: the folder is there and can be written to, and @path is nothing yet or a
 * regular file. 0 or -errno. */
int replace__check(const char *path);

/* The folder that @path is in; the caller's to free(). NULL without memory. */
char *replace__folder(const char *path);

#endif
