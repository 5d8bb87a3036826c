/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_SYMBOL_REMOTE_H
#define MEMLEAK_SYMBOL_REMOTE_H

/* The look-ups of module.h, and what else needs a module's debug file, done by the helper. */

#include "sandbox/sandbox.h"
#include "symbol/debugpath.h"
#include "symbol/module.h"

struct unwind_table;

/* Lines first .. first + nr - 1; nr 0: nothing was answered. */
struct symbol_answer {
	uint32_t first, nr;
	bool keep;
};

/*
 * Ask about @nr addresses of module @id, which is at @where. Lines are appended to @lines, strings
 * interned in @strings, @answers filled as far as there are any. 0, -EOWNERDEAD (what is left stays
 * unanswered), -ENOMEM.
 */
int remote__find(struct sandbox *s, uint32_t id, struct debugpath *where,
		 const struct symbol_question *questions, size_t nr, struct profile *strings,
		 struct module_lines *lines, struct symbol_answer *answers);

/* unwind_table__compile() of the file at @where with its debug file. 0, its errors, -EOWNERDEAD. */
int remote__compile(struct sandbox *s, struct debugpath *where, struct unwind_table **ret);

/* demangle() of @name, freed with free(); NULL without memory. @name itself without a helper. */
char *remote__demangle(struct sandbox *s, const char *name);

#endif
