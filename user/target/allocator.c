// SPDX-License-Identifier: GPL-2.0-or-later
#include "target/allocator.h"

#include <errno.h>
#include <gelf.h>
#include <libelf.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

/* One row a function. */
struct row {
	const char *name;
	enum memleak_call call;
	enum memleak_family family;
};

/* clang-format off */
static const struct row table[] = {
	{"malloc",		MEMLEAK_CALL_MALLOC,		MEMLEAK_FAMILY_MALLOC},
	{"calloc",		MEMLEAK_CALL_CALLOC,		MEMLEAK_FAMILY_MALLOC},
	{"realloc",		MEMLEAK_CALL_REALLOC,		MEMLEAK_FAMILY_MALLOC},
	{"reallocarray",	MEMLEAK_CALL_REALLOCARRAY,	MEMLEAK_FAMILY_MALLOC},
	{"posix_memalign",	MEMLEAK_CALL_POSIX_MEMALIGN,	MEMLEAK_FAMILY_MALLOC},
	{"aligned_alloc",	MEMLEAK_CALL_MEMALIGN,		MEMLEAK_FAMILY_MALLOC},
	{"memalign",		MEMLEAK_CALL_MEMALIGN,		MEMLEAK_FAMILY_MALLOC},
	{"valloc",		MEMLEAK_CALL_MALLOC,		MEMLEAK_FAMILY_MALLOC},
	{"pvalloc",		MEMLEAK_CALL_MALLOC,		MEMLEAK_FAMILY_MALLOC},
	{"free",		MEMLEAK_CALL_FREE,		MEMLEAK_FAMILY_MALLOC},
	{"cfree",		MEMLEAK_CALL_FREE,		MEMLEAK_FAMILY_MALLOC},
	{"free_sized",		MEMLEAK_CALL_FREE,		MEMLEAK_FAMILY_MALLOC},
	{"free_aligned_sized",	MEMLEAK_CALL_FREE,		MEMLEAK_FAMILY_MALLOC},

	/* Itanium C++ ABI 5.1.5; the size is the first argument of every form. */
	{"_Znwm",				MEMLEAK_CALL_MALLOC, MEMLEAK_FAMILY_NEW},
	{"_ZnwmRKSt9nothrow_t",			MEMLEAK_CALL_MALLOC, MEMLEAK_FAMILY_NEW},
	{"_ZnwmSt11align_val_t",		MEMLEAK_CALL_MALLOC, MEMLEAK_FAMILY_NEW},
	{"_ZnwmSt11align_val_tRKSt9nothrow_t",	MEMLEAK_CALL_MALLOC, MEMLEAK_FAMILY_NEW},
	{"_Znam",				MEMLEAK_CALL_MALLOC, MEMLEAK_FAMILY_NEW_ARRAY},
	{"_ZnamRKSt9nothrow_t",			MEMLEAK_CALL_MALLOC, MEMLEAK_FAMILY_NEW_ARRAY},
	{"_ZnamSt11align_val_t",		MEMLEAK_CALL_MALLOC, MEMLEAK_FAMILY_NEW_ARRAY},
	{"_ZnamSt11align_val_tRKSt9nothrow_t",	MEMLEAK_CALL_MALLOC, MEMLEAK_FAMILY_NEW_ARRAY},
	{"_ZdlPv",				MEMLEAK_CALL_FREE, MEMLEAK_FAMILY_NEW},
	{"_ZdlPvm",				MEMLEAK_CALL_FREE, MEMLEAK_FAMILY_NEW},
	{"_ZdlPvRKSt9nothrow_t",		MEMLEAK_CALL_FREE, MEMLEAK_FAMILY_NEW},
	{"_ZdlPvSt11align_val_t",		MEMLEAK_CALL_FREE, MEMLEAK_FAMILY_NEW},
	{"_ZdlPvmSt11align_val_t",		MEMLEAK_CALL_FREE, MEMLEAK_FAMILY_NEW},
	{"_ZdlPvSt11align_val_tRKSt9nothrow_t",	MEMLEAK_CALL_FREE, MEMLEAK_FAMILY_NEW},
	{"_ZdaPv",				MEMLEAK_CALL_FREE, MEMLEAK_FAMILY_NEW_ARRAY},
	{"_ZdaPvm",				MEMLEAK_CALL_FREE, MEMLEAK_FAMILY_NEW_ARRAY},
	{"_ZdaPvRKSt9nothrow_t",		MEMLEAK_CALL_FREE, MEMLEAK_FAMILY_NEW_ARRAY},
	{"_ZdaPvSt11align_val_t",		MEMLEAK_CALL_FREE, MEMLEAK_FAMILY_NEW_ARRAY},
	{"_ZdaPvmSt11align_val_t",		MEMLEAK_CALL_FREE, MEMLEAK_FAMILY_NEW_ARRAY},
	{"_ZdaPvSt11align_val_tRKSt9nothrow_t",	MEMLEAK_CALL_FREE, MEMLEAK_FAMILY_NEW_ARRAY},

	{"mmap",		MEMLEAK_CALL_MMAP,		MEMLEAK_FAMILY_MMAP},
	{"mmap64",		MEMLEAK_CALL_MMAP,		MEMLEAK_FAMILY_MMAP},
	{"munmap",		MEMLEAK_CALL_MUNMAP,		MEMLEAK_FAMILY_MMAP},
	{"mremap",		MEMLEAK_CALL_MREMAP,		MEMLEAK_FAMILY_MMAP},

	{"_dl_debug_state",	MEMLEAK_CALL_LIBRARIES,		MEMLEAK_FAMILY_MMAP},
};
/* clang-format on */

