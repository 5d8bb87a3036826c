// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libdwfl would find symbols too, but compares an address with every symbol: milliseconds a look-up
 * in a large library. Here each address has one symbol, the best of those that start there, and the
 * ranges are made disjoint: a look-up is a binary search.
 */
#include "symbol/symtab.h"

#include <errno.h>
#include <string.h>

#include "symbol/intervals.h"
#include "util/cleanup.h"

#define MAX_SYMBOLS	(1U << 24)   /* of one table */
#define MAX_TABLE_BYTES (1ULL << 30) /* of one section */

struct symbol {
	uint64_t start;
	uint64_t end;	/* start: it has no size */
	uint64_t limit; /* where the section ends: how far one without a size can reach */
	const char *name;
	bool local;
	bool untyped;
};

struct symtab {
	VECTOR(struct symbol) symbols; /* one an address, sorted */
	struct intervals ranges;       /* indexes of symbols */
};

/* What is needed of a section to judge the symbols in it. */
struct section {
	uint64_t end;
	bool executable;
};

/* One symbol table being read. */
struct table {
	Elf_Data *symbols, *indexes;
	const char *names;
	size_t names_size; /* up to and with the last NUL */
	size_t count;
	const struct section *sections;
	size_t nr_sections;
	enum symtab_kind kind;
	bool mapping_symbols; /* the machine marks code and data by symbols */
};

static int read_sections(Elf *elf, struct section **ret, size_t *ret_nr)
{
	struct section *sections;
	Elf_Scn *scn = NULL;
	size_t n = 0;

	if (elf_getshdrnum(elf, &n))
		n = 0;
	sections = calloc(n + 1, sizeof(*sections));
	if (!sections)
		return -ENOMEM;
	while ((scn = elf_nextscn(elf, scn))) {
		size_t i = elf_ndxscn(scn);
		GElf_Shdr shdr;

		if (i >= n || !gelf_getshdr(scn, &shdr))
			continue;
		if (__builtin_add_overflow(shdr.sh_addr, shdr.sh_size, &sections[i].end))
			sections[i].end = UINT64_MAX;
		sections[i].executable = shdr.sh_flags & SHF_EXECINSTR;
	}
	*ret = sections;
	*ret_nr = n;
	return 0;
}

/* Markers of assemblers, not functions: $x, $d.1 of ARM and RISC-V, local labels of RISC-V. */
static bool is_marker(const char *name)
{
	return (name[0] == '$' && name[1]) || (name[0] == '.' && name[1] == 'L');
}

/* Make *@ret of symbol @i; false where it is none that is wanted. */
static bool read_symbol(const struct table *t, size_t i, struct symbol *ret)
{
	GElf_Sym sym;
	Elf32_Word index = 0;
	const struct section *section = NULL;
	unsigned int type;
	const char *name;

	if (!gelf_getsymshndx(t->symbols, t->indexes, i, &sym, &index))
		return false;
	type = GELF_ST_TYPE(sym.st_info);
	if (t->kind == SYMTAB_VARIABLES
		    ? type != STT_OBJECT
		    : type != STT_FUNC && type != STT_GNU_IFUNC && type != STT_NOTYPE)
		return false;
	if (sym.st_shndx == SHN_UNDEF || sym.st_shndx == SHN_COMMON || sym.st_name >= t->names_size)
		return false;
	if (sym.st_shndx < SHN_LORESERVE)
		index = sym.st_shndx;
	else if (sym.st_shndx != SHN_XINDEX)
		index = 0;
	if (index && index < t->nr_sections)
		section = &t->sections[index];
	if (type == STT_NOTYPE && (!section || !section->executable))
		return false;
	name = t->names + sym.st_name;
	if (!*name || (t->mapping_symbols && type == STT_NOTYPE && is_marker(name)))
		return false;
	*ret = (struct symbol){
		.start = sym.st_value,
		.limit = section ? section->end : UINT64_MAX,
		.name = name,
		.local = GELF_ST_BIND(sym.st_info) == STB_LOCAL,
		.untyped = type == STT_NOTYPE,
	};
	if (__builtin_add_overflow(sym.st_value, sym.st_size, &ret->end))
		ret->end = UINT64_MAX;
	return true;
}

