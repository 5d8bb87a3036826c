// SPDX-License-Identifier: GPL-2.0-or-later
/* Where the symbols and the DWARF of a stripped program are found. */
#include "tests/unit/test_symbol.h"

#include <linux/openat2.h>
#include <sys/syscall.h>

static const char source[] = "static __attribute__((noinline)) int hidden(int x)\n"
			     "{\n"
			     "	return x * 3;\n"
			     "}\n"
			     "int main(int c, char **v)\n"
			     "{\n"
			     "	(void)v;\n"
			     "	return hidden(c);\n"
			     "}\n";

/* The program in ./whole, stripped in ./bare, its debug file in ./whole.debug; in the test's own
 * directory. The address of hidden(). */
static uint64_t build(const char *flags)
{
	char line[256];

	if (!have("gcc") || !have("objcopy")) {
		print_message("gcc or objcopy is not installed\n");
		skip();
	}
	assert_true(run("rm -rf -- * .debug"));
	write_file("debugfile.c", source);
	assert_true(run("gcc -O0 -g %s -o whole debugfile.c && "
			"objcopy --only-keep-debug whole whole.debug && strip -o bare whole",
			flags));
	read_command(line, sizeof(line), "nm whole | grep ' hidden$'");
	return strtoull(line, NULL, 16);
}

static void expect_of(struct lookup *l, uint64_t pc, bool symbol, bool line)
{
	const struct profile_location *where = lookup_one(l, pc, true);

	assert_int_equal(where->nr_lines, 1);
	if (symbol) {
		assert_non_null(where->lines[0].symbol);
		assert_string_equal(where->lines[0].symbol, "hidden");
	} else {
		assert_true(!where->lines[0].symbol ||
			    strcmp(where->lines[0].symbol, "hidden") != 0);
	}
	if (line) {
		assert_non_null(where->lines[0].file);
		assert_int_equal(where->lines[0].line, 2);
		assert_non_null(strstr(where->lines[0].file, "/debugfile.c"));
	} else {
		assert_null(where->lines[0].file);
		assert_int_equal(where->lines[0].line, 0);
	}
}

