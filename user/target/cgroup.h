/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_TARGET_CGROUP_H
#define MEMLEAK_TARGET_CGROUP_H

/* A cgroup of version 2, and which processes are in it or below it. */

#include <stdbool.h>
#include <sys/types.h>

struct cgroup;

/* @path is a directory, or a path below /sys/fs/cgroup. 0 and *@ret; -errno after a line that says
 * why. */
int cgroup__open(const char *path, struct cgroup **ret);
void cgroup__close(struct cgroup *c);

/* Its directory. */
int cgroup__fd(const struct cgroup *c);

/* Whether @pid was in it, or below it, when it was opened. */
bool cgroup__has(const struct cgroup *c, pid_t pid);

#endif
