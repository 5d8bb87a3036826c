// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Every function symbol of real libraries is found again, at its start, in its middle and at its
 * last byte; the list to compare with is made here, straight from the sections.
 */
#include "tests/unit/test_symbol.h"

#include <glob.h>

#include "symbol/symtab.h"

struct truth {
	uint64_t start, size;
	const char *name;
	bool local;
};

struct truths {
	VECTOR(struct truth) v;
};

static void read_truths(Elf *elf, struct truths *t)
{
	Elf_Scn *scn = NULL;

	while ((scn = elf_nextscn(elf, scn))) {
		GElf_Shdr shdr;
		GElf_Sym sym;
		Elf_Data *data;
		int i;

		assert_non_null(gelf_getshdr(scn, &shdr));
		if (shdr.sh_type != SHT_SYMTAB && shdr.sh_type != SHT_DYNSYM)
			continue;
		data = elf_getdata(scn, NULL);
		for (i = 0; data && gelf_getsym(data, i, &sym); i++) {
			int type = GELF_ST_TYPE(sym.st_info);
			struct truth truth = {
				.start = sym.st_value,
				.size = sym.st_size,
				.name = elf_strptr(elf, shdr.sh_link, sym.st_name),
				.local = GELF_ST_BIND(sym.st_info) == STB_LOCAL,
			};

			if ((type == STT_FUNC || type == STT_GNU_IFUNC) &&
			    sym.st_shndx != SHN_UNDEF && sym.st_size)
				assert_int_equal(vector_push(&t->v, truth), 0);
		}
	}
}

static int compare(const void *x, const void *y)
{
	const struct truth *a = x, *b = y;

	return (a->start > b->start) - (a->start < b->start);
}

/* Is there a function of this name and start that holds @addr? */
static bool is_true(const struct truths *t, const char *name, uint64_t start, uint64_t addr)
{
	size_t low = 0, high = t->v.count;
	bool named = false, holds = false;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (t->v.items[mid].start < start)
			low = mid + 1;
		else
			high = mid;
	}
	for (; low < t->v.count && t->v.items[low].start == start; low++) {
		const struct truth *truth = &t->v.items[low];

		named |= strcmp(truth->name, name) == 0;
		holds |= addr < truth->start + truth->size;
	}
	return named && holds;
}

static struct elffile *open_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct elffile *f;

	assert_true(fd >= 0);
	elf_version(EV_CURRENT);
	assert_int_equal(elffile__open(fd, false, &f), 0);
	elffile__own_fd(f, fd);
	return f;
}

static void compare_file(const char *path, size_t least)
{
	struct truths truths = {0};
	struct elffile *f;
	struct symtab *t;
	size_t i, addresses = 0;

	if (access(path, R_OK)) {
		print_message("%s is not there\n", path);
		skip();
	}
	f = open_file(path);
	read_truths(f->elf, &truths);
	assert_true(truths.v.count >= least);
	qsort(truths.v.items, truths.v.count, sizeof(*truths.v.items), compare);
	assert_int_equal(symtab__create(&f, 1, SYMTAB_FUNCTIONS, &t), 0);
	for (i = 0; i < truths.v.count; i++) {
		const struct truth *truth = &truths.v.items[i];
		uint64_t addrs[] = {truth->start, truth->start + truth->size / 2,
				    truth->start + truth->size - 1};
		size_t k;

		addresses += !i || truth->start != truth[-1].start;
		for (k = 0; k < ARRAY_SIZE(addrs); k++) {
			const char *name;
			uint64_t start;

			assert_true(symtab__find(t, addrs[k], &name, &start));
			assert_true(start >= truth->start && start <= addrs[k]);
			assert_true(is_true(&truths, name, start, addrs[k]));
		}
	}
	print_message("%s: %zu symbols, %zu functions\n", path, truths.v.count, symtab__count(t));
	assert_true(symtab__count(t) >= addresses);
	symtab__destroy(t);
	elffile__destroy(f);
	vector_release(&truths.v);
}

/* Compare the first file that matches. */
static void compare_library(const char *pattern, size_t least)
{
	glob_t g;

	if (glob(pattern, 0, NULL, &g)) {
		print_message("there is no %s\n", pattern);
		skip();
	}
	compare_file(g.gl_pathv[0], least);
	globfree(&g);
}

static void test_libc(void **state)
{
	(void)state;
	compare_library("/lib/*/libc.so.6", 1500);
}

static void test_libstdcxx(void **state)
{
	(void)state;
	compare_library("/usr/lib/*/libstdc++.so.6", 3000);
}

static void test_python(void **state)
{
	(void)state;
	compare_library("/usr/bin/python3", 1000);
}

