/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_PROBE_STACKS_H
#define MEMLEAK_PROBE_STACKS_H

/* The kernel's stacks as a profile has them: each is read once and kept for a while, since a stack
 * never changes. */

#include <stdint.h>

#include "probe/files.h"
#include "profile/profile.h"
#include "util/hash.h"

struct stacks;

/* 0 or -ENOMEM. */
int stacks__create(struct stacks **ret);
void stacks__destroy(struct stacks *s);

/* Where stacks come from, and whose they are. */
struct stacks_source {
	int stacks_fd; /* the map */
	const struct files *files;
	uint32_t tgid;
	bool frees; /* they are of calls that free */
};

/*
 * Index in @p of the stack with this key. Frames of operator new (delete) are left out, since they
 * are no callers; they tell the family where *@family says malloc. A key that is unknown or 0 gives
 * an empty stack. 0 or -ENOMEM.
 */
int stacks__add(struct stacks *s, const struct stacks_source *source, uint64_t key,
		struct profile *p, uint8_t *family, uint32_t *ret);

/* Read the stack with this key, if it is known, and keep it for good. 0 or -ENOMEM. */
int stacks__pin(struct stacks *s, int stacks_fd, uint64_t key);

/* Forget the stacks that are not pinned and whose (key, 0) is not in @needed. */
void stacks__forget(struct stacks *s, const struct hash *needed);

/*
 * Take those whose (key, 0) is not in @needed out of the kernel's table: here they are known until
 * they are forgotten. @removed: how many it were. 0, -ENOMEM or -errno.
 */
int stacks__remove(struct stacks *s, int stacks_fd, const struct hash *needed, uint32_t *removed);

/* The number of the module that holds the generated code of a process: this and its pid. */
#define STACKS_JIT_MODULE 0x80000000u

#endif
