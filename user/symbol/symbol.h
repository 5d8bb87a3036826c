/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_SYMBOL_SYMBOL_H
#define MEMLEAK_SYMBOL_SYMBOL_H

/*
 * Addresses of modules to functions, source lines and inlined calls.
 *
 * Each file is read once, at its first look-up: its symbol tables (.symtab, .dynsym, and those of
 * its separate debug file and of .gnu_debugdata) into one sorted array, its DWARF on demand. Debug
 * files are looked for by build-id and by .gnu_debuglink in the process's file system, then in
 * ours, then, where asked for, at the debuginfod servers.
 *
 * All of it belongs to whoever runs the process: names come out as UTF-8 without control
 * characters, and a file that is damaged, too large or takes too long loses names, with one
 * warning.
 *
 * In the folder: symbol.c asks, through remote.c and service.c, a module.c in the helper for each
 * file; that has the debugfile.c opened by debugpath.c, which is the tool again, reads the symtab.c
 * and the dwarfinfo.c, and demangles; perfmap.c is for generated code.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "profile/profile.h"

struct sandbox;
struct symbolizer;
struct unwind_table;

/* Where a module's bytes are. */
struct symbol_source {
	int fd;		  /* readable, borrowed for as long as the symbolizer lives; -1: none */
	const char *path; /* as the process knew it; debug files are looked for from here */
	const char *root; /* of the process's file system, "/proc/PID/root"; NULL: ours */
	pid_t jit_pid; /* not 0: no file but generated code of this process (tool's pid namespace);
			  its perf map names it */
};

/* Tell the symbolizer about the module that @id names (profile_module.id). 0 and *@ret, or -errno
 * where the module is not known. */
typedef int symbol_source_fn(void *context, uint32_t id, struct symbol_source *ret);

struct symbolizer_options {
	bool debuginfod; /* ask the servers in DEBUGINFOD_URLS for what is not on this machine */
	struct sandbox *sandbox; /* the helper that reads files; NULL: read them here, for tests */
	bool progress;		 /* say on standard error what takes longer than a second */
};

/* 0 or -ENOMEM. @source is called with @context whenever there is something to
 * look up in a module. */
int symbolizer__create(const struct symbolizer_options *options, symbol_source_fn *source,
		       void *context, struct symbolizer **ret);
void symbolizer__destroy(struct symbolizer *s);

/*
 * unwind_table__compile() of the file of @source and of its separate debug file on this machine,
 * by the helper. 0, its errors, -EOWNERDEAD where the helper died of it (which is said), -ENOMEM.
 */
int symbol__compile_table(struct sandbox *sandbox, const struct symbol_source *source,
			  struct unwind_table **ret);

/*
 * Give lines to the locations of the stacks of the first @top entries of each process of @p, which
 * is sorted, that profile__is_shown() with @kinds, or to all locations (@top UINT64_MAX); those
 * that have lines already are left as they are. What cannot be found out becomes one nameless line:
 * damaged files cost names, never the report. Results are kept, so that the next profile's same
 * addresses cost nothing. 0 or -ENOMEM.
 */
int symbolizer__resolve(struct symbolizer *s, struct profile *p, uint64_t top, uint32_t kinds);

/* The same for the locations of one stack of @p. */
int symbolizer__resolve_stack(struct symbolizer *s, struct profile *p, uint32_t stack);

#endif
