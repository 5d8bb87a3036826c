// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Functions, source lines and inlined calls against addr2line of binutils and eu-addr2line of
 * elfutils, for programs that the test compiles, and for the C library where its debug file is
 * installed.
 *
 * All have faults: binutils 2.40 names wrong files with DWARF 5 and misses clang's inlined calls
 * there, eu-addr2line finds no lines without .debug_aranges. An address is right if functions and
 * lines are binutils' or LLVM's (where that is installed), or files and lines elfutils'.
 */
#include "tests/unit/test_symbol.h"

#define MAX_ADDRESSES 1000
#define MAX_CHAIN     32

struct step {
	char *function, *file;
	unsigned int line;
};

struct chain {
	struct step steps[MAX_CHAIN];
	size_t nr;
};

struct answers {
	struct chain chains[MAX_ADDRESSES];
	size_t nr;
};

static const char source[] =
	"#include <cstdio>\n"
	"#include <map>\n"
	"#include <string>\n"
	"#include <vector>\n"
	"static inline __attribute__((always_inline)) int leaf(std::vector<int> &v, int x)\n"
	"{\n"
	"	v.push_back(x);\n"
	"	return v.size();\n"
	"}\n"
	"static inline int middle(std::vector<int> &v, int x)\n"
	"{\n"
	"	int sum = 0;\n"
	"	for (int i = 0; i < x; i++)\n"
	"		sum += leaf(v, i);\n"
	"	return sum;\n"
	"}\n"
	"template <class T> __attribute__((noinline)) T typed(T a)\n"
	"{\n"
	"	std::map<T, std::string> m;\n"
	"	m[a] = \"x\";\n"
	"	return m.size() + middle(*new std::vector<int>, a);\n"
	"}\n"
	"namespace space {\n"
	"struct thing {\n"
	"	int f(int x) { return typed(x) + typed((long)x); }\n"
	"};\n"
	"}\n"
	"int main(int c, char **)\n"
	"{\n"
	"	space::thing s;\n"
	"	auto l = [&](int q) { return s.f(q) + c; };\n"
	"	printf(\"%d\\n\", l(c));\n"
	"	return 0;\n"
	"}\n";

/* "file:line", perhaps with ":column" or " (discriminator 3)"; no line is 0. */
static void parse_place(char *s, struct step *step)
{
	char *colon = s;

	while ((colon = strchr(colon, ':')) && colon[1] != '?' &&
	       !(colon[1] >= '0' && colon[1] <= '9'))
		colon++;
	if (colon)
		*colon++ = '\0';
	step->file = strdup(s);
	step->line = colon ? strtoul(colon, NULL, 10) : 0;
}

/* Read the pairs of lines that both tools print for each address, which -a puts before them. */
static void read_answers(const char *command, struct answers *a)
{
	FILE *f = popen(command, "r");
	char line[16384];
	struct step step = {0};

	assert_non_null(f);
	a->nr = 0;
	while (fgets(line, sizeof(line), f)) {
		struct chain *c = a->nr ? &a->chains[a->nr - 1] : NULL;

		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "0x", 2) == 0) {
			assert_true(a->nr < MAX_ADDRESSES);
			a->chains[a->nr++].nr = 0;
		} else if (c && !step.function) {
			char *inlined = strstr(line, " inlined at ");

			if (inlined)
				*inlined = '\0';
			step.function = strdup(line);
		} else if (c) {
			parse_place(line, &step);
			assert_true(c->nr < MAX_CHAIN);
			c->steps[c->nr++] = step;
			step = (struct step){0};
		}
	}
	pclose(f);
}

static void free_answers(struct answers *a)
{
	size_t i, j;

	for (i = 0; i < a->nr; i++) {
		for (j = 0; j < a->chains[i].nr; j++) {
			free(a->chains[i].steps[j].function);
			free(a->chains[i].steps[j].file);
		}
	}
	free(a);
}

/* Equal, but for the name of a part that the compiler split off or copied. */
static bool same_function(const char *ours, const char *theirs)
{
	size_t n = strlen(theirs);

	if (!ours || strcmp(ours, "??") == 0)
		return strcmp(theirs, "??") == 0;
	return strncmp(ours, theirs, n) == 0 &&
	       (!ours[n] || ours[n] == '.' || strncmp(ours + n, " [clone", 7) == 0);
}

