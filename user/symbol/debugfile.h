/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_SYMBOL_DEBUGFILE_H
#define MEMLEAK_SYMBOL_DEBUGFILE_H

/* Finding the files that hold the symbols and the DWARF that were taken out of a file. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "symbol/debugpath.h"
#include "symbol/elffile.h"

/* Who opens what is looked for. */
struct debugfile_search {
	debugpath_fn *open;
	void *context;
	bool fetches; /* from servers, too; otherwise it need not be asked to */
};

/*
 * The debug file of @file: by build-id below /usr/lib/debug, by the name in .gnu_debuglink beside
 * the file, in .debug/ beside it and below /usr/lib/debug; in the process's root first. A file
 * found by name must have the same build-id or, where one of them has none, the checksum that the
 * link states. 0, -ENOENT, -ENOMEM.
 */
int debugfile__find(const struct debugfile_search *s, const struct elffile *file,
		    struct elffile **ret);

/* As above from the debuginfod servers. */
int debugfile__fetch(const struct debugfile_search *s, const struct elffile *file,
		     struct elffile **ret);

/*
 * The file that dwz put the common parts of several debug files into: by @build_id, then by @name,
 * which may be relative to where the file is that names it: the module or its debug file.
 * 0, -ENOENT, -ENOMEM.
 */
int debugfile__find_alt(const struct debugfile_search *s, bool from_module, const char *name,
			const uint8_t *build_id, size_t size, struct elffile **ret);

/* The symbol table in the xz-compressed .gnu_debugdata of @file. 0, -ENOENT, -ENOMEM, -EINVAL where
 * it is damaged, -EFBIG where it is larger than any real one. */
int debugfile__unpack_mini(const struct elffile *file, struct elffile **ret);

#endif
