// SPDX-License-Identifier: GPL-2.0-or-later
#include "target/allocator.h"

#include <errno.h>
#include <gelf.h>
#include <libelf.h>
#include <stdlib.h>
#include <string.h>

#include "target/allocator_table.h"
#include "target/placement.h"
#include "util/cleanup.h"
#include "util/log.h"

#define NEW_HANDLER "_ZSt15get_new_handlerv"

/* A row's function as this object defines it. */
struct definition {
	const struct allocator_row *row;
	size_t rank; /* the user's rows first, then the table's: of aliases the first one counts */
	uint64_t vaddr, size, offset;
	bool plain, by_other; /* as a listed function's */
};

struct search {
	const struct object *object;
	const struct allocator_search *asked;
	struct calls calls;
	VECTOR(struct definition) definitions;
	VECTOR(struct allocator_range) internals;
	bool is_go, is_sanitizer;
	bool trusts_free;      /* its free is called with what probed functions gave */
	bool trusts_operators; /* families_of */
	bool is_library;       /* it has a name as one: others call what is in it */
	uint64_t r_debug;      /* address of the loader's _r_debug; 0: none */
	uint64_t libc_malloc;  /* address of __libc_malloc, glibc's own; 0: none */
	uint64_t libc_calloc;
	uint64_t new_handler; /* address of std::get_new_handler; 0: none */
};

static void cleanup_search(struct search *s)
{
	vector_release(&s->definitions);
	vector_release(&s->internals);
	calls__release(&s->calls);
}

static void release_returns(calls_returns *r)
{
	vector_release(r);
}

static void cleanup_elf(Elf **elf)
{
	elf_end(*elf);
}

/* A symbol by its name. */
struct named {
	const GElf_Sym *sym;
	const char *name;
	bool exported; /* to other objects */
};

static int add_definition(struct search *s, const struct allocator_row *row, size_t rank,
			  const struct named *n)
{
	struct definition d = {
		.row = row,
		.rank = rank,
		.vaddr = n->sym->st_value,
		.size = n->sym->st_size,
		.by_other = strcmp(row->name, n->name) != 0,
	};

	d.plain = n->exported && !d.by_other;
	if (!object__vaddr_to_offset(s->object, d.vaddr, &d.offset))
		return 0;
	return vector_push(&s->definitions, d);
}

static int add_internal(struct search *s, const GElf_Sym *sym)
{
	struct allocator_range r = {.family = MEMLEAK_FAMILY_MMAP};

	if (!object__vaddr_to_offset(s->object, sym->st_value, &r.start))
		return 0;
	r.end = r.start + sym->st_size;
	return vector_push(&s->internals, r);
}

static int add_symbol(struct search *s, const struct named *n)
{
	const GElf_Sym *sym = n->sym;
	const char *name = n->name;
	size_t i;
	int err = 0;

	/* Who refers to it weakly only asks whether it is there. */
	s->is_sanitizer |=
		GELF_ST_BIND(sym->st_info) != STB_WEAK && allocator_table__has_sanitizer(name);
	if (sym->st_shndx == SHN_UNDEF)
		return 0;
	if (strcmp(name, "runtime.mallocgc") == 0)
		s->is_go = true;
	if (strcmp(name, "_r_debug") == 0)
		s->r_debug = sym->st_value;
	if (strcmp(name, "__libc_malloc") == 0)
		s->libc_malloc = sym->st_value;
	if (strcmp(name, "__libc_calloc") == 0)
		s->libc_calloc = sym->st_value;
	if (strcmp(name, NEW_HANDLER) == 0)
		s->new_handler = sym->st_value;
	/* An indirect function's address is that of its resolver. */
	if (GELF_ST_TYPE(sym->st_info) != STT_FUNC || !sym->st_value)
		return 0;
	if (allocator_table__has_mapper(name))
		err = add_internal(s, sym);
	for (i = 0; i < s->asked->nr_rows && !err; i++)
		if (strcmp(s->asked->rows[i].name, name) == 0)
			err = add_definition(s, &s->asked->rows[i], i, n);
	for (i = 0; i < nr_allocator_rows && !err; i++)
		if (allocator_row__matches(&allocator_table[i], s->asked->prefix, name))
			err = add_definition(s, &allocator_table[i], s->asked->nr_rows + i, n);
	return err;
}