/* The bytes of a section, in the order of this machine; NULL if there are none. */
static Elf_Data *section_data(Elf_Scn *scn)
{
	GElf_Shdr shdr;
	Elf_Data *data;

	if (!scn || !gelf_getshdr(scn, &shdr) || shdr.sh_type == SHT_NOBITS ||
	    shdr.sh_size > MAX_TABLE_BYTES)
		return NULL;
	data = elf_getdata(scn, NULL);
	return data && data->d_buf && data->d_size ? data : NULL;
}

/* The SHT_SYMTAB_SHNDX section that belongs to symbol table @scn. */
static Elf_Data *extended_indexes(Elf *elf, Elf_Scn *scn)
{
	size_t wanted = elf_ndxscn(scn);
	Elf_Scn *s = NULL;
	GElf_Shdr shdr;

	while ((s = elf_nextscn(elf, s)))
		if (gelf_getshdr(s, &shdr) && shdr.sh_type == SHT_SYMTAB_SHNDX &&
		    shdr.sh_link == wanted)
			return section_data(s);
	return NULL;
}

static bool open_table(Elf *elf, Elf_Scn *scn, const GElf_Shdr *shdr, struct table *t)
{
	Elf_Scn *names_scn = elf_getscn(elf, shdr->sh_link);
	size_t entry = gelf_fsize(elf, ELF_T_SYM, 1, EV_CURRENT);
	Elf_Data *names = section_data(names_scn);
	const char *last;

	t->symbols = section_data(scn);
	if (!t->symbols || !names || !entry || t->symbols->d_type != ELF_T_SYM)
		return false;
	last = memrchr(names->d_buf, 0, names->d_size);
	if (!last)
		return false;
	t->names = names->d_buf;
	t->names_size = last - t->names + 1;
	t->indexes = extended_indexes(elf, scn);
	t->count = t->symbols->d_size / entry;
	if (t->count > MAX_SYMBOLS)
		t->count = MAX_SYMBOLS;
	return true;
}

/* The first section of @type: there is never more than one symbol table of a kind. */
static Elf_Scn *first_of_type(Elf *elf, uint32_t type, GElf_Shdr *shdr)
{
	Elf_Scn *scn = NULL;

	while ((scn = elf_nextscn(elf, scn)))
		if (gelf_getshdr(scn, shdr) && shdr->sh_type == type)
			return scn;
	return NULL;
}

static int read_table(struct symtab *t, const struct table *table)
{
	size_t i;

	for (i = 0; i < table->count; i++) {
		struct symbol s;

		if (read_symbol(table, i, &s)) {
			int err = vector_push(&t->symbols, s);

			if (err)
				return err;
		}
	}
	return 0;
}

static int read_file(struct symtab *t, Elf *elf, enum symtab_kind kind)
{
	static const uint32_t types[] = {SHT_SYMTAB, SHT_DYNSYM};
	CLEANUP_FREE struct section *sections = NULL;
	struct table table = {.kind = kind};
	GElf_Ehdr ehdr;
	size_t i;
	int err;

	err = read_sections(elf, &sections, &table.nr_sections);
	if (err)
		return err;
	table.sections = sections;
	table.mapping_symbols = gelf_getehdr(elf, &ehdr) &&
				(ehdr.e_machine == EM_AARCH64 || ehdr.e_machine == EM_ARM ||
				 ehdr.e_machine == EM_RISCV);
	for (i = 0; !err && i < ARRAY_SIZE(types); i++) {
		GElf_Shdr shdr;
		Elf_Scn *scn = first_of_type(elf, types[i], &shdr);

		if (scn && open_table(elf, scn, &shdr, &table))
			err = read_table(t, &table);
	}
	return err;
}

