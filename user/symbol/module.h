/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_SYMBOL_MODULE_H
#define MEMLEAK_SYMBOL_MODULE_H

/* One module: everything that is known about its addresses, read when first asked for. */

#include <stdbool.h>
#include <stdint.h>

#include "profile/profile.h"
#include "symbol/debugfile.h"
#include "symbol/symbol.h"
#include "util/vector.h"

struct module;

struct module_lines {
	VECTOR(struct profile_line) v;
};

/* What is asked about an address. */
struct symbol_question {
	uint64_t pc;
	bool interrupted; /* as profile_location has it */
	bool variable;	  /* which variable is it of, rather than which function */
};

/* A module of @source, whose strings need not live on; its descriptor must. With @tell, what takes
 * long is said. 0 or -ENOMEM. */
int module__create(const struct symbol_source *source, bool tell, struct module **ret);
void module__destroy(struct module *m);

/*
 * Append what stands at an address to @lines: at least one line, a nameless one if nothing is
 * known. Debug files come through @search. Strings are interned in @strings. *@keep is false where
 * a later look-up may find more. 0 or -ENOMEM.
 */
int module__find(struct module *m, const struct debugfile_search *search,
		 const struct symbol_question *q, struct profile *strings,
		 struct module_lines *lines, bool *keep);

#endif
