// SPDX-License-Identifier: GPL-2.0-or-later
/* The helper: what it answers is what this process would find, what it may not do ends it, and its
 * end costs one file. This program is its own helper. */
#include "test_symbol.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "helper.h"
#include "leakcheck/suppress.h"
#include "leakcheck/suppress_list.h"
#include "sandbox/confine.h"
#include "sandbox/kinds.h"
#include "sandbox/sandbox.h"
#include "symbol/remote.h"
#include "target/inspect.h"
#include "unwind/table.h"
#include "unwind/table_wire.h"
#include "util/log.h"

#define FAULT "MEMLEAK_BPF_READER_FAULT"

static const char *const libraries[] = {"/proc/self/exe",
					"/lib/x86_64-linux-gnu/libc.so.6",
					"/lib/aarch64-linux-gnu/libc.so.6",
					"/usr/lib/x86_64-linux-gnu/libstdc++.so.6",
					"/usr/lib/x86_64-linux-gnu/libdw.so.1",
					"/usr/bin/python3"};

static struct sandbox *start(const char *fault)
{
	struct sandbox *s;

	if (fault)
		setenv(FAULT, fault, 1);
	else
		unsetenv(FAULT);
	assert_int_equal(sandbox__create(&s), 0);
	return s;
}

/* --- what it may not do --- */

/* The signal that a confined process ends with that does this; 0: none. */
static int confined(void (*act)(void))
{
	int status, fds[2];
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		dup2(fds[0], CONFINE_SOCKET);
		if (confine())
			_exit(2);
		act();
		_exit(0);
	}
	close(fds[0]);
	close(fds[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void allocate(void)
{
	char *p = malloc(50 << 20);

	memset(p, 1, 50 << 20);
	p = realloc(p, 100 << 20);
	free(p);
}

static void look(void)
{
	struct stat st;

	if (fstat(CONFINE_SOCKET, &st))
		_exit(1);
}

static void open_file(void)
{
	open("/etc/passwd", O_RDONLY);
}

static void stat_path(void)
{
	struct stat st;

	stat("/etc/passwd", &st);
}

static void run_program(void)
{
	execl("/bin/true", "true", NULL);
}

static void write_out(void)
{
	(void)!write(1, "x", 1);
}

static void end_somebody(void)
{
	kill(getppid(), 0);
}

/* What a helper goes wrong by at requests of a kind; with a sanitizer only what needs no limit. */
#define FAULTS(kind)                                                                               \
	{                                                                                          \
		kind ":die", kind ":spin", kind ":open", kind ":eat"                               \
	}
#define NR_FAULTS (CONFINE_SANITIZED ? 2 : 4)

static void test_confined(void **state)
{
	(void)state;
	assert_int_equal(confined(allocate), 0);
	assert_int_equal(confined(look), 0);
	if (CONFINE_SANITIZED)
		return; /* it wants what the filter forbids: there is none */
	assert_int_equal(confined(open_file), SIGSYS);
	assert_int_equal(confined(stat_path), SIGSYS);
	assert_int_equal(confined(run_program), SIGSYS);
	assert_int_equal(confined(write_out), SIGSYS);
	assert_int_equal(confined(end_somebody), SIGSYS);
}

/* The value of a line of /proc/PID/status. */
static void status_of(pid_t pid, const char *key, char *value, size_t size)
{
	read_command(value, size, "sed -n 's/^%s:[[:blank:]]*//p' /proc/%d/status", key, pid);
}

static void test_status(void **state)
{
	static const struct {
		const char *key, *value;
	} rows[] = {{"Seccomp", "2"}, /* first: not there with a sanitizer */
		    {"NoNewPrivs", "1"},
		    {"CapInh", "0000000000000000"},
		    {"CapPrm", "0000000000000000"},
		    {"CapEff", "0000000000000000"},
		    {"CapAmb", "0000000000000000"}};
	struct sandbox *s = start(NULL);
	char *name = remote__demangle(s, "_ZN1a1bEi"); /* it serves: it is confined */
	char value[256];
	size_t i;

	(void)state;
	assert_string_equal(name, "a::b(int)");
	free(name);
	for (i = CONFINE_SANITIZED; i < ARRAY_SIZE(rows); i++) {
		status_of(sandbox__pid(s), rows[i].key, value, sizeof(value));
		assert_string_equal(value, rows[i].value);
	}
	/* Nobody else may look into a process that may nothing. */
	if (geteuid() == 0) {
		read_command(value, sizeof(value), "ls /proc/%d/fd | tr '\\n' ' '",
			     sandbox__pid(s));
		assert_string_equal(value, "0 ");
	}
	sandbox__destroy(s);
}

/* --- what it finds --- */

static int source(void *context, uint32_t id, struct symbol_source *ret)
{
	const int *fds = context;

	*ret = (struct symbol_source){.fd = fds[id], .path = libraries[id]};
	return fds[id] < 0 ? -ENOENT : 0;
}

/* All code of the files, every so many bytes. */
static struct profile *addresses(const int *fds, unsigned int step, unsigned int limit)
{
	struct profile *p = profile__create();
	uint32_t id, module, l;

	for (id = 0; id < ARRAY_SIZE(libraries); id++) {
		struct profile_location location = {0};
		unsigned int i;

		if (fds[id] < 0)
			continue;
		assert_int_equal(profile__add_module(p, id, libraries[id], NULL, &module), 0);
		location.module = module;
		for (i = 1; i < limit; i++) {
			location.pc = 0x20000 + (uint64_t)i * step;
			location.interrupted = i % 7 == 0;
			assert_int_equal(profile__add_location(p, &location, &l), 0);
		}
	}
	return p;
}

static double resolve(struct sandbox *s, const int *fds, struct profile *p)
{
	struct symbolizer_options options = {.sandbox = s};
	struct symbolizer *symbolizer;
	struct timespec a, b;

	assert_int_equal(symbolizer__create(&options, source, (void *)fds, &symbolizer), 0);
	clock_gettime(CLOCK_MONOTONIC, &a);
	assert_int_equal(symbolizer__resolve(symbolizer, p, UINT64_MAX, PROFILE_ALL_KINDS), 0);
	clock_gettime(CLOCK_MONOTONIC, &b);
	symbolizer__destroy(symbolizer);
	return b.tv_sec - a.tv_sec + (b.tv_nsec - a.tv_nsec) / 1e9;
}

static bool same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static void open_all(int *fds)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(libraries); i++)
		fds[i] = open(libraries[i], O_RDONLY | O_CLOEXEC);
}

