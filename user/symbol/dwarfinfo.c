// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libdw decodes; finding is ours, because libdw's
 * - dwarf_addrdie needs .debug_aranges, which clang does not write: the ranges of all units are put
 *   into one sorted array, at the first look-up;
 * - dwarf_getscopes reads a unit from its beginning each time, and its recursion is as deep as a
 * file says: the functions of a unit are put into a sorted array at the first look-up in it, and of
 * a function's tree only the path to the address is walked, without recursion.
 *
 * References between siblings may be damaged so that parts are shared and walking takes exponential
 * time: a walk ends where it does not come to a later entry with each step. Every loop over what
 * the file holds asks the effort object.
 */
#include "symbol/dwarfinfo.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwelf.h>

#include "symbol/dwarfimage.h"
#include "symbol/intervals.h"
#include "util/cleanup.h"
#include "util/vector.h"

#define MAX_DEPTH    256	/* of nested entries */
#define MAX_RANGES   (1U << 20) /* of one entry */
#define MAX_ORIGINS  8		/* references from a function to its declaration */
#define LOWEST_START 2		/* linkers leave 0 or 1 where they dropped a function */

struct unit {
	Dwarf_Die die;
	bool indexed;
	VECTOR(Dwarf_Off) offsets;  /* of functions */
	struct intervals functions; /* indexes of offsets */
};

struct dwarfinfo {
	Dwarf *dwarf;
	struct elffile *image; /* what dwarf was made of; NULL: the file itself */
	Dwarf *alt;	       /* what dwz took out; NULL where the file names none */
	struct elffile *alt_file, *alt_image;
	bool indexed;
	VECTOR(struct unit) units;
	struct intervals ranges; /* indexes of units */
};

/* Let libdw read @file, whose bytes are in @fd, or an *@image of it. */
static int begin(const struct elffile *file, int fd, struct elffile **image, Dwarf **ret)
{
	int err;

	if (dwarfimage__is_needed(file)) {
		err = dwarfimage__create(fd, image);
		if (err)
			return err;
		file = *image;
	}
	*ret = dwarf_begin_elf(file->elf, DWARF_C_READ, NULL);
	return *ret ? 0 : -ENOENT;
}

static int begin_alt(struct dwarfinfo *d, bool from_module, const struct debugfile_search *search)
{
	const char *name;
	const void *id;
	ssize_t size = dwelf_dwarf_gnu_debugaltlink(d->dwarf, &name, &id);
	int err;

	if (size <= 0)
		return 0; /* libdw looks for none then */
	err = debugfile__find_alt(search, from_module, name, id, size, &d->alt_file);
	if (!err)
		err = begin(d->alt_file, d->alt_file->fd, &d->alt_image, &d->alt);
	if (err && err != -ENOMEM) {
		/* Otherwise libdw would go and open files by names out of this one. */
		elffile__destroy(d->alt_image);
		d->alt_image = NULL;
		err = dwarfimage__create_empty(&d->alt_image);
		if (!err)
			d->alt = dwarf_begin_elf(d->alt_image->elf, DWARF_C_READ, NULL);
	}
	if (!err && !d->alt)
		err = -ENOENT;
	if (!err)
		dwarf_setalt(d->dwarf, d->alt);
	return err;
}

static void cleanup_dwarfinfo(struct dwarfinfo **d)
{
	dwarfinfo__destroy(*d);
}

int dwarfinfo__create(const struct elffile *file, int fd, bool is_module,
		      const struct debugfile_search *search, struct dwarfinfo **ret)
{
	CLEANUP(cleanup_dwarfinfo) struct dwarfinfo *d = NULL;
	int err;

	d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	err = begin(file, fd, &d->image, &d->dwarf);
	if (!err)
		err = begin_alt(d, is_module, search);
	if (err)
		return err;
	*ret = TAKE_PTR(d);
	return 0;
}

void dwarfinfo__destroy(struct dwarfinfo *d)
{
	size_t i;

	if (!d)
		return;
	for (i = 0; i < d->units.count; i++) {
		intervals__release(&d->units.items[i].functions);
		vector_release(&d->units.items[i].offsets);
	}
	vector_release(&d->units);
	intervals__release(&d->ranges);
	dwarf_end(d->dwarf);
	dwarf_end(d->alt);
	elffile__destroy(d->alt_image);
	elffile__destroy(d->alt_file);
	elffile__destroy(d->image);
	free(d);
}

static const char *die_string(Dwarf_Die *die, unsigned int name)
{
	Dwarf_Attribute attr;

	return dwarf_attr(die, name, &attr) ? dwarf_formstring(&attr) : NULL;
}

