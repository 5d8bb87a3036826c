/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_BLOCKS_DIR_H
#define MEMLEAK_BLOCKS_DIR_H

/*
 * --blocks-dir: a folder with a file for each live block of the heap, 0xADDR.mem, that says who
 * allocated it and its size. It is brought up to date by comparing what is live with what was.
 *
 * The tool is root and the folder may be anybody's: a name that is taken is never opened for
 * writing, no link is followed, and nothing is removed but what was made here or, at the start,
 * what an earlier run of the same user has left.
 */

#include "profile/profile.h"

struct blocks_dir;

/* The folder @path, made if it is not there, emptied of the files of earlier runs. 0, or -errno
 * after a line that says why. */
int blocks_dir__open(const char *path, struct blocks_dir **ret);

/* The files stay. Says how many blocks have none, if any. NULL is accepted. */
void blocks_dir__close(struct blocks_dir *d);

/*
 * Files for the blocks of the heap that @p lists, of all its processes, and no others. Two
 * processes' blocks of one address are two lines in one file. A file that cannot be made is said
 * once, counted and tried again the next time. 0 or -ENOMEM.
 */
int blocks_dir__sync(struct blocks_dir *d, const struct profile *p);

#endif