#define MAX_COMPARED 512 /* bytes of a name */

static size_t underscores(const char *name)
{
	size_t n = 0;

	while (n < 8 && name[n] == '_')
		n++;
	return n;
}

/* By address; of one address the best name first: what a person would call the function. */
static int compare(const void *x, const void *y)
{
	const struct symbol *a = x, *b = y;
	bool a_empty = a->start == a->end, b_empty = b->start == b->end;
	size_t m, n;

	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	if (a_empty != b_empty)
		return a_empty - b_empty;
	if (a->untyped != b->untyped)
		return a->untyped - b->untyped;
	if (a->local != b->local)
		return a->local - b->local;
	m = underscores(a->name);
	n = underscores(b->name);
	if (m == n) {
		m = strnlen(a->name, MAX_COMPARED);
		n = strnlen(b->name, MAX_COMPARED);
	}
	if (m != n)
		return m < n ? -1 : 1;
	return strncmp(a->name, b->name, MAX_COMPARED);
}

/* Leave the best of each address, as long as the longest there. */
static void unite(struct symtab *t)
{
	size_t i, n = 0;

	for (i = 0; i < t->symbols.count; i++) {
		struct symbol *s = &t->symbols.items[i];
		struct symbol *last = n ? &t->symbols.items[n - 1] : NULL;

		if (!last || last->start != s->start)
			t->symbols.items[n++] = *s;
		else if (last->end < s->end)
			last->end = s->end;
	}
	t->symbols.count = n;
}

static int make_ranges(struct symtab *t)
{
	uint64_t covered = 0; /* up to here some symbol with a size reaches */
	size_t i, n = t->symbols.count;

	for (i = 0; i < n; i++) {
		const struct symbol *s = &t->symbols.items[i];
		uint64_t end = s->end;
		int err;

		if (s->start == s->end) {
			/* A label inside a function is not one; otherwise the code up to the next.
			 */
			if (s->start < covered)
				continue;
			end = s->limit;
			if (i + 1 < n && t->symbols.items[i + 1].start < end)
				end = t->symbols.items[i + 1].start;
		} else if (end > covered) {
			covered = end;
		}
		err = intervals__add(&t->ranges, s->start, end, i);
		if (err)
			return err;
	}
	return intervals__settle(&t->ranges, INTERVALS_INNERMOST);
}

static void cleanup_symtab(struct symtab **t)
{
	symtab__destroy(*t);
}

int symtab__create(struct elffile *const *files, size_t nr, enum symtab_kind kind,
		   struct symtab **ret)
{
	CLEANUP(cleanup_symtab) struct symtab *t = calloc(1, sizeof(*t));
	size_t i;
	int err;

	if (!t)
		return -ENOMEM;
	for (i = 0; i < nr; i++) {
		err = read_file(t, files[i]->elf, kind);
		if (err)
			return err;
	}
	if (t->symbols.count)
		qsort(t->symbols.items, t->symbols.count, sizeof(*t->symbols.items), compare);
	unite(t);
	err = make_ranges(t);
	if (err)
		return err;
	*ret = TAKE_PTR(t);
	return 0;
}

void symtab__destroy(struct symtab *t)
{
	if (!t)
		return;
	intervals__release(&t->ranges);
	vector_release(&t->symbols);
	free(t);
}

size_t symtab__count(const struct symtab *t)
{
	return t->symbols.count;
}

bool symtab__find(const struct symtab *t, uint64_t addr, const char **name, uint64_t *start)
{
	uint32_t i = intervals__find(&t->ranges, addr);

	if (i == INTERVALS_NONE)
		return false;
	*name = t->symbols.items[i].name;
	*start = t->symbols.items[i].start;
	return true;
}
