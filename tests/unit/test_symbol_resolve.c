// SPDX-License-Identifier: GPL-2.0-or-later
/* The symbolizer as its callers see it: what is resolved, what is kept, what is left alone. */
#include "tests/unit/test_symbol.h"

#include <dlfcn.h>

/* Ids of the modules that the source below knows. */
enum { SELF, NO_FILE, NOT_ELF, UNKNOWN };

struct fixture {
	int self, not_elf;
	unsigned int asked[UNKNOWN + 1];
	struct symbolizer *symbolizer;
};

static int source(void *context, uint32_t id, struct symbol_source *ret)
{
	struct fixture *f = context;

	f->asked[id]++;
	*ret = (struct symbol_source){.fd = -1, .path = "/x"};
	if (id == SELF)
		ret->fd = f->self;
	else if (id == NOT_ELF)
		ret->fd = f->not_elf;
	else if (id != NO_FILE)
		return -ENOENT;
	return 0;
}

static void begin(struct fixture *f)
{
	struct symbolizer_options options = {0};

	*f = (struct fixture){.self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC)};
	write_file("text", "no ELF file\n");
	f->not_elf = open("text", O_RDONLY | O_CLOEXEC);
	assert_true(f->self >= 0 && f->not_elf >= 0);
	assert_int_equal(symbolizer__create(&options, source, f, &f->symbolizer), 0);
}

static void end(struct fixture *f)
{
	symbolizer__destroy(f->symbolizer);
	close(f->self);
	close(f->not_elf);
}

/* Not called; something to look up in this program. */
__attribute__((noinline, used)) int symbol_test_marker(int x)
{
	return x + 1;
}

/* The address in the file of a function of this program. */
static uint64_t file_address(void *function)
{
	char self[4096] = "", line[256];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	assert_true(n > 0);
	assert_ptr_equal(function, symbol_test_marker);
	read_command(line, sizeof(line), "nm '%s' | grep ' symbol_test_marker$'", self);
	return strtoull(line, NULL, 16);
}

static uint32_t add(struct profile *p, uint32_t id, uint64_t pc)
{
	struct profile_location l = {.pc = pc};
	char path[32];
	uint32_t index;

	snprintf(path, sizeof(path), "/module%u", id);
	assert_int_equal(profile__add_module(p, id, path, NULL, &l.module), 0);
	assert_int_equal(profile__add_location(p, &l, &index), 0);
	return index;
}

static void add_entry(struct profile *p, uint32_t process, uint64_t bytes, const uint32_t *frames,
		      uint32_t nr)
{
	struct profile_entry e = {.process = process, .sum = {1, bytes}};

	assert_int_equal(profile__add_stack(p, frames, nr, false, false, &e.stack), 0);
	assert_int_equal(vector_push(&p->entries, e), 0);
}

static struct profile *new_profile(unsigned int processes)
{
	struct profile *p = profile__create();

	assert_non_null(p);
	while (processes--) {
		struct profile_process process = {.pid = processes + 1, .comm = "x"};

		assert_int_equal(vector_push(&p->processes, process), 0);
	}
	return p;
}

static void test_empty(void **state)
{
	struct fixture f;
	struct profile *p = new_profile(0);

	(void)state;
	begin(&f);
	assert_int_equal(symbolizer__resolve(f.symbolizer, p, 10, PROFILE_ALL_KINDS), 0);
	profile__destroy(p);
	p = new_profile(2);
	assert_int_equal(profile__sort(p, PROFILE_SORT_BYTES), 0);
	assert_int_equal(symbolizer__resolve(f.symbolizer, p, UINT64_MAX, PROFILE_ALL_KINDS), 0);
	assert_int_equal(symbolizer__resolve(f.symbolizer, p, 0, PROFILE_ALL_KINDS), 0);
	profile__destroy(p);
	end(&f);
	symbolizer__destroy(NULL);
}

