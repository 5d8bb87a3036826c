// SPDX-License-Identifier: GPL-2.0-or-later
#include "tests/unit/test_symbol.h"

#include "symbol/perfmap.h"

/* The map of this very process, in /tmp. */
static char map_path[64];

static int setup(void **state)
{
	snprintf(map_path, sizeof(map_path), "/tmp/perf-%d.map", getpid());
	return setup_directory(state);
}

static int remove_map(void **state)
{
	(void)state;
	unlink(map_path);
	return 0;
}

static void expect(struct perfmap *m, uint64_t addr, const char *wanted, uint64_t wanted_start)
{
	const char *name;
	uint64_t start;
	int err = perfmap__find(m, addr, &name, &start);

	if (!wanted) {
		assert_int_equal(err, -ENOENT);
		return;
	}
	assert_int_equal(err, 0);
	assert_string_equal(name, wanted);
	assert_int_equal(start, wanted_start);
}

static void test_find(void **state)
{
	struct perfmap *m;

	(void)state;
	write_file(map_path, "7f0000001000 100 simple\n"
			     "7f0000001100 20 with several words /a/b.js:3:14\n"
			     "0x7f0000002000 0x10 prefixed\n"
			     "7F0000003000 1F Upper\n"
			     "7f0000004000 10 windows\r\n"
			     "7f0000005000 10 unfinished");
	assert_int_equal(perfmap__create(getpid(), &m), 0);
	expect(m, 0x7f0000001000, "simple", 0x7f0000001000);
	expect(m, 0x7f00000010ff, "simple", 0x7f0000001000);
	expect(m, 0x7f0000001100, "with several words /a/b.js:3:14", 0x7f0000001100);
	expect(m, 0x7f0000001120, NULL, 0);
	expect(m, 0x7f0000000fff, NULL, 0);
	expect(m, 0x7f0000002008, "prefixed", 0x7f0000002000);
	expect(m, 0x7f000000301e, "Upper", 0x7f0000003000);
	expect(m, 0x7f0000004000, "windows", 0x7f0000004000);
	expect(m, 0x7f0000005000, "unfinished", 0x7f0000005000);
	perfmap__destroy(m);
}

/* Code that is thrown away makes room for other code: the later entry is right. */
static void test_overlap(void **state)
{
	struct perfmap *m;

	(void)state;
	write_file(map_path, "1000 100 old\n"
			     "1040 20 new\n"
			     "2000 100 gone\n"
			     "2000 100 reused\n"
			     "3080 100 later_starts_before\n"
			     "3000 100 wins\n");
	assert_int_equal(perfmap__create(getpid(), &m), 0);
	expect(m, 0x1000, "old", 0x1000);
	expect(m, 0x1040, "new", 0x1040);
	expect(m, 0x105f, "new", 0x1040);
	expect(m, 0x1060, "old", 0x1000);
	expect(m, 0x2050, "reused", 0x2000);
	expect(m, 0x3080, "wins", 0x3000);
	expect(m, 0x3100, "later_starts_before", 0x3080);
	perfmap__destroy(m);
}

static void test_garbage(void **state)
{
	static const char text[] = "\n\n \nfoo\n1000\n1000 \n1000 10\n1000 10 \n-1000 10 minus\n"
				   "10000000000000000000 10 large\n1000 zz bad\n1000 0 empty\n"
				   "ffffffffffffff00 ffffffffffffffff endless\n"
				   "2000 10 a\0b\n\xff\xfe\n3000 10 good\n";
	struct perfmap *m;
	FILE *f;

	(void)state;
	f = fopen(map_path, "w");
	assert_non_null(f);
	fwrite(text, 1, sizeof(text) - 1, f);
	fclose(f);
	assert_int_equal(perfmap__create(getpid(), &m), 0);
	expect(m, 0x1000, NULL, 0);
	expect(m, 0x2000, "a", 0x2000);
	expect(m, 0x3000, "good", 0x3000);
	expect(m, 0xffffffffffffff80, "endless", 0xffffffffffffff00);
	perfmap__destroy(m);
	write_file(map_path, "");
	assert_int_equal(perfmap__create(getpid(), &m), 0);
	expect(m, 0x1000, NULL, 0);
	perfmap__destroy(m);
}

/* A runtime goes on writing; the map is read again when an address is not in it. */
static void test_grows(void **state)
{
	struct perfmap *m;

	(void)state;
	assert_int_equal(perfmap__create(getpid(), &m), 0);
	expect(m, 0x1000, NULL, 0);
	write_file(map_path, "1000 10 first\n");
	expect(m, 0x1000, "first", 0x1000);
	expect(m, 0x2000, NULL, 0);
	write_file(map_path, "1000 10 first\n2000 10 second\n");
	expect(m, 0x2000, "second", 0x2000);
	expect(m, 0x1000, "first", 0x1000);
	perfmap__destroy(m);
}