/* A row's function as this object defines it. */
struct definition {
	const struct row *row;
	uint64_t vaddr, size, offset;
};

struct search {
	const struct object *object;
	const char *prefix;
	VECTOR(struct definition) definitions;
	bool imports_malloc;
	bool is_go;
	uint64_t r_debug; /* address of the loader's _r_debug; 0: none */
};

static void cleanup_search(struct search *s)
{
	vector_release(&s->definitions);
}

static void cleanup_elf(Elf **elf)
{
	elf_end(*elf);
}

/* True if @symbol, version suffixes aside, is @name with the prefix, where one applies. */
static bool name_matches(const struct row *row, const char *prefix, const char *symbol)
{
	if (prefix && row->family == MEMLEAK_FAMILY_MALLOC) {
		size_t n = strlen(prefix);

		if (strncmp(symbol, prefix, n) != 0)
			return false;
		symbol += n;
		if (*symbol == '_' && strcmp(symbol + 1, row->name) == 0)
			return true;
	}
	return strcmp(symbol, row->name) == 0;
}

static int add_symbol(struct search *s, const GElf_Sym *sym, const char *name)
{
	struct definition d = {.vaddr = sym->st_value, .size = sym->st_size};
	size_t i;
	int err;

	if (sym->st_shndx == SHN_UNDEF) {
		if (strcmp(name, "malloc") == 0)
			s->imports_malloc = true;
		return 0;
	}
	if (strcmp(name, "runtime.mallocgc") == 0)
		s->is_go = true;
	if (strcmp(name, "_r_debug") == 0)
		s->r_debug = sym->st_value;
	/* An indirect function's address is that of its resolver. */
	if (GELF_ST_TYPE(sym->st_info) != STT_FUNC || !sym->st_value)
		return 0;
	for (i = 0; i < ARRAY_SIZE(table); i++) {
		if (!name_matches(&table[i], s->prefix, name) ||
		    !object__vaddr_to_offset(s->object, d.vaddr, &d.offset))
			continue;
		d.row = &table[i];
		err = vector_push(&s->definitions, d);
		if (err)
			return err;
	}
	return 0;
}

static int scan_section(struct search *s, Elf *elf, Elf_Scn *scn)
{
	GElf_Shdr sh;
	Elf_Data *data;
	size_t i, n;

	if (!gelf_getshdr(scn, &sh))
		return 0;
	if (sh.sh_type != SHT_SYMTAB && sh.sh_type != SHT_DYNSYM)
		return 0;
	data = elf_getdata(scn, NULL);
	if (!data || !sh.sh_entsize)
		return 0;
	n = data->d_size / sh.sh_entsize;
	for (i = 1; i < n; i++) {
		const char *name;
		GElf_Sym sym;
		int err;

		if (!gelf_getsym(data, i, &sym))
			break;
		name = elf_strptr(elf, sh.sh_link, sym.st_name);
		err = name ? add_symbol(s, &sym, name) : 0;
		if (err)
			return err;
	}
	return 0;
}

static bool is_operator_new(const struct row *row)
{
	return row->call == MEMLEAK_CALL_MALLOC && row->family != MEMLEAK_FAMILY_MALLOC;
}