/* Only the first entries of each process; modules that nobody knows get a nameless line. */
static void test_top(void **state)
{
	struct fixture f;
	struct profile *p = new_profile(2);
	uint32_t a[] = {add(p, NO_FILE, 0x10), add(p, NOT_ELF, 0x20)}, b = add(p, UNKNOWN, 0x30);
	uint32_t c = add(p, PROFILE_NONE, 0x40), d = add(p, NO_FILE, 0x50), i;

	(void)state;
	begin(&f);
	add_entry(p, 0, 1000, a, 2);
	add_entry(p, 0, 900, &b, 1);
	add_entry(p, 0, 800, &d, 1);
	add_entry(p, 1, 500, &c, 1);
	assert_int_equal(profile__sort(p, PROFILE_SORT_BYTES), 0);
	assert_int_equal(symbolizer__resolve(f.symbolizer, p, 2, PROFILE_ALL_KINDS), 0);
	for (i = 0; i < p->locations.count; i++) {
		const struct profile_location *l = &p->locations.items[i];

		if (i == d) {
			assert_int_equal(l->nr_lines, 0);
			continue;
		}
		assert_int_equal(l->nr_lines, 1);
		assert_null(l->lines[0].symbol);
		assert_null(l->lines[0].file);
		assert_int_equal(l->lines[0].line, 0);
		assert_int_equal(l->lines[0].offset, 0);
		assert_false(l->lines[0].inlined);
	}
	assert_int_equal(symbolizer__resolve(f.symbolizer, p, UINT64_MAX, PROFILE_ALL_KINDS), 0);
	assert_int_equal(p->locations.items[d].nr_lines, 1);
	for (i = 0; i < ARRAY_SIZE(f.asked); i++)
		assert_int_equal(f.asked[i] > 0, i != SELF);
	profile__destroy(p);
	end(&f);
}

/* In a final report of a leak check the first entry that is shown may be the last one of all. */
static void test_shown_kinds(void **state)
{
	struct fixture f;
	struct profile *p = new_profile(1);
	uint64_t pc = file_address(symbol_test_marker);
	uint32_t hidden = add(p, SELF, pc + 1), shown = add(p, SELF, pc + 2);

	(void)state;
	begin(&f);
	add_entry(p, 0, 2, &hidden, 1);
	add_entry(p, 0, 1, &shown, 1);
	p->entries.items[0].verdict = PROFILE_VERDICT_REACHABLE;
	p->entries.items[1].verdict = PROFILE_VERDICT_DEFINITE;
	p->final = true;
	assert_int_equal(profile__sort(p, PROFILE_SORT_BYTES), 0);
	assert_int_equal(symbolizer__resolve(f.symbolizer, p, 1, 1U << PROFILE_VERDICT_DEFINITE),
			 0);
	assert_int_equal(p->locations.items[hidden].nr_lines, 0);
	assert_int_equal(p->locations.items[shown].nr_lines, 1);
	profile__destroy(p);
	end(&f);
}

/* Lines that are there already stay, whoever wrote them. */
static void test_left_alone(void **state)
{
	struct fixture f;
	struct profile *p = new_profile(1);
	uint64_t pc = file_address(symbol_test_marker);
	uint32_t loaded = add(p, SELF, pc + 1), fresh = add(p, SELF, pc + 2);
	uint32_t frames[] = {loaded, fresh, loaded};
	struct profile_line line = {.symbol = profile__intern(p, "from a file"), .line = 77};

	(void)state;
	begin(&f);
	assert_int_equal(profile__set_lines(p, loaded, &line, 1), 0);
	add_entry(p, 0, 1, frames, 3);
	assert_int_equal(profile__sort(p, PROFILE_SORT_BYTES), 0);
	assert_int_equal(symbolizer__resolve(f.symbolizer, p, 1, PROFILE_ALL_KINDS), 0);
	assert_int_equal(p->locations.items[loaded].nr_lines, 1);
	assert_string_equal(p->locations.items[loaded].lines[0].symbol, "from a file");
	assert_string_equal(p->locations.items[fresh].lines[0].symbol, "symbol_test_marker");
	assert_int_equal(p->locations.items[fresh].lines[0].offset, 2);
	profile__destroy(p);
	end(&f);
}

/* The next profile gets the same, as strings of its own, also when the file is no longer readable.
 */
static void test_kept(void **state)
{
	struct fixture f;
	uint64_t pc = file_address(symbol_test_marker);
	int round;

	(void)state;
	begin(&f);
	for (round = 0; round < 3; round++) {
		struct profile *p = new_profile(1);
		uint32_t index = add(p, SELF, pc + 1);
		const struct profile_location *l;

		add_entry(p, 0, 1, &index, 1);
		assert_int_equal(profile__sort(p, PROFILE_SORT_BYTES), 0);
		assert_int_equal(symbolizer__resolve(f.symbolizer, p, 1, PROFILE_ALL_KINDS), 0);
		l = &p->locations.items[index];
		assert_int_equal(l->nr_lines, 1);
		assert_string_equal(l->lines[0].symbol, "symbol_test_marker");
		assert_ptr_equal(l->lines[0].symbol, profile__intern(p, "symbol_test_marker"));
		assert_int_equal(l->lines[0].offset, 1);
		profile__destroy(p);
		if (round == 0)
			dup2(f.not_elf, f.self);
	}
	assert_int_equal(f.asked[SELF], 1);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),	    cmocka_unit_test(test_top),
		cmocka_unit_test(test_shown_kinds), cmocka_unit_test(test_left_alone),
		cmocka_unit_test(test_kept),
	};

	return cmocka_run_group_tests(tests, setup_directory, teardown_directory);
}