/* What the Go linker leaves in a program even if it is stripped: the runtime reads it. */
static bool is_go_section(Elf *elf, const GElf_Shdr *sh)
{
	const char *name = NULL;
	size_t names;

	if (elf_getshdrstrndx(elf, &names) == 0)
		name = elf_strptr(elf, names, sh->sh_name);
	return name && strcmp(name, ".gopclntab") == 0;
}

static bool has_soname(Elf_Scn *scn)
{
	Elf_Data *data = elf_getdata(scn, NULL);
	GElf_Dyn dyn;
	int i;

	for (i = 0; data && gelf_getdyn(data, i, &dyn) && dyn.d_tag != DT_NULL; i++)
		if (dyn.d_tag == DT_SONAME)
			return true;
	return false;
}

static int scan_section(struct search *s, Elf *elf, Elf_Scn *scn)
{
	GElf_Shdr sh;
	Elf_Data *data;
	size_t i, n;

	if (!gelf_getshdr(scn, &sh))
		return 0;
	s->is_go |= is_go_section(elf, &sh);
	if (sh.sh_type == SHT_DYNAMIC)
		s->is_library |= has_soname(scn);
	if (sh.sh_type != SHT_SYMTAB && sh.sh_type != SHT_DYNSYM)
		return 0;
	data = elf_getdata(scn, NULL);
	if (!data || !sh.sh_entsize)
		return 0;
	n = data->d_size / sh.sh_entsize;
	for (i = 1; i < n; i++) {
		GElf_Sym sym;
		struct named named = {.sym = &sym, .exported = sh.sh_type == SHT_DYNSYM};
		int err;

		if (!gelf_getsym(data, i, &sym))
			break;
		named.name = elf_strptr(elf, sh.sh_link, sym.st_name);
		err = named.name ? add_symbol(s, &named) : 0;
		if (err)
			return err;
	}
	return 0;
}

/* Operator new and delete are short; no need to look further for the call. */
#define MAX_OPERATOR_BYTES 512

/* Whether @slot leads to an allocation function, wherever that is defined. */
static bool leads_to_probed(const struct search *s, const struct calls_slot *slot)
{
	size_t i;

	for (i = 0; slot && i < nr_allocator_rows; i++)
		if (allocator_table[i].family != MEMLEAK_FAMILY_MMAP &&
		    allocator_row__matches(&allocator_table[i], s->asked->prefix, slot->name))
			return true;
	return false;
}

/* Where a call leads: to @vaddr in this object, or (@slot, where it is not NULL) by that slot. */
typedef bool callee_fn(const struct search *s, uint64_t vaddr, const struct calls_slot *slot);

/* Whether that is an allocation function's first byte. */
static bool is_probed(const struct search *s, uint64_t vaddr, const struct calls_slot *slot)
{
	size_t i;

	for (i = 0; !slot && i < s->definitions.count; i++)
		if (s->definitions.items[i].vaddr == vaddr)
			return true;
	return leads_to_probed(s, slot);
}

static bool is_new_handler(const struct search *s, uint64_t vaddr, const struct calls_slot *slot)
{
	return slot ? strcmp(slot->name, NEW_HANDLER) == 0 : vaddr && vaddr == s->new_handler;
}

/*
 * Whether the operator at @d calls or jumps to a function that @wanted tells, directly or through
 * the global offset table. Every byte is tried as the begin of an instruction: a displacement that
 * hits such a function's first byte by accident is as good as impossible.
 */
static bool leads_to(const struct search *s, const struct definition *d, callee_fn *wanted)
{
	unsigned char code[MAX_OPERATOR_BYTES];
	size_t n = d->size && d->size < sizeof(code) ? d->size : sizeof(code);
	ssize_t got = pread(s->object->fd, code, n, d->offset);
	unsigned int stride = s->object->machine == EM_AARCH64 ? 4 : 1;
	const struct calls_slot *slot;
	ssize_t i;

	for (i = 0; i < got; i += stride) {
		struct placement_step step;
		uint64_t to;

		if (!placement__step(s->object->machine, code + i, got - i, &step))
			continue;
		to = d->vaddr + i + step.target;
		if (step.flow == PLACEMENT_FLOW_CALL_SLOT ||
		    step.flow == PLACEMENT_FLOW_JUMP_SLOT) {
			slot = calls__slot(&s->calls, to);
			if (slot && wanted(s, 0, slot))
				return true;
		} else if (step.flow == PLACEMENT_FLOW_CALL || step.flow == PLACEMENT_FLOW_JUMP) {
			if (to != d->vaddr && wanted(s, to, calls__stub(&s->calls, to)))
				return true;
		}
	}
	return false;
}