static void test_libc_debug_file(void **state)
{
	char id[256], path[512];

	(void)state;
	read_command(id, sizeof(id),
		     "readelf -n /lib/*/libc.so.6 2>/dev/null | sed -n 's/.*Build ID: //p'");
	snprintf(path, sizeof(path), "/usr/lib/debug/.build-id/%.2s/%s.debug", id,
		 strlen(id) > 2 ? id + 2 : "");
	compare_library(path, 5000);
}

static void expect(const struct symtab *t, uint64_t addr, const char *wanted, uint64_t offset)
{
	const char *name;
	uint64_t start;

	assert_true(symtab__find(t, addr, &name, &start));
	assert_string_equal(name, wanted);
	assert_int_equal(addr - start, offset);
}

static uint64_t address_of(const char *file, const char *symbol)
{
	char line[256];

	read_command(line, sizeof(line), "nm %s | grep ' %s$'", file, symbol);
	return strtoull(line, NULL, 16);
}

/* Assembly: a label without a size reaches to the next symbol; one inside a function is none;
 * behind a sized function is nothing. */
static void test_choice(void **state)
{
	const char *name;
	struct elffile *f;
	struct symtab *t;
	uint64_t at, start;

	(void)state;
	if (!have("cc"))
		skip();
	write_file("choice.s", "	.text\n"
			       "	.globl sized, ___alias, alias_of_sized, bare, last\n"
			       "	.type sized, @function\n"
			       "	.type local_name, @function\n"
			       "	.type ___alias, @function\n"
			       "	.type alias_of_sized, @function\n"
			       "	.balign 64\n"
			       "local_name:\n"
			       "___alias:\n"
			       "alias_of_sized:\n"
			       "sized:	.skip 8, 0x90\n"
			       "inner:	.skip 8, 0x90\n"
			       "	.size sized, 16\n"
			       "	.size ___alias, 16\n"
			       "	.size alias_of_sized, 12\n"
			       "	.size local_name, 16\n"
			       "	.skip 16, 0x90\n"
			       "bare:	.skip 32, 0x90\n"
			       "last:	.skip 24, 0x90\n"
			       "	.section .text.other,\"ax\",@progbits\n"
			       "	.skip 8\n"
			       "	.data\n"
			       "	.globl datum\n"
			       "datum:	.quad 1\n"
			       "	.section .note.GNU-stack,\"\",@progbits\n");
	write_file("choice.ld",
		   "SECTIONS { .text 0x10000 : { *(.text) } "
		   ".other 0x20000 : { *(.text.other) } .data 0x30000 : { *(.data) } }");
	if (!run("cc -c choice.s && ld -T choice.ld -e sized -o choice choice.o"))
		skip();
	f = open_file("choice");
	assert_int_equal(symtab__create(&f, 1, SYMTAB_FUNCTIONS, &t), 0);
	at = address_of("choice", "sized");
	expect(t, at, "sized", 0);
	expect(t, at + 8, "sized", 8);
	expect(t, at + 15, "sized", 15);
	assert_false(symtab__find(t, at + 16, &name, &start));
	assert_false(symtab__find(t, at + 31, &name, &start));
	expect(t, at + 32, "bare", 0);
	expect(t, at + 63, "bare", 31);
	expect(t, at + 64, "last", 0);
	expect(t, at + 87, "last", 23);
	assert_false(symtab__find(t, at + 88, &name, &start)); /* the section ends */
	assert_false(symtab__find(t, 0x20004, &name, &start));
	assert_false(symtab__find(t, address_of("choice", "datum"), &name, &start));
	assert_false(symtab__find(t, 0, &name, &start));
	assert_false(symtab__find(t, UINT64_MAX, &name, &start));
	symtab__destroy(t);
	elffile__destroy(f);
}

/* The names that people use, without versions. */
static void test_names(void **state)
{
	static const struct {
		const char *raw, *shown;
	} names[] = {{"malloc", "malloc"}, {"read", "read"}, {"qsort", "qsort"}};
	struct lookup l;
	glob_t g;
	size_t i;

	(void)state;
	if (glob("/lib/*/libc.so.6", 0, NULL, &g) || !have("nm")) {
		print_message("no libc.so.6 or no nm\n");
		skip();
	}
	lookup_open(&l, g.gl_pathv[0]);
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		char line[256];
		const struct profile_location *where;

		read_command(line, sizeof(line), "nm -D %s | grep -E ' [TW] %s@@'", g.gl_pathv[0],
			     names[i].raw);
		where = lookup_one(&l, strtoull(line, NULL, 16) + 1, false);
		assert_non_null(where->lines[where->nr_lines - 1].symbol);
		assert_string_equal(where->lines[where->nr_lines - 1].symbol, names[i].shown);
		assert_int_equal(where->lines[where->nr_lines - 1].offset, 1);
	}
	lookup_end(&l);
	globfree(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_libc),   cmocka_unit_test(test_libstdcxx),
		cmocka_unit_test(test_python), cmocka_unit_test(test_libc_debug_file),
		cmocka_unit_test(test_choice), cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, setup_directory, teardown_directory);
}
