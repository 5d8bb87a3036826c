/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_PROBE_STACKS_H
#define MEMLEAK_PROBE_STACKS_H

/* The kernel's stacks as a profile has them: each is read once and kept, since a stack never
 * changes. */

#include <stdint.h>

#include "probe/files.h"
#include "profile/profile.h"

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

/* The number of the module that holds the generated code of a process: this and its pid. */
#define STACKS_JIT_MODULE 0x80000000u

#endif