static void test_same_lines(void **state)
{
	struct sandbox *s = start(NULL);
	int fds[ARRAY_SIZE(libraries)];
	struct profile *here, *there;
	size_t i, k, named = 0;
	double a, b;

	(void)state;
	open_all(fds);
	here = addresses(fds, 61, 5000);
	there = addresses(fds, 61, 5000);
	a = resolve(NULL, fds, here);
	b = resolve(s, fds, there);
	for (i = 0; i < here->locations.count; i++) {
		const struct profile_location *x = &here->locations.items[i];
		const struct profile_location *y = &there->locations.items[i];

		assert_int_equal(x->nr_lines, y->nr_lines);
		for (k = 0; k < x->nr_lines; k++) {
			assert_true(same(x->lines[k].symbol, y->lines[k].symbol));
			assert_true(same(x->lines[k].file, y->lines[k].file));
			assert_int_equal(x->lines[k].line, y->lines[k].line);
			assert_int_equal(x->lines[k].offset, y->lines[k].offset);
			assert_int_equal(x->lines[k].inlined, y->lines[k].inlined);
			named += x->lines[k].symbol != NULL;
		}
	}
	assert_true(named > 1000);
	assert_int_equal(sandbox__unread(s), 0);
	print_message("%zu addresses: %.3f s here, %.3f s in the helper\n", here->locations.count,
		      a, b);
	profile__destroy(here);
	profile__destroy(there);
	sandbox__destroy(s);
}

static void test_same_tables(void **state)
{
	struct sandbox *s = start(NULL);
	int fds[ARRAY_SIZE(libraries)];
	size_t i, k, n, m;

	(void)state;
	open_all(fds);
	for (i = 0; i < ARRAY_SIZE(libraries); i++) {
		struct debugpath where = {.source = {.fd = fds[i], .path = libraries[i]},
					  .shown = libraries[i],
					  .last = -1};
		struct unwind_table *a, *b;

		if (fds[i] < 0)
			continue;
		assert_int_equal(unwind_table__compile(fds[i], -1, &a), 0);
		assert_int_equal(remote__compile(s, &where, &b), 0);
		debugpath__release(&where);
		/* A debug file may add to it, for hand-written code. */
		assert_true(b->nr_rows >= a->nr_rows);
		rule_set__rules(a->rules, &n);
		rule_set__rules(b->rules, &m);
		assert_true(m >= n);
		for (k = 0; k < a->nr_pages && a->nr_rows == b->nr_rows; k++) {
			assert_int_equal(a->pages[k].first, b->pages[k].first);
			assert_int_equal(a->pages[k].n, b->pages[k].n);
		}
		unwind_table__destroy(a);
		unwind_table__destroy(b);
	}
	sandbox__destroy(s);
}