/* The linkage name of a function or an inlined one, or else its name. */
static const char *function_name(const Dwarf_Die *function)
{
	Dwarf_Die die = *function;
	const char *plain = NULL, *s;
	int i;

	for (i = 0; i < MAX_ORIGINS; i++) {
		Dwarf_Attribute attr;
		Dwarf_Die next;

		s = die_string(&die, DW_AT_linkage_name);
		if (!s)
			s = die_string(&die, DW_AT_MIPS_linkage_name);
		if (s)
			return s;
		if (!plain)
			plain = die_string(&die, DW_AT_name);
		if (!dwarf_attr(&die, DW_AT_abstract_origin, &attr) &&
		    !dwarf_attr(&die, DW_AT_specification, &attr))
			break;
		if (!dwarf_formref_die(&attr, &next))
			break;
		die = next;
	}
	return plain;
}

/* Add the ranges of @die under @value. */
static int add_ranges(struct intervals *to, Dwarf_Die *die, uint32_t value, struct effort *effort)
{
	Dwarf_Addr base, start, end;
	ptrdiff_t at = 0;
	unsigned int i;

	for (i = 0; i < MAX_RANGES && effort__tick(effort); i++) {
		int err;

		at = dwarf_ranges(die, at, &base, &start, &end);
		if (at <= 0)
			break;
		if (start < LOWEST_START)
			continue;
		err = intervals__add(to, start, end, value);
		if (err)
			return err;
	}
	return 0;
}

enum holds { HOLDS_NOT, HOLDS, HOLDS_UNKNOWN };

/* Does @die hold @pc? HOLDS_UNKNOWN where it states no addresses. */
static enum holds holds_pc(Dwarf_Die *die, uint64_t pc, struct effort *effort)
{
	Dwarf_Addr base, start, end;
	ptrdiff_t at = 0;
	unsigned int i;

	for (i = 0; i < MAX_RANGES && effort__tick(effort); i++) {
		at = dwarf_ranges(die, at, &base, &start, &end);
		if (at <= 0)
			return i ? HOLDS_NOT : HOLDS_UNKNOWN;
		if (pc >= start && pc < end)
			return HOLDS;
	}
	return HOLDS_NOT;
}

static int index_units(struct dwarfinfo *d, struct effort *effort)
{
	Dwarf_CU *cu = NULL;
	Dwarf_Half version;
	struct unit u = {0};
	uint8_t type;
	int err;

	d->indexed = true;
	/* Without asking for a sub-entry: for that libdw would open the .dwo file by its name. */
	while (effort__tick(effort) && d->units.count < UINT32_MAX / 2 &&
	       dwarf_get_units(d->dwarf, cu, &cu, &version, &type, &u.die, NULL) == 0) {
		if ((type != DW_UT_compile && type != DW_UT_skeleton) || !u.die.addr)
			continue;
		err = vector_push(&d->units, u);
		if (!err)
			err = add_ranges(&d->ranges, &u.die, d->units.count - 1, effort);
		if (err)
			return err;
	}
	return intervals__settle(&d->ranges, INTERVALS_INNERMOST);
}

/* May functions stand below an entry of this kind? */
static bool has_functions(int tag)
{
	switch (tag) {
	case DW_TAG_namespace:
	case DW_TAG_module:
	case DW_TAG_class_type:
	case DW_TAG_structure_type:
	case DW_TAG_union_type:
	case DW_TAG_enumeration_type:
	case DW_TAG_interface_type:
	case DW_TAG_subprogram:
	case DW_TAG_lexical_block:
		return true;
	}
	return false;
}

static int add_function(struct unit *u, Dwarf_Die *die, struct effort *effort)
{
	size_t before = u->functions.v.count;
	int err;

	if (u->offsets.count >= UINT32_MAX / 2)
		return 0;
	err = add_ranges(&u->functions, die, u->offsets.count, effort);
	if (err || u->functions.v.count == before)
		return err; /* a mere declaration */
	return vector_push(&u->offsets, dwarf_dieoffset(die));
}

/* True where @die lies behind *@last, which becomes it. */
static bool advances(const Dwarf_Die *die, const void **last)
{
	bool ret = (const char *)die->addr > (const char *)*last;

	*last = die->addr;
	return ret;
}

static int index_functions(struct unit *u, struct effort *effort)
{
	Dwarf_Die path[MAX_DEPTH];
	const void *last = NULL;
	size_t depth = 0;
	int err = 0;

	u->indexed = true;
	if (dwarf_child(&u->die, &path[0]))
		return 0;
	while (!err && effort__tick(effort) && advances(&path[depth], &last)) {
		int tag = dwarf_tag(&path[depth]);

		if (tag == DW_TAG_subprogram)
			err = add_function(u, &path[depth], effort);
		if (has_functions(tag) && depth + 1 < MAX_DEPTH &&
		    dwarf_child(&path[depth], &path[depth + 1]) == 0) {
			depth++;
			continue;
		}
		while (dwarf_siblingof(&path[depth], &path[depth]) != 0)
			if (!depth--)
				return err ? err
					   : intervals__settle(&u->functions, INTERVALS_INNERMOST);
	}
	return err ? err : intervals__settle(&u->functions, INTERVALS_INNERMOST);
}

/*
 * The innermost inlined calls of @function at @pc, outermost first. Blocks that state no addresses
 * are searched too; below an entry that holds pc there is no way back.
 */
