/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_PROBE_PATH_H
#define MEMLEAK_PROBE_PATH_H

/* What keeps the reachable blocks of one stack alive, in the terms of the kernel's tables: the
 * collector makes a profile_path of it. */

#include <stdint.h>

#include "profile/profile.h"

struct path_step {
	uint64_t addr, bytes, pointer_at;
	uint64_t stack; /* key in the kernel's stacks */
	uint32_t type;	/* in the snapshot's types; PROFILE_NONE: unknown */
	uint8_t family;
};

struct path {
	/* Whose blocks: a group of the collector. */
	uint64_t stack;
	uint8_t family;
	/* As in profile_path. */
	enum profile_root root;
	char name[16];	    /* of the register; empty: none */
	char *module;	    /* owned; NULL: none */
	uint32_t module_id; /* number of the file; PROFILE_NONE: none */
	uint64_t pc, offset, addr;
	bool interrupted;
	uint32_t thread;
	uint64_t omitted;
	uint32_t nr_steps;
	struct path_step steps[PROFILE_MAX_STEPS];
};

static inline void path__destroy(struct path *p)
{
	if (p)
		free(p->module);
	free(p);
}

#endif
