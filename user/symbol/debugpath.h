/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_SYMBOL_DEBUGPATH_H
#define MEMLEAK_SYMBOL_DEBUGPATH_H

/*
 * Opening the files that belong to a module, by the tool itself: the paths are its own, made of
 * what the module is known by; from the module's bytes come only a build-id and names.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "symbol/debuginfod.h"
#include "symbol/symbol.h"

enum debugpath_kind {
	DEBUGPATH_BUILD_ID, /* below /usr/lib/debug */
	DEBUGPATH_LINK,	    /* the name in .gnu_debuglink, beside the module and below there */
	DEBUGPATH_ALT,	    /* the name in .gnu_debugaltlink, from where the file is that has it */
	DEBUGPATH_FETCH,    /* from the debuginfod servers, by build-id */
	DEBUGPATH_PERF_MAP, /* of generated code */
};
#define DEBUGPATH_KINDS	       (DEBUGPATH_PERF_MAP + 1)

#define DEBUGPATH_MAX_BUILD_ID 64

struct debugpath_question {
	enum debugpath_kind kind;
	const uint8_t *build_id;
	size_t build_id_size;
	const char *name;
	bool from_module; /* DEBUGPATH_ALT: the module has the link, not its debug file */
	uint32_t nth;	  /* the place to begin at, of those where it may be, from 0 */
};

/*
 * A descriptor, with @q->nth set to the place where it is; -ERANGE where it is at none any more.
 * *@ours: nobody but root or we can have made it.
 */
typedef int debugpath_fn(void *context, struct debugpath_question *q, bool *ours);

/* What is known of the module, beside what it says of itself; zero and -1 at first. */
struct debugpath {
	struct symbol_source source; /* borrowed */
	const char *shown;
	struct debuginfod *debuginfod; /* NULL: ask nobody */
	bool tell;
	int last; /* a copy of the last debug file's descriptor; -1: none */
};

/* A debugpath_fn: @context is a struct debugpath. Believes nothing of what it is asked. */
int debugpath__open(void *context, struct debugpath_question *q, bool *ours);

void debugpath__release(struct debugpath *p);

#endif
