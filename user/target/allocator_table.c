// SPDX-License-Identifier: GPL-2.0-or-later
#include "target/allocator_table.h"

#include <string.h>

#include "util/cleanup.h"

#define SIZE(n)	 MEMLEAK_FORM_SIZE(n)
#define COUNT(n) MEMLEAK_FORM_COUNT(n)
#define OLD(n)	 MEMLEAK_FORM_OLD(n)
#define OLD_GOES MEMLEAK_FORM_OLD_GOES
#define IN_PLACE MEMLEAK_FORM_IN_PLACE

#define HEAP(name, call)                                                                           \
	{                                                                                          \
		name, MEMLEAK_CALL_##call, MEMLEAK_FAMILY_MALLOC, false, 0                         \
	}
#define DESCRIBED(name, form)                                                                      \
	{                                                                                          \
		name, MEMLEAK_CALL_DESCRIBED, MEMLEAK_FAMILY_MALLOC, false, form                   \
	}
#define NEW(name, throws)                                                                          \
	{                                                                                          \
		name, MEMLEAK_CALL_MALLOC, MEMLEAK_FAMILY_NEW, throws, 0                           \
	}
#define NEW_ARRAY(name, throws)                                                                    \
	{                                                                                          \
		name, MEMLEAK_CALL_MALLOC, MEMLEAK_FAMILY_NEW_ARRAY, throws, 0                     \
	}
#define DELETE(name, form)                                                                         \
	{                                                                                          \
		name, MEMLEAK_CALL_FREE, MEMLEAK_FAMILY_NEW, false, form                           \
	}
#define DELETE_ARRAY(name, form)                                                                   \
	{                                                                                          \
		name, MEMLEAK_CALL_FREE, MEMLEAK_FAMILY_NEW_ARRAY, false, form                     \
	}
#define MAPPING(name, call)                                                                        \
	{                                                                                          \
		name, MEMLEAK_CALL_##call, MEMLEAK_FAMILY_MMAP, false, 0                           \
	}

