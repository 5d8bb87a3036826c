/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_SYMBOL_SYMTAB_H
#define MEMLEAK_SYMBOL_SYMTAB_H

/* The functions, or the variables, of one file's symbol tables, sorted by address. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "symbol/elffile.h"

struct symtab;

enum symtab_kind { SYMTAB_FUNCTIONS, SYMTAB_VARIABLES };

/*
 * Collect those of .symtab and .dynsym of the @nr files, which belong together (a file and
 * its debug file) and must outlive the table. Damaged tables give what can be read. 0 or -ENOMEM.
 */
int symtab__create(struct elffile *const *files, size_t nr, enum symtab_kind kind,
		   struct symtab **ret);
void symtab__destroy(struct symtab *t);

/* Number of symbols, each address counted once. */
size_t symtab__count(const struct symtab *t);

/*
 * The function that holds @addr: false where none does. *@name is as the file has it, mangled and
 * perhaps with a symbol version; *@start is its first address.
 */
bool symtab__find(const struct symtab *t, uint64_t addr, const char **name, uint64_t *start);

#endif
