/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_SYMBOL_SERVICE_H
#define MEMLEAK_SYMBOL_SERVICE_H

/* What the helper does for remote.h. */

#include "sandbox/kinds.h"
#include "sandbox/serve.h"

/* The helper's memory of modules; never freed, it ends with the process. */
struct symbol_service;

int symbol_service__create(struct symbol_service **ret);

/* SANDBOX_FIND: @context is the service. */
serve_fn symbol_service__find;
/* SANDBOX_TABLE, SANDBOX_DEMANGLE: they remember nothing. */
serve_fn symbol_service__compile;
serve_fn symbol_service__demangle;

#endif
