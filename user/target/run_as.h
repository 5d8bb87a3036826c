/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_TARGET_RUN_AS_H
#define MEMLEAK_TARGET_RUN_AS_H

#include <sys/types.h>

/* Whom a command runs as. */
struct run_as {
	char *name, *home;
	uid_t uid;
	gid_t gid;
};

/*
 * Look up whom the command shall run as: @name, or the user behind sudo where @name is NULL and
 * there is one. 1 and *@ret, to be released with run_as__release; 0 where it shall run as whoever
 * runs the tool; -errno after one line that says why.
 */
int run_as__find(const char *name, struct run_as *ret);
void run_as__release(struct run_as *u);

/* Become that user: groups, ids, HOME, USER, LOGNAME. For a child before exec. 0 or -errno. */
int run_as__become(const struct run_as *u);

#endif