/* One row a function. malloc_usable_size, mallctl and their like allocate nothing. */
/* clang-format off */
const struct allocator_row allocator_table[] = {
	HEAP("malloc", MALLOC),
	HEAP("calloc", CALLOC),
	HEAP("realloc", REALLOC),
	HEAP("reallocarray", REALLOCARRAY),
	HEAP("posix_memalign", POSIX_MEMALIGN),
	HEAP("aligned_alloc", MEMALIGN),
	HEAP("memalign", MEMALIGN),
	HEAP("valloc", MALLOC),
	HEAP("pvalloc", MALLOC),
	DESCRIBED("reallocf", SIZE(2) | OLD(1) | OLD_GOES),
	HEAP("free", FREE),
	HEAP("cfree", FREE),
	HEAP("free_sized", FREE),
	HEAP("free_aligned_sized", FREE),

	/* jemalloc: jemalloc(3), "Non-standard API". */
	HEAP("mallocx", MALLOC),
	DESCRIBED("rallocx", SIZE(2) | OLD(1)),
	DESCRIBED("xallocx", SIZE(2) | OLD(1) | IN_PLACE),
	HEAP("dallocx", FREE),
	HEAP("sdallocx", FREE),

	/* tcmalloc: gperftools/tcmalloc.h; what the C functions are called under its prefix. */
	HEAP("tc_malloc_skip_new_handler", MALLOC),
	NEW("tc_new", true),
	NEW("tc_new_nothrow", false),
	NEW("tc_new_aligned", true),
	NEW("tc_new_aligned_nothrow", false),
	NEW_ARRAY("tc_newarray", true),
	NEW_ARRAY("tc_newarray_nothrow", false),
	NEW_ARRAY("tc_newarray_aligned", true),
	NEW_ARRAY("tc_newarray_aligned_nothrow", false),
	DELETE("tc_delete", 0),
	DELETE("tc_delete_sized", SIZE(2)),
	DELETE("tc_delete_nothrow", 0),
	DELETE("tc_delete_aligned", 0),
	DELETE("tc_delete_sized_aligned", SIZE(2)),
	DELETE("tc_delete_aligned_nothrow", 0),
	DELETE_ARRAY("tc_deletearray", 0),
	DELETE_ARRAY("tc_deletearray_sized", SIZE(2)),
	DELETE_ARRAY("tc_deletearray_nothrow", 0),
	DELETE_ARRAY("tc_deletearray_aligned", 0),
	DELETE_ARRAY("tc_deletearray_sized_aligned", SIZE(2)),
	DELETE_ARRAY("tc_deletearray_aligned_nothrow", 0),

	/* mimalloc: mimalloc.h. */
	HEAP("mi_malloc_small", MALLOC),
	HEAP("mi_zalloc_small", MALLOC),
	HEAP("mi_zalloc", MALLOC),
	HEAP("mi_mallocn", CALLOC),
	HEAP("mi_reallocn", REALLOCARRAY),
	HEAP("mi_rezalloc", REALLOC),
	HEAP("mi_recalloc", REALLOCARRAY),
	HEAP("mi_malloc_aligned", MALLOC),
	HEAP("mi_zalloc_aligned", MALLOC),
	HEAP("mi_calloc_aligned", CALLOC),
	HEAP("mi_realloc_aligned", REALLOC),
	HEAP("mi_rezalloc_aligned", REALLOC),
	HEAP("mi_recalloc_aligned", REALLOCARRAY),
	HEAP("mi_malloc_aligned_at", MALLOC),
	HEAP("mi_zalloc_aligned_at", MALLOC),
	HEAP("mi_calloc_aligned_at", CALLOC),
	HEAP("mi_realloc_aligned_at", REALLOC),
	HEAP("mi_rezalloc_aligned_at", REALLOC),
	HEAP("mi_recalloc_aligned_at", REALLOCARRAY),
	DESCRIBED("mi_expand", SIZE(2) | OLD(1)),
	DESCRIBED("mi_heap_malloc", SIZE(2)),
	DESCRIBED("mi_heap_malloc_small", SIZE(2)),
	DESCRIBED("mi_heap_zalloc", SIZE(2)),
	DESCRIBED("mi_heap_calloc", SIZE(2) | COUNT(3)),
	DESCRIBED("mi_heap_mallocn", SIZE(2) | COUNT(3)),
	DESCRIBED("mi_heap_realloc", SIZE(3) | OLD(2)),
	DESCRIBED("mi_heap_reallocn", SIZE(3) | COUNT(4) | OLD(2)),
	DESCRIBED("mi_heap_reallocf", SIZE(3) | OLD(2) | OLD_GOES),
	DESCRIBED("mi_heap_rezalloc", SIZE(3) | OLD(2)),
	DESCRIBED("mi_heap_recalloc", SIZE(3) | COUNT(4) | OLD(2)),
	DESCRIBED("mi_heap_malloc_aligned", SIZE(2)),
	DESCRIBED("mi_heap_malloc_aligned_at", SIZE(2)),
	DESCRIBED("mi_heap_zalloc_aligned", SIZE(2)),
	DESCRIBED("mi_heap_zalloc_aligned_at", SIZE(2)),
	DESCRIBED("mi_heap_calloc_aligned", SIZE(2) | COUNT(3)),
	DESCRIBED("mi_heap_calloc_aligned_at", SIZE(2) | COUNT(3)),
	DESCRIBED("mi_heap_realloc_aligned", SIZE(3) | OLD(2)),
	DESCRIBED("mi_heap_realloc_aligned_at", SIZE(3) | OLD(2)),
	NEW("mi_new", true),
	NEW("mi_new_nothrow", false),
	NEW("mi_new_aligned", true),
	NEW("mi_new_aligned_nothrow", false),
	HEAP("mi_free_size", FREE),
	HEAP("mi_free_size_aligned", FREE),
	HEAP("mi_free_aligned", FREE),

	/* Itanium C++ ABI 5.1.5; the size is the first argument of every form. */
	NEW("_Znwm", true),
	NEW("_ZnwmRKSt9nothrow_t", false),
	NEW("_ZnwmSt11align_val_t", true),
	NEW("_ZnwmSt11align_val_tRKSt9nothrow_t", false),
	NEW_ARRAY("_Znam", true),
	NEW_ARRAY("_ZnamRKSt9nothrow_t", false),
	NEW_ARRAY("_ZnamSt11align_val_t", true),
	NEW_ARRAY("_ZnamSt11align_val_tRKSt9nothrow_t", false),
	DELETE("_ZdlPv", 0),
	DELETE("_ZdlPvm", SIZE(2)),
	DELETE("_ZdlPvRKSt9nothrow_t", 0),
	DELETE("_ZdlPvSt11align_val_t", 0),
	DELETE("_ZdlPvmSt11align_val_t", SIZE(2)),
	DELETE("_ZdlPvSt11align_val_tRKSt9nothrow_t", 0),
	DELETE_ARRAY("_ZdaPv", 0),
	DELETE_ARRAY("_ZdaPvm", SIZE(2)),
	DELETE_ARRAY("_ZdaPvRKSt9nothrow_t", 0),
	DELETE_ARRAY("_ZdaPvSt11align_val_t", 0),
	DELETE_ARRAY("_ZdaPvmSt11align_val_t", SIZE(2)),
	DELETE_ARRAY("_ZdaPvSt11align_val_tRKSt9nothrow_t", 0),

	MAPPING("mmap", MMAP),
	MAPPING("mmap64", MMAP),
	MAPPING("munmap", MUNMAP),
	MAPPING("mremap", MREMAP),

	MAPPING("_dl_debug_state", LIBRARIES),
};
/* clang-format on */

