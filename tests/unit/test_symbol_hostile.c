// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Damaged files cost names, never the program: a small program with DWARF, cut at every 64 bytes,
 * and with random changes. It says little without -fsanitize=address,undefined or valgrind.
 * MEMLEAK_MUTATIONS=N sets how many changed files are tried a kind, MEMLEAK_SEED=N where they
 * start.
 */
#include "tests/unit/test_symbol.h"

#include <elf.h>
#include <sys/mman.h>
#include <time.h>

#define SLOWEST_S 20 /* for one file, also under valgrind */

struct image {
	uint8_t *bytes;
	size_t size;
	uint64_t pcs[64];
	size_t nr_pcs;
};

static const char source[] =
	"#include <stdlib.h>\n"
	"struct list { struct list *next; char *text; };\n"
	"static inline __attribute__((always_inline)) struct list *add(struct list *l, int n)\n"
	"{ struct list *e = malloc(sizeof(*e)); e->next = l; e->text = malloc(n); return e; }\n"
	"static inline __attribute__((always_inline)) struct list *twice(struct list *l, int n)\n"
	"{ for (int i = 0; i < n; i++) { if (i % 3) l = add(l, i); else l = add(add(l, 1), 2); }\n"
	"  return l; }\n"
	"__attribute__((noinline)) int count(struct list *l) { int n = 0; while (l) { n++; "
	"l = l->next; } return n; }\n"
	"__attribute__((noinline, cold)) void fail(void) { abort(); }\n"
	"int main(int c, char **v) { struct list *l = twice(0, c + 5); if (!v) fail();\n"
	"  return count(l) == 5; }\n";

static void read_image(const char *path, struct image *im)
{
	CLEANUP_FCLOSE FILE *f = fopen(path, "r");
	char line[256];
	FILE *nm;

	assert_non_null(f);
	*im = (struct image){.bytes = malloc(1 << 20)};
	assert_non_null(im->bytes);
	im->size = fread(im->bytes, 1, 1 << 20, f);
	assert_true(im->size > 1000 && im->size < 1 << 20);
	snprintf(line, sizeof(line), "nm %s | grep -E ' [tTwW] '", path);
	nm = popen(line, "r");
	assert_non_null(nm);
	while (fgets(line, sizeof(line), nm) && im->nr_pcs + 4 <= ARRAY_SIZE(im->pcs)) {
		uint64_t addr = strtoull(line, NULL, 16);
		size_t i;

		for (i = 0; i < 4; i++)
			im->pcs[im->nr_pcs++] = addr + 13 * i;
	}
	pclose(nm);
	assert_true(im->nr_pcs > 8);
}

static void try_bytes(const struct image *im, const uint8_t *bytes, size_t size)
{
	int fd = memfd_create("hostile", MFD_CLOEXEC);
	struct timespec a, b;
	struct lookup l;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, size), size);
	clock_gettime(CLOCK_MONOTONIC, &a);
	lookup_begin(&l, fd, "/nowhere/hostile", NULL, false);
	lookup_run(&l, 0, im->pcs, im->nr_pcs, false);
	lookup_end(&l);
	clock_gettime(CLOCK_MONOTONIC, &b);
	assert_true(b.tv_sec - a.tv_sec < SLOWEST_S);
}

static uint64_t number(const char *name, uint64_t otherwise)
{
	const char *s = getenv(name);

	return s ? strtoull(s, NULL, 10) : otherwise;
}

static uint64_t next_random(uint64_t *seed)
{
	/* splitmix64 */
	uint64_t x = *seed += 0x9e3779b97f4a7c15ULL;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}

/* Where in the file to change something: mostly in a header or a debug section. */
static size_t pick_offset(const struct image *im, uint64_t *seed)
{
	const Elf64_Ehdr *e = (const void *)im->bytes;
	const Elf64_Shdr *s = (const void *)(im->bytes + e->e_shoff);
	uint64_t r = next_random(seed);
	size_t i = next_random(seed) % e->e_shnum;

	if (r % 8 == 0)
		return next_random(seed) % sizeof(*e);
	if (r % 8 == 1)
		return e->e_shoff + next_random(seed) % (e->e_shnum * sizeof(*s));
	if (r % 8 < 7 && s[i].sh_type != SHT_NOBITS && s[i].sh_size && !(s[i].sh_flags & SHF_ALLOC))
		return s[i].sh_offset + next_random(seed) % s[i].sh_size;
	return next_random(seed) % im->size;
}

static void change(const struct image *im, uint8_t *bytes, uint64_t *seed)
{
	static const uint64_t values[] = {0,	     1,		 0x7f,	     0x80,
					  0xff,	     0xffff,	 0x7fffffff, 0xffffffff,
					  INT64_MAX, UINT64_MAX, 0x1000,     0x10000};
	size_t at = pick_offset(im, seed);
	uint64_t r = next_random(seed), v;
	size_t n = 1 << (r % 4);

	if (at + 8 > im->size)
		return;
	switch ((r >> 8) % 4) {
	case 0:
		bytes[at] ^= 1 << ((r >> 16) % 8);
		break;
	case 1:
		bytes[at] = r >> 16;
		break;
	case 2:
		v = values[(r >> 16) % ARRAY_SIZE(values)];
		memcpy(bytes + at, &v, n);
		break;
	case 3:
		memmove(bytes + at, im->bytes + next_random(seed) % (im->size - 8), n);
		break;
	}
}

