/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_SYMBOL_MODULES_H
#define MEMLEAK_SYMBOL_MODULES_H

/* The modules that were asked about, by number. */

#include "symbol/module.h"

struct modules;

/* 0 or -ENOMEM. */
int modules__create(struct modules **ret);
void modules__destroy(struct modules *m);

/* NULL where it is not there. */
struct module *modules__get(const struct modules *m, uint32_t id);

/* module__create() under a new number. 0 or -ENOMEM. */
int modules__add(struct modules *m, uint32_t id, const struct symbol_source *source, bool tell,
		 struct module **ret);

#endif