const size_t nr_allocator_rows = ARRAY_SIZE(allocator_table);

/* What builds of these allocators put in front of malloc and its relatives. */
static const char *const prefixes[] = {"je_", "_rjem_", "_rjem_je_", "tc_", "mi_", NULL};

/* Functions by which allocators map memory for themselves, often before the first malloc. */
static const char *const mappers[] = {
	"pages_map",			    /* jemalloc */
	"os_pages_map",			    /* jemalloc */
	"_ZN16MmapSysAllocator5AllocEmPmm", /* tcmalloc */
	"mi_unix_mmap",			    /* mimalloc 2.0 */
	"unix_mmap",			    /* mimalloc 2.1 */
	"unix_mmap_prim",		    /* mimalloc 2.1 */
};

static bool has_prefix(const struct allocator_row *row, const char *prefix, const char *symbol)
{
	size_t n = strlen(prefix);

	return strncmp(symbol, prefix, n) == 0 && strcmp(symbol + n, row->name) == 0;
}

bool allocator_row__matches(const struct allocator_row *row, const char *prefix, const char *symbol)
{
	size_t i;

	if (row->family != MEMLEAK_FAMILY_MALLOC)
		return strcmp(symbol, row->name) == 0;
	if (prefix) {
		size_t n = strlen(prefix);

		if (has_prefix(row, prefix, symbol))
			return true;
		return strncmp(symbol, prefix, n) == 0 && symbol[n] == '_' &&
		       strcmp(symbol + n + 1, row->name) == 0;
	}
	for (i = 0; prefixes[i]; i++)
		if (has_prefix(row, prefixes[i], symbol))
			return true;
	return strcmp(symbol, row->name) == 0;
}

bool allocator_row__is_operator_new(const struct allocator_row *row)
{
	return row->call == MEMLEAK_CALL_MALLOC &&
	       (row->family == MEMLEAK_FAMILY_NEW || row->family == MEMLEAK_FAMILY_NEW_ARRAY);
}

bool allocator_row__is_operator(const struct allocator_row *row)
{
	return row->family == MEMLEAK_FAMILY_NEW || row->family == MEMLEAK_FAMILY_NEW_ARRAY;
}

bool allocator_table__has_mapper(const char *symbol)
{
	size_t i, k;

	for (i = 0; i < ARRAY_SIZE(mappers); i++) {
		size_t n = strlen(mappers[i]);

		if (strncmp(symbol, mappers[i], n) == 0 && (!symbol[n] || symbol[n] == '.'))
			return true;
		for (k = 0; prefixes[k]; k++)
			if (strncmp(symbol, prefixes[k], strlen(prefixes[k])) == 0 &&
			    strcmp(symbol + strlen(prefixes[k]), mappers[i]) == 0)
				return true;
	}
	return false;
}

/* The same ones make libmemleak.so step aside (user/hook/begin.c). */
bool allocator_table__has_sanitizer(const char *symbol)
{
	static const char *const inits[] = {"__asan_init", "__hwasan_init", "__lsan_init",
					    "__tsan_init", "__msan_init"};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(inits); i++)
		if (strcmp(symbol, inits[i]) == 0)
			return true;
	return false;
}

bool allocator__is_note(const struct allocator_function *f)
{
	return f->call == MEMLEAK_CALL_NEW || f->call == MEMLEAK_CALL_DELETE;
}

static const struct allocator_row *row_of(const struct allocator_search *search, size_t number)
{
	if (number < search->nr_rows)
		return &search->rows[number];
	number -= search->nr_rows;
	return number < nr_allocator_rows ? &allocator_table[number] : NULL;
}

uint32_t allocator__row_number(const struct allocator_search *search,
			       const struct allocator_function *f)
{
	const struct allocator_row *r;
	uint32_t i;

	/* A function has its name from its row: the very pointer. */
	for (i = 0; (r = row_of(search, i)); i++)
		if (r->name == f->name)
			break;
	return i;
}

bool allocator__from_row(const struct allocator_search *search, uint32_t number, bool note,
			 struct allocator_function *ret)
{
	const struct allocator_row *r = row_of(search, number);

	if (!r || (note && !allocator_row__is_operator(r)))
		return false;
	*ret = (struct allocator_function){
		.name = r->name,
		.call = r->call,
		.family = r->family,
		.may_throw = r->may_throw && !note,
		.form = r->form,
	};
	if (note)
		ret->call =
			allocator_row__is_operator_new(r) ? MEMLEAK_CALL_NEW : MEMLEAK_CALL_DELETE;
	return true;
}

bool allocator__is_name(const char *name)
{
	size_t i;

	if (strncmp(name, "operator new", strlen("operator new")) == 0)
		return true;
	for (i = 0; i < nr_allocator_rows; i++)
		if (allocator_row__matches(&allocator_table[i], NULL, name))
			return true;
	return false;
}