static bool is_operator(const struct row *row)
{
	return row->family == MEMLEAK_FAMILY_NEW || row->family == MEMLEAK_FAMILY_NEW_ARRAY;
}

/* Operator new and delete are short; no need to look further for the call. */
#define MAX_OPERATOR_BYTES 512

/*
 * Whether the operator at @d calls or jumps to another function that is probed or ends in one, in
 * the same file: x86-64's call and jmp with a 32-bit displacement, arm64's bl and b. A displacement
 * that hits such a function's first byte by accident is as good as impossible.
 */
static bool ends_in_probed(const struct search *s, const struct definition *d)
{
	unsigned char code[MAX_OPERATOR_BYTES];
	size_t n = d->size && d->size < sizeof(code) ? d->size : sizeof(code);
	ssize_t got = pread(s->object->fd, code, n, d->offset);
	ssize_t i;
	size_t k;

	for (i = 0; i + 5 <= got; i++) {
		uint64_t to = 0;
		int32_t rel;

		if (s->object->machine == EM_X86_64 && (code[i] == 0xe8 || code[i] == 0xe9)) {
			memcpy(&rel, code + i + 1, sizeof(rel));
			to = d->vaddr + i + 5 + rel;
		} else if (s->object->machine == EM_AARCH64 && i % 4 == 0) {
			uint32_t insn;

			memcpy(&insn, code + i, sizeof(insn));
			if ((insn & 0x7c000000) == 0x14000000)
				to = d->vaddr + i + ((int64_t)(int32_t)(insn << 6) >> 4);
		}
		for (k = 0; to && k < s->definitions.count; k++)
			if (s->definitions.items[k].vaddr == to && to != d->vaddr)
				return true;
	}
	return false;
}

static bool is_listed(const struct allocator *a, const struct definition *d)
{
	size_t i;

	for (i = 0; i < a->functions.count; i++)
		if (a->functions.items[i].offset == d->offset)
			return true; /* an alias, or both symbol tables have it */
	return false;
}

static int list_definition(const struct search *s, const struct definition *d, struct allocator *a)
{
	struct allocator_function f = {
		.name = d->row->name,
		.offset = d->offset,
		.size = d->size,
		.call = d->row->call,
		.family = d->row->family,
	};
	struct allocator_range r = {
		.start = d->offset,
		.end = d->offset + d->size,
		.family = d->row->family,
	};
	int err = 0;

	if (f.call == MEMLEAK_CALL_LIBRARIES && s->r_debug)
		f.distance = s->r_debug - d->vaddr;
	if (is_operator_new(d->row))
		err = vector_push(&a->operators, r);
	if (err)
		return err;
	if (is_listed(a, d))
		return 0;
	if (is_operator(d->row) && (s->imports_malloc || ends_in_probed(s, d))) {
		if (!is_operator_new(d->row) || d->row->family != MEMLEAK_FAMILY_NEW_ARRAY)
			return 0;
		f.call = MEMLEAK_CALL_NEW_ARRAY;
	} else if (d->row->family != MEMLEAK_FAMILY_MMAP) {
		a->has_heap = true;
	}
	return vector_push(&a->functions, f);
}

int allocator__find(const struct object *o, const char *prefix, struct allocator *ret)
{
	CLEANUP(cleanup_search) struct search s = {.object = o, .prefix = prefix};
	CLEANUP(allocator__release) struct allocator a = {0};
	CLEANUP(cleanup_elf) Elf *elf = NULL;
	Elf_Scn *scn = NULL;
	size_t i;
	int err = 0;

	*ret = a;
	if (o->fd < 0 || !o->is_64bit)
		return 0;
	elf_version(EV_CURRENT);
	elf = elf_begin(o->fd, ELF_C_READ, NULL);
	while (elf && !err && (scn = elf_nextscn(elf, scn)))
		err = scan_section(&s, elf, scn);
	for (i = 0; i < s.definitions.count && !err; i++)
		err = list_definition(&s, &s.definitions.items[i], &a);
	if (err)
		return err;
	a.is_go = s.is_go;
	*ret = a;
	a = (struct allocator){0};
	return 0;
}

void allocator__release(struct allocator *a)
{
	vector_release(&a->functions);
	vector_release(&a->operators);
}

bool allocator__is_name(const char *name)
{
	size_t i;

	if (strncmp(name, "operator new", strlen("operator new")) == 0)
		return true;
	for (i = 0; i < ARRAY_SIZE(table); i++)
		if (strcmp(table[i].name, name) == 0)
			return true;
	return false;
}