static void test_same_functions(void **state)
{
	static const struct allocator_row rows[] = {
		{"strdup", MEMLEAK_CALL_DESCRIBED, MEMLEAK_FAMILY_USER, true, 1}};
	struct allocator_search search = {.rows = rows, .nr_rows = 1};
	struct sandbox *s = start(NULL);
	int fds[ARRAY_SIZE(libraries)];
	size_t i, k, n = 0;

	(void)state;
	open_all(fds);
	for (i = 0; i < ARRAY_SIZE(libraries); i++) {
		struct object *x, *y;
		struct allocator a, b;

		if (fds[i] < 0)
			continue;
		assert_int_equal(object__create(dup(fds[i]), libraries[i], &x), 0);
		assert_int_equal(allocator__find(x, &search, &a), 0);
		assert_int_equal(inspect(s, fds[i], libraries[i], &search, &y, &b), 0);
		assert_true(same(x->build_id, y->build_id));
		assert_int_equal(x->nr_segments, y->nr_segments);
		assert_int_equal(x->machine, y->machine);
		assert_int_equal(a.functions.count, b.functions.count);
		for (k = 0; k < a.functions.count; k++, n++) {
			const struct allocator_function *f = &a.functions.items[k];
			const struct allocator_function *g = &b.functions.items[k];

			assert_string_equal(f->name, g->name);
			assert_int_equal(f->offset, g->offset);
			assert_int_equal(f->size, g->size);
			assert_int_equal(f->call, g->call);
			assert_int_equal(f->family, g->family);
			assert_int_equal(f->may_throw, g->may_throw);
			assert_int_equal(f->form, g->form);
			assert_int_equal(f->distance, g->distance);
		}
		assert_int_equal(a.operators.count, b.operators.count);
		assert_int_equal(a.returns.count, b.returns.count);
		for (k = 0; k < a.returns.count; k++)
			assert_int_equal(a.returns.items[k], b.returns.items[k]);
		assert_int_equal(x->has_interpreter, y->has_interpreter);
		assert_int_equal(x->is_musl, y->is_musl);
		assert_int_equal(a.has_heap, b.has_heap);
		assert_int_equal(a.has_rows, b.has_rows);
		allocator__release(&a);
		allocator__release(&b);
		object__destroy(x);
		object__destroy(y);
	}
	print_message("%zu functions\n", n);
	assert_true(n > 10);
	sandbox__destroy(s);
}

/* --- its end --- */

static int call_on(struct sandbox *s, int fd, unsigned int limit_s)
{
	CLEANUP(wire__release) struct wire request = {0}, reply = {0};
	struct sandbox_call call = {
		.kind = SANDBOX_DEMANGLE,
		.request = &request,
		.fd = fd,
		.shown = "file",
		.limit_s = limit_s,
	};

	wire__put_string(&request, "_Z1fv");
	return sandbox__call(s, &call, &reply);
}

/* Every way to end: said, counted, never the same file again, another helper for another file. */
static void test_deaths(void **state)
{
	static const char *const faults[] = FAULTS("3");
	size_t i;

	(void)state;
	for (i = 0; i < NR_FAULTS; i++) {
		struct sandbox *s = start(faults[i]);
		int a = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
		int b = open("/etc/passwd", O_RDONLY | O_CLOEXEC);

		assert_int_equal(call_on(s, a, 20 - 19 * (i == 1)), -EOWNERDEAD);
		assert_int_equal(sandbox__unread(s), 1);
		assert_int_equal(sandbox__pid(s), 0);
		unsetenv(FAULT);
		assert_int_equal(call_on(s, a, 1), -EOWNERDEAD);
		assert_int_equal(sandbox__pid(s), 0);
		assert_int_equal(call_on(s, b, 5), 0);
		assert_true(sandbox__pid(s) > 0);
		assert_int_equal(sandbox__unread(s), 1);
		close(a);
		close(b);
		sandbox__destroy(s);
	}
}

static void test_killed_from_outside(void **state)
{
	struct sandbox *s = start(NULL);
	pid_t pid = sandbox__pid(s);
	int status;

	(void)state;
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid); /* as a tracer waits for everybody */
	assert_int_equal(call_on(s, -1, 5), -EOWNERDEAD);
	assert_int_equal(call_on(s, -1, 5), 0);
	sandbox__destroy(s);
}

/* Enough is enough. */
static void test_gives_up(void **state)
{
	struct sandbox *s = start("3:die");
	int i;

	(void)state;
	for (i = 0; i < 40; i++)
		assert_int_equal(call_on(s, -1, 5), -EOWNERDEAD);
	assert_int_equal(sandbox__unread(s), 16);
	assert_int_equal(sandbox__pid(s), 0);
	sandbox__destroy(s);
}

/* --- suppressions --- */

/* Load @text, by a helper that goes wrong as @fault says: what came of it, and in @said of @size
 * bytes what was said of it. */