/* The function at @offset, met under another name or in another symbol table; NULL: it is new. */
static struct allocator_function *find_listed(const struct allocator *a, uint64_t offset)
{
	size_t i;

	for (i = 0; i < a->functions.count; i++)
		if (a->functions.items[i].offset == offset)
			return &a->functions.items[i];
	return NULL;
}

/*
 * The families of a function, as the kernel side wants them (MEMLEAK_COOKIE_FAMILIES). An operator
 * that a program replaces by its own may be inlined where it is called, or keep blocks for itself:
 * nothing is said of it. The standard's asks for the new-handler; that of an allocator's library is
 * called from outside.
 */
static uint8_t families_of(const struct search *s, const struct definition *d)
{
	if (d->row->family >= MEMLEAK_FAMILY_MMAP)
		return 0;
	if (allocator_row__is_operator(d->row) && !s->trusts_operators)
		return 0;
	return 1 << d->row->family;
}

static bool defines(const struct search *s, const char *name, uint64_t *vaddr)
{
	size_t i;

	for (i = 0; i < s->definitions.count; i++)
		if (strcmp(s->definitions.items[i].row->name, name) == 0) {
			*vaddr = s->definitions.items[i].vaddr;
			return true;
		}
	return false;
}

/* What this object's functions are worth for finding wrong frees. */
static void find_trust(struct search *s)
{
	uint64_t vaddr;
	size_t i;

	if (defines(s, "malloc", &vaddr)) {
		s->trusts_free = s->is_library || (vaddr && vaddr == s->libc_malloc);
		s->trusts_operators = s->is_library;
	}
	for (i = 0; i < s->definitions.count; i++)
		if (allocator_row__is_operator_new(s->definitions.items[i].row) &&
		    leads_to(s, &s->definitions.items[i], is_new_handler))
			s->trusts_operators = true;
}

/* Add the returns of the function at @d, each once; false where they cannot be found. */
static int add_returns(const struct search *s, const struct definition *d, struct allocator *a,
		       bool *found)
{
	CLEANUP(release_returns) calls_returns returns = {0};
	size_t i, k;
	int err = calls__find_returns(&s->calls, d->vaddr, d->size, &returns);

	*found = !err;
	if (err == -ENOTSUP)
		return 0;
	for (i = 0; i < returns.count && !err; i++) {
		for (k = 0; k < a->returns.count; k++)
			if (a->returns.items[k] == returns.items[i])
				break;
		if (k == a->returns.count)
			err = vector_push(&a->returns, returns.items[i]);
	}
	return err;
}

/* An alias, or the same symbol in another table, was not met before. */
static bool is_first(const struct search *s, const struct definition *d)
{
	const struct definition *other;

	for (other = s->definitions.items; other < d; other++)
		if (other->vaddr == d->vaddr)
			return false;
	return true;
}

static int list_function(const struct search *s, const struct definition *d,
			 struct allocator_function *f, struct allocator *a)
{
	bool found = true;
	int err = 0;

	if (f->may_throw)
		err = add_returns(s, d, a, &found);
	if (err)
		return err;
	if (!found && !is_first(s, d))
		return 0;
	if (!found) {
		log_warning("%s: it cannot be seen where %s returns: its calls are not followed%s",
			    s->object->path, f->name,
			    f->family < MEMLEAK_FAMILY_USER || f->form & MEMLEAK_FORM_RESOURCE
				    ? ""
				    : " (unless ':nothrow' says that no exception leaves it)");
		a->has_gaps = true;
		return 0;
	}
	if (f->family >= MEMLEAK_FAMILY_USER)
		a->has_rows = true;
	else if (!allocator__is_note(f) && f->family != MEMLEAK_FAMILY_MMAP)
		a->has_heap = true;
	return vector_push(&a->functions, *f);
}