/* Paths are compared by their last part, and up to "..". */
static bool same_file(const char *ours, const char *theirs)
{
	const char *a = ours ? strrchr(ours, '/') : NULL, *b = strrchr(theirs, '/');

	if (!ours)
		return strcmp(theirs, "??") == 0;
	return strcmp(a ? a : ours, b ? b : theirs) == 0;
}

static bool agrees(const struct profile_location *l, const struct chain *c, bool functions,
		   bool files)
{
	size_t i;

	if (l->nr_lines != c->nr)
		return false;
	for (i = 0; i < c->nr; i++) {
		const struct profile_line *line = &l->lines[i];
		const struct step *step = &c->steps[i];

		if (line->line != step->line || line->inlined != (i + 1 < c->nr))
			return false;
		if (functions && !same_function(line->symbol, step->function))
			return false;
		if (files && !same_file(line->file, step->file))
			return false;
	}
	return true;
}

static void print_chain(const char *who, const struct chain *c)
{
	size_t i;

	for (i = 0; i < c->nr; i++)
		print_message("  %s: %s %s:%u\n", who, c->steps[i].function, c->steps[i].file,
			      c->steps[i].line);
}

static void print_location(const struct profile_location *l)
{
	size_t i;

	print_message("%#lx\n", (unsigned long)l->pc);
	for (i = 0; i < l->nr_lines; i++)
		print_message("  ours: %s %s:%u\n", l->lines[i].symbol, l->lines[i].file,
			      l->lines[i].line);
}