static void mutate(const struct image *im)
{
	CLEANUP_FREE uint8_t *bytes = malloc(im->size);
	uint64_t n = number("MEMLEAK_MUTATIONS", 300), first = number("MEMLEAK_SEED", 1), i;

	assert_non_null(bytes);
	for (i = first; i < first + n; i++) {
		uint64_t seed = i, changes = 1 + i % 8;

		memcpy(bytes, im->bytes, im->size);
		while (changes--)
			change(im, bytes, &seed);
		if (getenv("MEMLEAK_KEEP")) {
			FILE *f = fopen(getenv("MEMLEAK_KEEP"), "w");

			fwrite(bytes, 1, im->size, f);
			fclose(f);
		}
		try_bytes(im, bytes, im->size);
	}
}

static void build(const char *compiler, const char *flags, struct image *im)
{
	if (!have(compiler)) {
		print_message("%s is not installed\n", compiler);
		skip();
	}
	write_file("hostile.c", source);
	if (!run("%s %s -o hostile hostile.c", compiler, flags))
		skip();
	read_image("hostile", im);
}

static void test_truncated(void **state)
{
	struct image im;
	size_t n;

	(void)state;
	build("cc", "-O2 -g", &im);
	for (n = 0; n < im.size; n += 64)
		try_bytes(&im, im.bytes, n);
	free(im.bytes);
}

static void test_mutated_gcc(void **state)
{
	struct image im;

	(void)state;
	build("gcc", "-O2 -g -gdwarf-5", &im);
	mutate(&im);
	free(im.bytes);
}

static void test_mutated_dwarf4(void **state)
{
	struct image im;

	(void)state;
	build("gcc", "-O2 -g -gdwarf-4 -fdebug-types-section", &im);
	mutate(&im);
	free(im.bytes);
}

static void test_mutated_compressed(void **state)
{
	struct image im;

	(void)state;
	build("gcc", "-O2 -g -gz", &im);
	mutate(&im);
	free(im.bytes);
}

static void test_mutated_clang(void **state)
{
	struct image im;

	(void)state;
	build("clang", "-O2 -g -gdwarf-5", &im);
	mutate(&im);
	free(im.bytes);
}

static void test_mutated_32bit(void **state)
{
	struct image im;

	(void)state;
	/* Another class and byte order take other paths in libelf: as an object file, unlinked. */
	build("gcc", "-O2 -g -x c -c", &im);
	mutate(&im);
	free(im.bytes);
}

static void test_mutated_split(void **state)
{
	struct image im;

	(void)state;
	build("gcc", "-O2 -g -gsplit-dwarf", &im);
	mutate(&im);
	free(im.bytes);
}

static void test_mutated_dwz(void **state)
{
	struct image im;

	(void)state;
	if (!have("dwz") || !have("gcc")) {
		print_message("dwz or gcc is not installed\n");
		skip();
	}
	write_file("hostile.c", source);
	assert_true(run("gcc -O2 -g -o hostile hostile.c && cp hostile hostile2"));
	if (!run("dwz -m hostile.dwz hostile hostile2 2>/dev/null"))
		skip();
	read_image("hostile", &im);
	mutate(&im);
	free(im.bytes);
}

/*
 * Entries each of which claims to be followed by its own first child: every way through them is one
 * of 2^200. The function with the tree must be found, and at once.
 */
static void test_shared_tree(void **state)
{
	struct timespec a, b;
	struct lookup l;
	uint64_t pc = 0x10004;

	(void)state;
	if (!have("cc"))
		skip();
	write_file("shared.s", "	.text\n"
			       "start:	.skip 64, 0x90\n"
			       "	.section .debug_abbrev\n"
			       "	.byte 1, 0x11, 1, 0x11, 1, 0x12, 7, 0, 0\n"
			       "	.byte 2, 0x2e, 1, 0x03, 8, 0x11, 1, 0x12, 7, 0, 0\n"
			       "	.byte 3, 0x0b, 1, 0x01, 0x13, 0, 0, 0\n"
			       "	.section .debug_info\n"
			       "unit:	.4byte end - version\n"
			       "version: .2byte 4\n"
			       "	.4byte 0\n"
			       "	.byte 8\n"
			       "	.byte 1\n"
			       "	.8byte start, 64\n"
			       "	.byte 2\n"
			       "	.asciz \"shared\"\n"
			       "	.8byte start, 64\n"
			       "	.rept 200\n"
			       "	.byte 3\n"
			       "	.4byte . + 4 - unit\n"
			       "	.endr\n"
			       "	.skip 203\n"
			       "end:\n"
			       "	.section .note.GNU-stack,\"\",@progbits\n");
	write_file("shared.ld", "SECTIONS { .text 0x10000 : { *(.text) } "
				".debug_abbrev 0 : { *(.debug_abbrev) } "
				".debug_info 0 : { *(.debug_info) } }");
	if (!run("cc -c shared.s && ld -T shared.ld -e start -o shared shared.o 2>/dev/null && "
		 "objcopy -N start shared"))
		skip();
	clock_gettime(CLOCK_MONOTONIC, &a);
	lookup_open(&l, "shared");
	lookup_one(&l, pc, true);
	clock_gettime(CLOCK_MONOTONIC, &b);
	assert_true(b.tv_sec - a.tv_sec < 3);
	assert_non_null(l.profile->locations.items[0].lines[0].symbol);
	assert_string_equal(l.profile->locations.items[0].lines[0].symbol, "shared");
	assert_int_equal(l.profile->locations.items[0].lines[0].offset, 4);
	lookup_end(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_truncated),      cmocka_unit_test(test_mutated_gcc),
		cmocka_unit_test(test_mutated_dwarf4), cmocka_unit_test(test_mutated_compressed),
		cmocka_unit_test(test_mutated_clang),  cmocka_unit_test(test_mutated_32bit),
		cmocka_unit_test(test_mutated_split),  cmocka_unit_test(test_mutated_dwz),
		cmocka_unit_test(test_shared_tree),
	};

	return cmocka_run_group_tests(tests, setup_directory, teardown_directory);
}
