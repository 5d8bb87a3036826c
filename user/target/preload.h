/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_TARGET_PRELOAD_H
#define MEMLEAK_TARGET_PRELOAD_H

/* Starting a program with libmemleak.so in front of its allocator. */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct sandbox;

/* What is set in the program's environment: "NAME=VALUE", NULL behind the last. */
#define PRELOAD_VARIABLES 3

struct preload {
	char *variables[PRELOAD_VARIABLES + 1];
};

/*
 * Choose the library for the program at @path (a script: for its interpreter), which the helper
 * looks at, to be run by @uid and @gid, and sample in it every @mean bytes (0: not at all). 0 and
 * *@ret, released with preload__release; -ENOTSUP where the program would not take it, with the
 * reason in @why, of @size bytes; another -errno after one line that says why.
 */
int preload__choose(struct sandbox *s, const char *path, uid_t uid, gid_t gid, uint32_t mean,
		    struct preload *ret, char *why, size_t size);
void preload__release(struct preload *p);

/*
 * Every how many bytes the library draws a sample in process @pid, if it has that: what it was
 * started with as MEMLEAK_SAMPLE_BYTES; 0: it draws none. 0 too where that cannot be read, or not
 * any more: programs that name themselves write over it.
 */
uint32_t preload__mean(pid_t pid);

#endif