/* Instruction addresses of @path, one in @step, into the file "addresses". */
static size_t list_addresses(const char *path, unsigned int step, uint64_t *pcs)
{
	size_t n = 0;
	char line[64];
	FILE *f;

	assert_true(run("objdump -d --no-show-raw-insn '%s' | "
			"sed -n 's/^ *\\([0-9a-f]\\{1,\\}\\):.*/\\1/p' | "
			"awk 'NR %% %u == 0 && n++ < %d' >addresses",
			path, step, MAX_ADDRESSES));
	f = fopen("addresses", "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		pcs[n++] = strtoull(line, NULL, 16);
	fclose(f);
	return n;
}

/* Between functions there is nothing; debuggers take such an address for the function before. */
static bool is_padding(const struct profile_location *l)
{
	return l->nr_lines == 1 && !l->lines[0].symbol && !l->lines[0].file;
}

enum { BINUTILS, ELFUTILS, LLVM, NR_ORACLES };

static void ask_oracles(const char *path, struct answers *answers[NR_ORACLES], size_t n)
{
	static const char *const commands[] = {
		[BINUTILS] = "addr2line -a -f -i -C -e '%s' <addresses",
		[ELFUTILS] = "eu-addr2line -a -f -i -C -A -e '%s' <addresses",
		[LLVM] = "llvm-addr2line -a -f -i -C -e '%s' <addresses",
	};
	size_t i;

	for (i = 0; i < NR_ORACLES; i++) {
		char command[4096];

		answers[i] = calloc(1, sizeof(*answers[i]));
		assert_non_null(answers[i]);
		if (i == LLVM && !have("llvm-addr2line"))
			continue;
		snprintf(command, sizeof(command), commands[i], path);
		read_answers(command, answers[i]);
		assert_int_equal(answers[i]->nr, n);
	}
}

/* Compare @path's addresses, one in @step; at most @wrong in a thousand may disagree. */
static void compare_file(const char *path, unsigned int step, size_t least, size_t wrong)
{
	struct answers *answers[NR_ORACLES];
	uint64_t pcs[MAX_ADDRESSES];
	size_t n = list_addresses(path, step, pcs), i, bad = 0, inlined = 0, padding = 0;
	struct lookup l;

	assert_true(n >= least);
	ask_oracles(path, answers, n);
	lookup_open(&l, path);
	lookup_run(&l, 0, pcs, n, true);
	for (i = 0; i < n; i++) {
		const struct profile_location *location = &l.profile->locations.items[i];

		inlined += location->nr_lines > 1;
		if (agrees(location, &answers[BINUTILS]->chains[i], true, false) ||
		    agrees(location, &answers[LLVM]->chains[i], true, false) ||
		    agrees(location, &answers[ELFUTILS]->chains[i], false, true))
			continue;
		if (is_padding(location) && ++padding)
			continue;
		if (bad++ < 3) {
			print_location(location);
			print_chain("binutils", &answers[BINUTILS]->chains[i]);
			print_chain("elfutils", &answers[ELFUTILS]->chains[i]);
			print_chain("llvm", &answers[LLVM]->chains[i]);
		}
	}
	print_message("%s: %zu addresses, %zu in inlined calls, %zu disagree\n", path, n, inlined,
		      bad);
	assert_true(bad * 1000 <= n * wrong);
	assert_true(padding * 50 <= n);
	/* Of a static program most is the C library, perhaps without debug information. */
	assert_true(inlined >= 20 || least < 100);
	lookup_end(&l);
	for (i = 0; i < NR_ORACLES; i++)
		free_answers(answers[i]);
}

static void need(const char *command)
{
	if (have(command))
		return;
	print_message("%s is not installed\n", command);
	skip();
}

static void compare_program(const char *compiler, const char *flags, size_t wrong)
{
	need(compiler);
	need("addr2line");
	need("eu-addr2line");
	write_file("lines.cc", source);
	if (!run("%s %s -o lines lines.cc", compiler, flags)) {
		print_message("%s does not know %s\n", compiler, flags);
		skip();
	}
	compare_file("./lines", 1, 300, wrong);
}

static void test_gcc_dwarf5(void **state)
{
	(void)state;
	compare_program("g++", "-O2 -g -gdwarf-5", 0);
}

static void test_gcc_dwarf4(void **state)
{
	(void)state;
	compare_program("g++", "-O2 -g -gdwarf-4", 0);
}

static void test_gcc_types(void **state)
{
	(void)state;
	compare_program("g++", "-O2 -g -gdwarf-4 -fdebug-types-section", 0);
}

static void test_gcc_compressed(void **state)
{
	(void)state;
	compare_program("g++", "-O2 -g -gz=zlib", 0);
}

static void test_gcc_lto(void **state)
{
	(void)state;
	/* Here a lambda has no linkage name, and binutils names the function around it. */
	compare_program("g++", "-O2 -g -flto", 5);
}

static void test_gcc_static(void **state)
{
	(void)state;
	compare_program("g++", "-O2 -g -static -no-pie -ffunction-sections -Wl,--gc-sections", 0);
}

static void test_clang_dwarf5(void **state)
{
	(void)state;
	need("llvm-addr2line");
	compare_program("clang++", "-O2 -g -gdwarf-5", 0);
}

static void test_clang_dwarf4(void **state)
{
	(void)state;
	compare_program("clang++", "-O2 -g -gdwarf-4", 0);
}

static void test_dwz(void **state)
{
	(void)state;
	need("dwz");
	need("g++");
	need("addr2line");
	need("eu-addr2line");
	write_file("lines.cc", source);
	assert_true(run("g++ -O2 -g -gdwarf-4 -o lines lines.cc && cp lines lines2"));
	assert_true(run("dwz -m common.dwz -r lines lines2"));
	assert_true(run("readelf -S lines | grep -q gnu_debugaltlink"));
	compare_file("./lines", 1, 300, 0);
}

/* Without the common file names of inlined functions may be missing; nothing else. */
static void test_dwz_missing(void **state)
{
	struct lookup l;
	char line[256];
	uint64_t pc;

	need("dwz");
	need("g++");
	write_file("lines.cc", source);
	assert_true(run("g++ -O2 -g -o lines lines.cc && cp lines lines2"));
	assert_true(run("dwz -m '%s'/gone.dwz lines lines2 && rm -f gone.dwz && mkfifo gone.dwz",
			(const char *)*state));
	read_command(line, sizeof(line), "nm lines | grep ' main$'");
	pc = strtoull(line, NULL, 16);
	lookup_open(&l, "lines");
	alarm(10); /* a FIFO opened would block */
	lookup_one(&l, pc, true);
	alarm(0);
	assert_string_equal(l.profile->locations.items[0].lines[0].symbol, "main");
	assert_true(l.profile->locations.items[0].lines[0].line > 20);
	lookup_end(&l);
}

/* With split DWARF the lines are there; the .dwo file, here a FIFO, is not opened. */
static void test_split(void **state)
{
	struct lookup l;
	char line[256];
	uint64_t pc;

	(void)state;
	need("gcc");
	write_file("split.c", "int main(void)\n{\n\treturn 0;\n}\n");
	assert_true(run("gcc -g -gsplit-dwarf -o split split.c && rm -f *.dwo && "
			"mkfifo split.dwo split-split.dwo"));
	read_command(line, sizeof(line), "nm split | grep ' main$'");
	pc = strtoull(line, NULL, 16);
	lookup_open(&l, "split");
	alarm(10);
	lookup_one(&l, pc, true);
	alarm(0);
	assert_string_equal(l.profile->locations.items[0].lines[0].symbol, "main");
	assert_int_equal(l.profile->locations.items[0].lines[0].line, 2);
	assert_non_null(strstr(l.profile->locations.items[0].lines[0].file, "/split.c"));
	lookup_end(&l);
}

/* Names come from DWARF where there is no symbol table; relative files get their directory. */
static void test_no_symtab(void **state)
{
	const struct profile_line *line;
	struct lookup l;
	char text[512], cwd[256];
	uint64_t pc;

	(void)state;
	need("gcc");
	assert_true(run("mkdir -p sub"));
	write_file("sub/bare.c", "int other(void)\n{\n\treturn 7;\n}\n"
				 "int main(void) { return other(); }\n");
	assert_true(run("gcc -g -O0 -gdwarf-4 -o bare sub/bare.c"));
	read_command(text, sizeof(text), "nm bare | grep ' other$'");
	pc = strtoull(text, NULL, 16);
	assert_true(run("strip --strip-all --keep-section='.debug_*' bare"));
	assert_true(run("! readelf -S bare | grep -q symtab"));
	lookup_open(&l, "bare");
	line = lookup_one(&l, pc + 6, true)->lines;
	assert_int_equal(line->line, 3);
	assert_non_null(line->symbol);
	assert_string_equal(line->symbol, "other");
	assert_int_equal(line->offset, 6);
	assert_non_null(getcwd(cwd, sizeof(cwd)));
	snprintf(text, sizeof(text), "%s/sub/bare.c", cwd);
	assert_string_equal(line->file, text);
	lookup_end(&l);
}

/* A call at the end of a function that does not return: the next function must not be named. */
static void test_return_address(void **state)
{
	const struct profile_location *where;
	struct lookup l;
	char text[256];
	uint64_t start, end;

	(void)state;
	need("gcc");
	write_file("last.c", "#include <stdlib.h>\n"
			     "__attribute__((noinline, noclone)) void first(void)\n"
			     "{\n\tabort();\n}\n"
			     "int main(void)\n{\n\tfirst();\n}\n");
	assert_true(run("gcc -g -O2 -fno-reorder-functions -o last last.c"));
	read_command(text, sizeof(text), "nm -S last | grep ' first$'");
	start = strtoull(text, NULL, 16);
	end = start + strtoull(text + 17, NULL, 16);
	assert_true(start && end > start);
	lookup_open(&l, "last");
	where = lookup_one(&l, end, false);
	assert_string_equal(where->lines[0].symbol, "first");
	assert_int_equal(where->lines[0].offset, end - start);
	assert_int_equal(where->lines[0].line, 4);
	where = lookup_one(&l, end, true);
	assert_true(!where->lines[0].symbol || strcmp(where->lines[0].symbol, "first") != 0);
	where = lookup_one(&l, start, true);
	assert_string_equal(where->lines[0].symbol, "first");
	assert_int_equal(where->lines[0].offset, 0);
	lookup_end(&l);
}

static void test_libc(void **state)
{
	(void)state;
	need("addr2line");
	need("eu-addr2line");
	if (!have("/lib/x86_64-linux-gnu/libc.so.6") ||
	    !run("eu-addr2line -e /lib/x86_64-linux-gnu/libc.so.6 0x30000 | grep -q :")) {
		print_message("no debug file of the C library\n");
		skip();
	}
	compare_file("/lib/x86_64-linux-gnu/libc.so.6", 331, 900, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gcc_dwarf5),
		cmocka_unit_test(test_gcc_dwarf4),
		cmocka_unit_test(test_gcc_types),
		cmocka_unit_test(test_gcc_compressed),
		cmocka_unit_test(test_gcc_lto),
		cmocka_unit_test(test_gcc_static),
		cmocka_unit_test(test_clang_dwarf5),
		cmocka_unit_test(test_clang_dwarf4),
		cmocka_unit_test(test_dwz),
		cmocka_unit_test(test_dwz_missing),
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_no_symtab),
		cmocka_unit_test(test_return_address),
		cmocka_unit_test(test_libc),
	};

	return cmocka_run_group_tests(tests, setup_directory, teardown_directory);
}