static void test_not_a_file(void **state)
{
	struct perfmap *m;

	(void)state;
	assert_int_equal(mkfifo(map_path, 0600), 0);
	assert_int_equal(perfmap__create(getpid(), &m), 0);
	alarm(10);
	expect(m, 0x1000, NULL, 0);
	alarm(0);
	unlink(map_path);
	write_file("elsewhere", "1000 10 elsewhere\n");
	assert_true(run("ln -s \"$PWD/elsewhere\" %s", map_path));
	expect(m, 0x1000, NULL, 0);
	unlink(map_path);
	assert_int_equal(mkdir(map_path, 0700), 0);
	expect(m, 0x1000, NULL, 0);
	rmdir(map_path);
	expect(m, 0x1000, NULL, 0);
	perfmap__destroy(m);
}

/* Nobody can name another user's functions. */
static void test_owner(void **state)
{
	struct perfmap *m;

	(void)state;
	if (geteuid() != 0) {
		print_message("only root can give a file to another user\n");
		skip();
	}
	write_file(map_path, "1000 10 planted\n");
	assert_int_equal(chown(map_path, 12345, 12345), 0);
	assert_int_equal(perfmap__create(getpid(), &m), 0);
	expect(m, 0x1000, NULL, 0);
	assert_int_equal(chown(map_path, 0, 0), 0);
	expect(m, 0x1000, "planted", 0x1000);
	perfmap__destroy(m);
}

/* A process in its own pid and mount namespaces names the map by the id that it knows itself by. */
static void test_namespace(void **state)
{
	char line[64];
	struct perfmap *m;
	int pid;

	(void)state;
	if (geteuid() != 0 ||
	    !run("unshare -pmf --mount-proc sh -c 'mount -t tmpfs none /tmp' 2>/dev/null")) {
		print_message("namespaces are not allowed here\n");
		skip();
	}
	assert_true(run("unshare -pmf sh -c 'mount -t tmpfs none /tmp; "
			"echo 1000 10 inside >/tmp/perf-1.map; : >ready; "
			"exec sleep 60 >/dev/null 2>&1' 2>/dev/null & echo $! >parent; "
			"n=0; until [ -e ready ] || [ $n = 500 ]; do sleep 0.02; n=$((n + 1)); "
			"done"));
	read_command(line, sizeof(line), "cat /proc/$(cat parent)/task/*/children");
	pid = atoi(line);
	assert_true(pid > 1);
	assert_int_equal(perfmap__create(pid, &m), 0);
	expect(m, 0x1000, "inside", 0x1000);
	perfmap__destroy(m);
	/* The first process of a pid namespace ignores whatever it has no handler for. */
	run("kill -KILL %d", pid);
}

/* Through the symbolizer: names are demangled, offsets are those of the address, failures not kept.
 */
static void test_symbolizer(void **state)
{
	const struct profile_location *where;
	struct lookup l;

	(void)state;
	lookup_begin(&l, -1, "//anon", NULL, false);
	l.source.jit_pid = getpid();
	where = lookup_one(&l, 0x1008, false);
	assert_int_equal(where->nr_lines, 1);
	assert_null(where->lines[0].symbol);
	assert_null(where->lines[0].file);
	write_file(map_path, "1000 10 _ZN1a1bEi\n2000 10 bad\033name\n");
	where = lookup_one(&l, 0x1010, false);
	assert_string_equal(where->lines[0].symbol, "a::b(int)");
	assert_int_equal(where->lines[0].offset, 0x10);
	assert_false(where->lines[0].inlined);
	where = lookup_one(&l, 0x1010, true);
	assert_null(where->lines[0].symbol);
	where = lookup_one(&l, 0x2004, true);
	assert_string_equal(where->lines[0].symbol, "bad?name");
	assert_true(l.asked);
	lookup_end(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_find, remove_map),
		cmocka_unit_test_teardown(test_overlap, remove_map),
		cmocka_unit_test_teardown(test_garbage, remove_map),
		cmocka_unit_test_teardown(test_grows, remove_map),
		cmocka_unit_test_teardown(test_not_a_file, remove_map),
		cmocka_unit_test_teardown(test_owner, remove_map),
		cmocka_unit_test_teardown(test_namespace, remove_map),
		cmocka_unit_test_teardown(test_symbolizer, remove_map),
	};

	return cmocka_run_group_tests(tests, setup, teardown_directory);
}
