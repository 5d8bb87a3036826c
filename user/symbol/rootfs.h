/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_SYMBOL_ROOTFS_H
#define MEMLEAK_SYMBOL_ROOTFS_H

/* Opening files by name in a file system that somebody else fills. */

#include <stdbool.h>

/*
 * Open the regular file @path below the directory @root (a descriptor) for reading: a symbolic link
 * cannot lead out of it, and nothing but a regular file is ever opened, so that no FIFO blocks and
 * no device acts. With @follow false the last part must be no symbolic link. A descriptor or
 * -errno.
 */
int rootfs__open(int root, const char *path, bool follow);

#endif
