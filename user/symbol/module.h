/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_SYMBOL_MODULE_H
#define MEMLEAK_SYMBOL_MODULE_H

/* One module: everything that is known about its addresses, read when first asked for. */

#include <stdbool.h>
#include <stdint.h>

#include "profile/profile.h"
#include "symbol/debuginfod.h"
#include "symbol/symbol.h"
#include "util/vector.h"

struct module;

struct module_lines {
	VECTOR(struct profile_line) v;
};

/*
 * A module of @source, whose strings need not live on. @debuginfod may be NULL and is borrowed. 0
 * or -ENOMEM.
 */
int module__create(const struct symbol_source *source, struct debuginfod *debuginfod, bool tell,
		   struct module **ret);
void module__destroy(struct module *m);

/*
 * Append what stands at @pc to @lines: at least one line, a nameless one if nothing is known.
 * Strings are interned in @strings. *@keep is false where a later look-up may find more. 0 or
 * -ENOMEM.
 */
int module__find(struct module *m, uint64_t pc, bool interrupted, struct profile *strings,
		 struct module_lines *lines, bool *keep);

/*
 * The variable that holds @addr of the module: *@name, interned in @strings, and how far into it;
 * NULL where there is none. 0 or -ENOMEM.
 */
int module__find_variable(struct module *m, uint64_t addr, struct profile *strings,
			  const char **name, uint64_t *offset);

#endif