static size_t find_inlined(Dwarf_Die *function, uint64_t pc, struct effort *effort,
			   Dwarf_Die inlined[DWARFINFO_MAX_LINES - 1])
{
	Dwarf_Die path[MAX_DEPTH];
	size_t depth = 0, base = 0, nr = 0;
	const void *last = NULL;

	if (dwarf_child(function, &path[0]))
		return 0;
	while (effort__tick(effort) && advances(&path[depth], &last)) {
		int tag = dwarf_tag(&path[depth]);
		enum holds holds = HOLDS_NOT;

		if (tag == DW_TAG_inlined_subroutine || tag == DW_TAG_lexical_block ||
		    tag == DW_TAG_try_block || tag == DW_TAG_catch_block)
			holds = holds_pc(&path[depth], pc, effort);
		if (holds == HOLDS && tag == DW_TAG_inlined_subroutine) {
			if (nr == DWARFINFO_MAX_LINES - 1)
				return nr;
			inlined[nr++] = path[depth];
		}
		if (holds == HOLDS)
			base = depth + 1;
		if ((holds == HOLDS || (holds == HOLDS_UNKNOWN && tag == DW_TAG_lexical_block)) &&
		    depth + 1 < MAX_DEPTH && dwarf_child(&path[depth], &path[depth + 1]) == 0) {
			depth++;
			continue;
		}
		if (holds == HOLDS)
			return nr;
		while (dwarf_siblingof(&path[depth], &path[depth]) != 0)
			if (depth-- == base)
				return nr;
	}
	return nr;
}

/* Where the call that @inlined stands for is, in the source of the function around it. */
static void call_site(struct unit *u, Dwarf_Die *inlined, struct dwarfinfo_line *line)
{
	Dwarf_Attribute attr;
	Dwarf_Word n;
	Dwarf_Files *files;
	size_t nr;

	if (dwarf_attr(inlined, DW_AT_call_line, &attr) && !dwarf_formudata(&attr, &n) &&
	    n <= UINT32_MAX)
		line->line = n;
	if (dwarf_attr(inlined, DW_AT_call_file, &attr) && !dwarf_formudata(&attr, &n) &&
	    !dwarf_getsrcfiles(&u->die, &files, &nr) && n < nr)
		line->file = dwarf_filesrc(files, n, NULL, NULL);
}

/* What the line table says of @pc; false where it says nothing. */
static bool table_line(struct unit *u, uint64_t pc, struct dwarfinfo_line *line)
{
	Dwarf_Line *row = dwarf_getsrc_die(&u->die, pc);
	int n;

	if (!row)
		return false;
	line->file = dwarf_linesrc(row, NULL, NULL);
	if (!dwarf_lineno(row, &n) && n > 0)
		line->line = n;
	return line->file;
}

static uint64_t function_start(Dwarf_Die *function, uint64_t pc)
{
	Dwarf_Addr start;

	return !dwarf_lowpc(function, &start) && start <= pc ? start : pc;
}

static size_t describe(struct dwarfinfo *d, struct unit *u, uint64_t pc, struct effort *effort,
		       struct dwarfinfo_line *lines)
{
	uint32_t index = intervals__find(&u->functions, pc);
	const char *directory = die_string(&u->die, DW_AT_comp_dir);
	Dwarf_Die inlined[DWARFINFO_MAX_LINES - 1], function;
	size_t nr = 0, i;

	if (index == INTERVALS_NONE ||
	    !dwarf_offdie(d->dwarf, u->offsets.items[index], &function)) {
		lines[0] = (struct dwarfinfo_line){.directory = directory};
		return table_line(u, pc, &lines[0]) ? 1 : 0;
	}
	nr = find_inlined(&function, pc, effort, inlined);
	for (i = 0; i <= nr; i++) {
		/* lines[0] is the innermost, which is inlined[nr - 1]. */
		Dwarf_Die *die = i < nr ? &inlined[nr - 1 - i] : &function;

		lines[i] = (struct dwarfinfo_line){
			.name = function_name(die),
			.directory = directory,
		};
		if (i == 0)
			table_line(u, pc, &lines[i]);
		else
			call_site(u, &inlined[nr - i], &lines[i]);
	}
	lines[nr].start = function_start(&function, pc);
	return nr + 1;
}

int dwarfinfo__find(struct dwarfinfo *d, uint64_t pc, struct effort *effort,
		    struct dwarfinfo_line lines[DWARFINFO_MAX_LINES], size_t *nr)
{
	uint32_t index;
	struct unit *u;
	int err = 0;

	*nr = 0;
	if (!effort__check(effort))
		return 0;
	if (!d->indexed)
		err = index_units(d, effort);
	index = err ? INTERVALS_NONE : intervals__find(&d->ranges, pc);
	if (index == INTERVALS_NONE)
		return err;
	u = &d->units.items[index];
	if (!u->indexed)
		err = index_functions(u, effort);
	if (!err)
		*nr = describe(d, u, pc, effort, lines);
	return err;
}
