/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_CLASSES_H
#define MEMLEAK_CLASSES_H

/* C++ classes of blocks, by the vtable that their first word points at. */

#include <stdint.h>
#include <sys/types.h>

#include "leakcheck/memory.h"
#include "probe/collect.h"

struct sandbox;

/* The readable name, by @sandbox, of the class that the vtable @vptr is of, for free(); NULL in
 * *@ret where it is none. 0 or -ENOMEM. */
int classes__name(struct sandbox *sandbox, struct memory *m, uint64_t vptr, char **ret);

/*
 * Name the classes of blocks that the process @pid has freed wrongly, as long as it lives; @reader
 * is a live thread of it. A vtable is that of the moment of the free: the destructor that ran may
 * have left its own class there. 0 or -errno.
 */
int classes__name_wrong_frees(struct sandbox *sandbox, struct collector *c, pid_t pid,
			      pid_t reader);

#endif
