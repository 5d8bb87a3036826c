/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_SYMBOL_DWARFINFO_H
#define MEMLEAK_SYMBOL_DWARFINFO_H

/* Source lines and inlined calls, from the DWARF of one file. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "symbol/debugfile.h"
#include "symbol/effort.h"
#include "symbol/elffile.h"

#define DWARFINFO_MAX_LINES 256 /* functions at one address, the containing one included */

/* One function at an address: the containing one last, those inlined into it before. The strings
 * are the file's own: as mangled and as hostile as it is.
 */
struct dwarfinfo_line {
	const char *name;      /* linkage name, or name; NULL where unknown */
	const char *directory; /* the source file's, where its name is relative; NULL: none */
	const char *file;      /* NULL where unknown */
	uint32_t line;	       /* 0 where unknown */
	uint64_t start;	       /* of the containing function */
};

struct dwarfinfo;

/*
 * Take the DWARF of @file, which must outlive the object and was read from @fd: what dwz took out
 * of it is looked for from there; @is_module: it is no debug file of another. 0, -ENOENT where
 * there is none that can be read, -EFBIG where it would take more memory than any real one,
 * -ENOMEM.
 */
int dwarfinfo__create(const struct elffile *file, int fd, bool is_module,
		      const struct debugfile_search *search, struct dwarfinfo **ret);
void dwarfinfo__destroy(struct dwarfinfo *d);

/*
 * What stands at @pc, innermost first. The last line is that of the containing function; where no
 * function is known there but a source line is, there is one line without a name. *@nr is 0 where
 * nothing is known. 0 or -ENOMEM.
 */
int dwarfinfo__find(struct dwarfinfo *d, uint64_t pc, struct effort *effort,
		    struct dwarfinfo_line lines[DWARFINFO_MAX_LINES], size_t *nr);

#endif