/* Look hidden() up in @file, said to be @path below @root. */
static void expect(const char *file, const char *path, const char *root, uint64_t pc, bool symbol,
		   bool line)
{
	struct lookup l;
	int fd = open(file, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	lookup_begin(&l, fd, path, root, false);
	alarm(20);
	expect_of(&l, pc, symbol, line);
	alarm(0);
	lookup_end(&l);
}

static void test_stripped(void **state)
{
	uint64_t pc = build("");

	(void)state;
	expect("whole", "/x/whole", NULL, pc, true, true);
	expect("bare", "/x/bare", NULL, pc, false, false);
}

/* Linux 5.6; not known to valgrind. */
static bool have_openat2(void)
{
	struct open_how how = {.flags = O_RDONLY, .resolve = RESOLVE_IN_ROOT};
	int fd = syscall(SYS_openat2, AT_FDCWD, "/", &how, sizeof(how));

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static void test_build_id(void **state)
{
	uint64_t pc = build("-Wl,--build-id=0xabcdef0123456789");
	const char *dir = *state;

	assert_true(run("mkdir -p root/usr/lib/debug/.build-id/ab && "
			"cp whole.debug root/usr/lib/debug/.build-id/ab/cdef0123456789.debug"));
	expect("bare", "/x/bare", NULL, pc, false, false);
	expect("bare", "/x/bare", "root", pc, true, true);
	if (!have_openat2())
		return;
	/* A link out of the root stays inside. */
	assert_true(run("mkdir -p root%s && mv root/usr/lib/debug/.build-id/ab/*.debug root%s/d && "
			"ln -s %s/d root/usr/lib/debug/.build-id/ab/cdef0123456789.debug",
			dir, dir, dir));
	expect("bare", "/x/bare", "root", pc, true, true);
	assert_true(run("rm root%s/d && cp whole.debug d", dir));
	expect("bare", "/x/bare", "root", pc, false, false);
}

/* Another program's file at the right name is not taken. */
static void test_wrong_build_id(void **state)
{
	uint64_t pc = build("-Wl,--build-id=0x1111111111111111");

	(void)state;
	assert_true(run("mkdir -p root/usr/lib/debug/.build-id/ab && "
			"cp whole.debug root/usr/lib/debug/.build-id/ab/cdef0123456789.debug"));
	pc = build("-Wl,--build-id=0xabcdef0123456789");
	expect("bare", "/x/bare", "root", pc, false, false);
}

static void test_debuglink(void **state)
{
	static const char *const places[] = {"/opt/app", "/opt/app/.debug",
					     "/usr/lib/debug/opt/app"};
	uint64_t pc = build("-Wl,--build-id=none");
	size_t i;

	(void)state;
	assert_true(run("objcopy --add-gnu-debuglink=whole.debug bare linked"));
	expect("linked", "/opt/app/linked", "root", pc, false, false);
	for (i = 0; i < ARRAY_SIZE(places); i++) {
		assert_true(run("rm -rf root && mkdir -p root%s && cp whole.debug root%s/",
				places[i], places[i]));
		expect("linked", "/opt/app/linked", "root", pc, true, true);
		expect("linked", "/opt/other/linked", "root", pc, false, false);
		/* The checksum has to fit. */
		assert_true(run("echo >>root%s/whole.debug", places[i]));
		expect("linked", "/opt/app/linked", "root", pc, false, false);
	}
}

/* Beside the file in our own root. */
static void test_debuglink_own_root(void **state)
{
	uint64_t pc = build("-Wl,--build-id=none");
	char path[256];

	assert_true(run("objcopy --add-gnu-debuglink=whole.debug bare linked"));
	snprintf(path, sizeof(path), "%s/linked", (const char *)*state);
	expect("linked", path, NULL, pc, true, true);
	expect("linked", path, "/proc/self/root", pc, true, true);
	expect("linked", path, "/no/such/root", pc, true, true);
	assert_true(run("rm whole.debug && mkfifo whole.debug"));
	expect("linked", path, NULL, pc, false, false);
}

/* A link with a path in it would read anything. */
static void test_debuglink_path(void **state)
{
	uint64_t pc = build("-Wl,--build-id=none");
	char path[256];

	assert_true(
		run("objcopy --add-gnu-debuglink=whole.debug bare linked && mkdir x && "
		    "cp whole.debug x/ole.debug && sed -i 's#whole.debug#x/ole.debug#' linked"));
	snprintf(path, sizeof(path), "%s/linked", (const char *)*state);
	expect("linked", path, NULL, pc, false, false);
}

/* What Fedora puts into its programs: a symbol table packed with xz. */
static void test_mini_debug_info(void **state)
{
	uint64_t pc = build("");

	(void)state;
	if (!have("xz")) {
		print_message("xz is not installed\n");
		skip();
	}
	assert_true(run("objcopy -S --keep-symbol=hidden --remove-section=.comment whole.debug "
			"mini && strip -g mini -o mini2 && xz -k mini2 && "
			"objcopy --add-section .gnu_debugdata=mini2.xz bare packed"));
	expect("packed", "/x/packed", NULL, pc, true, false);
	/* Damaged, cut short, and one that would be a gigabyte. */
	assert_true(run("head -c 100 mini2.xz >cut.xz && "
			"objcopy --add-section .gnu_debugdata=cut.xz bare cut"));
	expect("cut", "/x/cut", NULL, pc, false, false);
	assert_true(run("head -c 1000000000 /dev/zero | xz -1 >bomb.xz && "
			"objcopy --add-section .gnu_debugdata=bomb.xz bare bomb"));
	expect("bomb", "/x/bomb", NULL, pc, false, false);
	assert_true(run("objcopy --add-section .gnu_debugdata=debugfile.c bare nonsense"));
	expect("nonsense", "/x/nonsense", NULL, pc, false, false);
}

/* The common file of dwz is found by build-id in the root, or beside the debug file. */
static void test_dwz(void **state)
{
	uint64_t pc;

	(void)state;
	if (!have("dwz")) {
		print_message("dwz is not installed\n");
		skip();
	}
	pc = build("-Wl,--build-id=0xabcdef0123456789");
	assert_true(run("mkdir -p root/usr/lib/debug/.build-id/ab root/usr/lib/debug/.dwz && "
			"cd root/usr/lib/debug/.build-id/ab && "
			"cp ../../../../../../whole.debug cdef0123456789.debug && "
			"cp cdef0123456789.debug other.debug && "
			"dwz -m ../../.dwz/common -r cdef0123456789.debug other.debug && "
			"readelf -S cdef0123456789.debug | grep -q gnu_debugaltlink"));
	expect("bare", "/x/bare", "root", pc, true, true);
}

static int stop_server(void **state)
{
	(void)state;
	return run("test ! -s server || kill $(cat server); rm -f server") ? 0 : -1;
}

/* A server on this machine, with the file under its build-id. */
static void test_debuginfod(void **state)
{
	struct lookup l;
	char line[256];
	uint64_t pc;
	int fd;

	if (!have("python3") ||
	    !run("ldconfig -p 2>/dev/null | grep -q 'libdebuginfod[.]so[.]1'")) {
		print_message("python3 or libdebuginfod is not installed\n");
		skip();
	}
	pc = build("-Wl,--build-id=0xabcdef0123456789");
	assert_true(
		run("mkdir -p www/buildid/abcdef0123456789 && "
		    "cp whole.debug www/buildid/abcdef0123456789/debuginfo && mkdir cache && "
		    "{ python3 -u -m http.server --bind 127.0.0.1 --directory www 0 >port 2>log & "
		    "echo $! >server; } && n=0; "
		    "until grep -q port port || [ $n = 1500 ]; do sleep 0.02; n=$((n + 1)); done"));
	read_command(line, sizeof(line),
		     "sed -n 's/.* port \\([0-9]*\\) .*/http:\\/\\/127.0.0.1:\\1\\//p' port");
	assert_true(strlen(line) > 10);
	setenv("DEBUGINFOD_URLS", line, 1);
	setenv("DEBUGINFOD_CACHE_PATH", "cache", 1);
	/* Not asked unless told so. */
	expect("bare", "/x/bare", NULL, pc, false, false);
	fd = open("bare", O_RDONLY | O_CLOEXEC);
	lookup_begin(&l, fd, "/x/bare", NULL, true);
	expect_of(&l, pc, true, true);
	lookup_end(&l);
	/* A server that does not answer costs names only. */
	stop_server(state);
	assert_true(run("rm -rf cache; mkdir cache"));
	fd = open("bare", O_RDONLY | O_CLOEXEC);
	lookup_begin(&l, fd, "/x/bare", NULL, true);
	expect_of(&l, pc, false, false);
	lookup_end(&l);
	setenv("DEBUGINFOD_URLS", "", 1);
	fd = open("bare", O_RDONLY | O_CLOEXEC);
	lookup_begin(&l, fd, "/x/bare", NULL, true);
	expect_of(&l, pc, false, false);
	lookup_end(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stripped),
		cmocka_unit_test(test_build_id),
		cmocka_unit_test(test_wrong_build_id),
		cmocka_unit_test(test_debuglink),
		cmocka_unit_test(test_debuglink_own_root),
		cmocka_unit_test(test_debuglink_path),
		cmocka_unit_test(test_mini_debug_info),
		cmocka_unit_test(test_dwz),
		cmocka_unit_test_teardown(test_debuginfod, stop_server),
	};

	unsetenv("DEBUGINFOD_URLS");
	return cmocka_run_group_tests(tests, setup_directory, teardown_directory);
}
