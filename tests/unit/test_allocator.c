// SPDX-License-Identifier: GPL-2.0-or-later
/* Which allocation functions are found in this machine's own libraries, and in files that are none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <gnu/lib-names.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "target/allocator.h"

static struct object *open_object(const char *path)
{
	struct object *o;

	assert_int_equal(object__create(open(path, O_RDONLY | O_CLOEXEC), path, &o), 0);
	return o;
}

/* The path of a library that this process has mapped; NULL if it has not. */
struct search {
	const char *name;
	char path[4096];
};

static int match(struct dl_phdr_info *info, size_t size, void *context)
{
	struct search *s = context;

	(void)size;
	if (!strstr(info->dlpi_name, s->name))
		return 0;
	snprintf(s->path, sizeof(s->path), "%s", info->dlpi_name);
	return 1;
}

static const struct allocator_function *find(const struct allocator *a, const char *name)
{
	size_t i;

	for (i = 0; i < a->functions.count; i++)
		if (strcmp(a->functions.items[i].name, name) == 0)
			return &a->functions.items[i];
	return NULL;
}

static void test_libc(void **state)
{
	static const char *const names[] = {
		"malloc",	  "calloc",	   "realloc", "reallocarray",
		"posix_memalign", "aligned_alloc", "valloc",  "free"};
	struct search s = {.name = LIBC_SO};
	struct allocator a;
	struct object *o;
	size_t i;

	(void)state;
	assert_int_equal(dl_iterate_phdr(match, &s), 1);
	o = open_object(s.path);
	assert_int_equal(allocator__find(o, &(struct allocator_search){0}, &a), 0);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!find(&a, names[i]))
			fail_msg("%s not found in %s", names[i], s.path);
	assert_true(a.has_heap);
	assert_false(a.is_go);
	assert_int_equal(find(&a, "free")->call, MEMLEAK_CALL_FREE);
	assert_true(find(&a, "free")->guarded);
	assert_true(find(&a, "malloc")->leaf && find(&a, "calloc")->leaf);
	assert_false(find(&a, "realloc")->leaf); /* it may jump to malloc */
	assert_int_equal(find(&a, "free")->families, 1 << MEMLEAK_FAMILY_MALLOC);
	/* mmap and mmap64 are one function, probed once. */
	assert_true(!!find(&a, "mmap") != !!find(&a, "mmap64"));
	allocator__release(&a);
	/* Under a prefix there is no heap; the mmap family keeps its names. */
	assert_int_equal(allocator__find(o, &(struct allocator_search){.prefix = "je_"}, &a), 0);
	assert_false(a.has_heap);
	assert_non_null(find(&a, "munmap"));
	allocator__release(&a);
	object__destroy(o);
}

/* C++'s own operators are but notes of the family, and are trusted; where it is not installed there
 * is nothing to look at. */
static void test_operators(void **state)
{
	static const struct {
		const char *name;
		enum memleak_call call;
		enum memleak_family family;
	} operators[] = {
		{"_Znwm", MEMLEAK_CALL_NEW, MEMLEAK_FAMILY_NEW},
		{"_Znam", MEMLEAK_CALL_NEW, MEMLEAK_FAMILY_NEW_ARRAY},
		{"_ZdlPv", MEMLEAK_CALL_DELETE, MEMLEAK_FAMILY_NEW},
		{"_ZdlPvm", MEMLEAK_CALL_DELETE, MEMLEAK_FAMILY_NEW},
		{"_ZdaPv", MEMLEAK_CALL_DELETE, MEMLEAK_FAMILY_NEW_ARRAY},
	};
	void *library = dlopen("libstdc++.so.6", RTLD_NOW);
	struct search s = {.name = "libstdc++.so.6"};
	struct allocator a;
	struct object *o;
	size_t i;

	(void)state;
	if (!library)
		skip();
	assert_int_equal(dl_iterate_phdr(match, &s), 1);
	o = open_object(s.path);
	assert_int_equal(allocator__find(o, &(struct allocator_search){0}, &a), 0);
	for (i = 0; i < sizeof(operators) / sizeof(operators[0]); i++) {
		const struct allocator_function *f = find(&a, operators[i].name);

		if (!f)
			fail_msg("%s not found in %s", operators[i].name, s.path);
		assert_true(allocator__is_note(f));
		assert_int_equal(f->call, operators[i].call);
		assert_int_equal(f->family, operators[i].family);
		assert_int_equal(f->families, 1 << operators[i].family);
	}
	/* Only one of these is told the size. */
	assert_int_not_equal(MEMLEAK_FORM_ARGUMENT(find(&a, "_ZdlPvm")->form, 16), 0);
	assert_int_equal(MEMLEAK_FORM_ARGUMENT(find(&a, "_ZdlPv")->form, 16), 0);
	assert_false(a.has_heap);
	allocator__release(&a);
	object__destroy(o);
	dlclose(library);
}

static void test_loader(void **state)
{
	struct search s = {.name = "ld-linux"};
	const struct allocator_function *f;
	struct allocator a;
	struct object *o;

	(void)state;
	if (dl_iterate_phdr(match, &s) != 1)
		skip();
	o = open_object(s.path);
	assert_int_equal(allocator__find(o, &(struct allocator_search){0}, &a), 0);
	f = find(&a, "_dl_debug_state");
	assert_non_null(f);
	assert_int_equal(f->call, MEMLEAK_CALL_LIBRARIES);
	assert_int_not_equal(f->distance, 0);
	assert_false(a.has_heap);
	allocator__release(&a);
	object__destroy(o);
}

static void test_no_elf(void **state)
{
	int fd = memfd_create("text", MFD_CLOEXEC);
	struct allocator a;
	struct object *o;

	(void)state;
	assert_int_equal(write(fd, "malloc\n", 7), 7);
	assert_int_equal(object__create(fd, "text", &o), 0);
	assert_int_equal(o->machine, 0);
	assert_int_equal(allocator__find(o, &(struct allocator_search){0}, &a), 0);
	assert_int_equal(a.functions.count, 0);
	allocator__release(&a);
	object__destroy(o);
}

/* Every prefix of an ELF file, and one with damaged bytes: no crash, whatever is found. */
static void test_damaged(void **state)
{
	static char bytes[1 << 20];
	int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(self, bytes, sizeof(bytes));
	int round;

	(void)state;
	close(self);
	assert_true(n > 4096);
	srand(1);
	for (round = 0; round < 300; round++) {
		int fd = memfd_create("damaged", MFD_CLOEXEC);
		size_t size = round % 2 ? (size_t)n : (size_t)(rand() % n);
		size_t at = rand() % (round % 3 ? 64 + 56 * 12 : n);
		char kept = bytes[at];
		struct allocator a;
		struct object *o;

		bytes[at] = rand();
		assert_int_equal(write(fd, bytes, size), size);
		bytes[at] = kept;
		assert_int_equal(object__create(fd, "damaged", &o), 0);
		assert_int_equal(allocator__find(o, &(struct allocator_search){0}, &a), 0);
		allocator__release(&a);
		object__destroy(o);
	}
}

static void test_names(void **state)
{
	(void)state;
	assert_true(allocator__is_name("malloc"));
	assert_true(allocator__is_name("operator new[](unsigned long)"));
	assert_false(allocator__is_name("xmalloc"));
	assert_false(allocator__is_name("malloc_usable_size"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_libc),   cmocka_unit_test(test_loader),
		cmocka_unit_test(test_no_elf), cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_names),  cmocka_unit_test(test_operators),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