/* glibc's are known to do their work themselves. */
static bool is_leaf(const struct search *s, const struct definition *d)
{
	return (d->row->call == MEMLEAK_CALL_MALLOC && d->vaddr == s->libc_malloc) ||
	       (d->row->call == MEMLEAK_CALL_CALLOC && d->vaddr == s->libc_calloc);
}

static int list_definition(const struct search *s, const struct definition *d, struct allocator *a)
{
	struct allocator_function f = {
		.name = d->row->name,
		.offset = d->offset,
		.size = d->size,
		.call = d->row->call,
		.family = d->row->family,
		.may_throw = d->row->may_throw,
		.form = d->row->form,
		.families = families_of(s, d),
		.guarded = d->row->call == MEMLEAK_CALL_FREE && s->trusts_free,
		.leaf = is_leaf(s, d),
		.plain = d->plain,
		.by_other = d->by_other,
	};
	struct allocator_function *listed;
	struct allocator_range r = {
		.start = d->offset,
		.end = d->offset + d->size,
		.family = d->row->family,
	};
	int err = 0;

	if (f.call == MEMLEAK_CALL_LIBRARIES && s->r_debug)
		f.distance = s->r_debug - d->vaddr;
	r.deletes = allocator_row__is_operator(d->row) && !allocator_row__is_operator_new(d->row);
	if (allocator_row__is_operator(d->row))
		err = vector_push(&a->operators, r);
	if (err)
		return err;
	listed = find_listed(a, d->offset);
	if (listed) {
		listed->families |= f.families;
		listed->plain |= f.plain;
		listed->by_other |= f.by_other;
		return 0;
	}
	if (allocator_row__is_operator(d->row) && leads_to(s, d, is_probed)) {
		f.call = allocator_row__is_operator_new(d->row) ? MEMLEAK_CALL_NEW
								: MEMLEAK_CALL_DELETE;
		f.may_throw = false;
	}
	return list_function(s, d, &f, a);
}

/* Whether a function of this name has a return probe in whatever object defines it. */
static bool has_return_probe(void *context, const char *name)
{
	const struct search *s = context;
	size_t i;

	for (i = 0; i < nr_allocator_rows; i++)
		if (allocator_table[i].family == MEMLEAK_FAMILY_MALLOC &&
		    allocator_table[i].call != MEMLEAK_CALL_FREE &&
		    allocator_row__matches(&allocator_table[i], s->asked->prefix, name))
			return true;
	return false;
}

static int compare_definitions(const void *x, const void *y)
{
	const struct definition *a = x, *b = y;

	if (a->rank != b->rank)
		return a->rank < b->rank ? -1 : 1;
	return (a->vaddr > b->vaddr) - (a->vaddr < b->vaddr);
}

int allocator__find(const struct object *o, const struct allocator_search *search,
		    struct allocator *ret)
{
	CLEANUP(cleanup_search) struct search s = {.object = o, .asked = search};
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
	if (!err && s.definitions.count)
		err = calls__read(o, elf, &s.calls);
	calls__mark(&s.calls, has_return_probe, &s);
	find_trust(&s);
	if (s.definitions.count)
		qsort(s.definitions.items, s.definitions.count, sizeof(s.definitions.items[0]),
		      compare_definitions);
	for (i = 0; i < s.definitions.count && !err; i++)
		err = list_definition(&s, &s.definitions.items[i], &a);
	if (!err && elf && !search->no_sites)
		err = notes__read(o, elf, &a.sites);
	if (err)
		return err;
	a.is_hook = a.sites.count && a.sites.items[0].own;
	a.is_sanitizer = s.is_sanitizer;
	a.is_go = s.is_go;
	a.internals.items = TAKE_PTR(s.internals.items);
	a.internals.count = s.internals.count;
	a.internals.capacity = s.internals.capacity;
	*ret = a;
	a = (struct allocator){0};
	return 0;
}

void allocator__release(struct allocator *a)
{
	vector_release(&a->functions);
	vector_release(&a->operators);
	vector_release(&a->internals);
	vector_release(&a->returns);
	vector_release(&a->sites);
}