static int load_suppressions(const char *text, size_t length, const char *fault,
			     struct suppressions *s, char *said, size_t size)
{
	char path[] = "/tmp/test_suppress.XXXXXX", sink[] = "/tmp/test_suppress.XXXXXX";
	int fd = mkstemp(path), to = mkstemp(sink), saved = dup(STDERR_FILENO), err;
	struct sandbox *sandbox;
	ssize_t n;

	assert_true(fd >= 0 && to >= 0 && saved >= 0);
	assert_int_equal(write(fd, text, length), length);
	close(fd);
	sandbox = start(fault);
	dup2(to, STDERR_FILENO);
	err = suppressions__load(s, sandbox, path);
	dup2(saved, STDERR_FILENO);
	sandbox__destroy(sandbox);
	unlink(path);
	unlink(sink);
	n = pread(to, said, size - 1, 0);
	assert_true(n >= 0);
	said[n] = 0;
	close(to);
	close(saved);
	return err;
}

static void test_suppressions(void **state)
{
	static const char good[] = "{\n a\n Memcheck:Leak\n fun:f\n}\n", bad[] = "\nno\n";
	static const char *const faults[] = FAULTS("4");
	struct suppressions *s;
	char said[256];
	size_t i;

	(void)state;
	assert_int_equal(suppressions__create(&s), 0);
	for (i = 0; i < NR_FAULTS; i += 1 + !i) { /* no spinning: the time for it is long */
		assert_int_equal(
			load_suppressions(good, strlen(good), faults[i], s, said, sizeof(said)),
			-EOWNERDEAD);
		assert_non_null(strstr(said, "cannot read '/tmp/test_suppress."));
		assert_non_null(strstr(said, "the process that reads files"));
		assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1); /* once */
	}
	assert_int_equal(load_suppressions(bad, strlen(bad), NULL, s, said, sizeof(said)), -EINVAL);
	assert_non_null(strstr(said, ":2: expected '{'\n"));
	assert_int_equal(s->list.count, 0);
	assert_int_equal(load_suppressions(good, strlen(good), NULL, s, said, sizeof(said)), 0);
	assert_string_equal(said, "");
	assert_int_equal(s->list.count, 1);
	suppressions__destroy(s);
}

/* --- answers of a helper that is somebody else's by now --- */

static void test_hostile_table(void **state)
{
	CLEANUP(wire__release) struct wire good = {0};
	struct unwind_table *t, *got;
	unsigned int seed = 1, taken = 0, i;
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_int_equal(unwind_table__compile(fd, -1, &t), 0);
	close(fd);
	unwind_table__put(t, &good);
	for (i = 0; i < 2000; i++) {
		struct wire w = {0};
		struct rule_set *set;

		wire__put(&w, good.bytes, i % 4 ? good.size : rand_r(&seed) % good.size);
		if (i % 4)
			w.bytes[rand_r(&seed) % (i % 2 ? 64 : w.size)] ^= 1 << rand_r(&seed) % 8;
		if (unwind_table__get(&w, &got) == 0) {
			/* It is used as any other: nothing reaches beyond it. */
			taken++;
			assert_int_equal(rule_set__create(&set), 0);
			assert_int_equal(unwind_table__link(got, set), 0);
			rule_set__destroy(set);
			unwind_table__destroy(got);
		}
		wire__release(&w);
	}
	assert_true(taken < 2000);
	unwind_table__destroy(t);
}

static void test_wire(void **state)
{
	CLEANUP(wire__release) struct wire w = {0};

	(void)state;
	wire__put_number(&w, UINT64_MAX - 1);
	wire__put(&w, "abc", 3);
	assert_null(wire__get_string(&w, 100)); /* longer than the message */
	assert_true(w.failed);
	wire__clear(&w);
	wire__put_number(&w, 3);
	wire__put(&w, "a\0b", 3);
	assert_null(wire__get_string(&w, 100)); /* ends early */
	assert_true(w.failed);
	wire__clear(&w);
	wire__put_string(&w, NULL);
	wire__put_string(&w, "");
	wire__put_number(&w, 1000);
	assert_null(wire__get_string(&w, 100));
	assert_false(w.failed);
	assert_string_equal(wire__get_string(&w, 100), "");
	assert_int_equal(wire__get_count(&w, 5000, 1), 0); /* more than there are bytes */
	assert_true(w.failed);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wire),	     cmocka_unit_test(test_confined),
		cmocka_unit_test(test_status),	     cmocka_unit_test(test_same_functions),
		cmocka_unit_test(test_same_tables),  cmocka_unit_test(test_same_lines),
		cmocka_unit_test(test_deaths),	     cmocka_unit_test(test_killed_from_outside),
		cmocka_unit_test(test_gives_up),     cmocka_unit_test(test_hostile_table),
		cmocka_unit_test(test_suppressions),
	};

	if (argc && strcmp(argv[0], SANDBOX_NAME) == 0)
		return helper();
	log__set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
