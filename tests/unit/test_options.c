// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "golden.h"
#include "options.h"
#include "util/words.h"

#define MAX_WORDS 64

/* What a command line led to. */
struct outcome {
	int status; /* -1: parsed */
	struct options o;
	char out[16384], err[4096];
};

/* Both streams go to files meanwhile: they are read back by descriptor. */
static void run_words(struct outcome *r, int argc, char **argv)
{
	int i, saved[2], files[2];
	char *texts[] = {r->out, r->err};
	size_t sizes[] = {sizeof(r->out), sizeof(r->err)};

	memset(r, 0, sizeof(*r));
	fflush(stdout);
	for (i = 0; i < 2; i++) {
		CLEANUP_FCLOSE FILE *f = tmpfile();

		assert_non_null(f);
		files[i] = dup(fileno(f));
		saved[i] = dup(i + 1);
		dup2(files[i], i + 1);
	}
	r->status = options__parse(argc, argv, &r->o);
	fflush(stdout);
	for (i = 0; i < 2; i++) {
		dup2(saved[i], i + 1);
		close(saved[i]);
		assert_true(pread(files[i], texts[i], sizes[i] - 1, 0) >= 0);
		close(files[i]);
	}
}

/* @line split at single blanks; `~` stands for an empty word. */
static void run(struct outcome *r, const char *line)
{
	static char words[1024];
	char *argv[MAX_WORDS + 1] = {"/usr/sbin/memleak-bpf"};
	char *rest = words, *word;
	int argc = 1;

	assert_true(strlen(line) < sizeof(words));
	strcpy(words, line);
	while (*line && (word = strsep(&rest, " ")) && argc < MAX_WORDS)
		argv[argc++] = strcmp(word, "~") ? word : word + 1;
	run_words(r, argc, argv);
}

/* Wrong frees are looked for in a command, unless it draws samples itself and nobody asks for it.
 */
static void wrong_frees_of_commands(void **state)
{
	static const struct {
		const char *line;
		bool families, diagnose;
	} cases[] = {
		{"-p 1", false, false},
		{"-p 1 --diagnose", false, true},
		{"-- true", true, true},
		{"--no-diagnose -- true", true, false},
		{"--preload -- true", true, true},
		{"--sample-bytes 1K -- true", true, true},
		{"--preload -s 10 -- true", true, true},
		{"--preload --sample-bytes 1K -- true", false, false},
		{"--preload --sample-bytes 1K --diagnose -- true", false, true},
	};
	struct outcome r;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		run(&r, cases[i].line);
		assert_int_equal(r.status, -1);
		assert_int_equal(r.o.families, cases[i].families);
		assert_int_equal(r.o.diagnose, cases[i].diagnose);
		options__release(&r.o);
	}
}

static void defaults_are_the_contracts(void **state)
{
	struct outcome r;

	(void)state;
	run(&r, "-p 4242");
	assert_int_equal(r.status, -1);
	assert_string_equal(r.out, "");
	assert_string_equal(r.err, "");
	assert_int_equal(r.o.target, OPTIONS_TARGET_PIDS);
	assert_int_equal(r.o.nr_pids, 1);
	assert_int_equal(r.o.pids[0], 4242);
	assert_null(r.o.command);
	assert_false(r.o.follow);
	assert_true(r.o.interval_s == 5);
	assert_int_equal(r.o.count, 0);
	assert_int_equal(r.o.top, 10);
	assert_int_equal(r.o.older_ms, 500);
	assert_int_equal(r.o.min_size, 0);
	assert_true(r.o.max_size == UINT64_MAX);
	assert_false(r.o.show_allocs || r.o.trace || r.o.debuginfod);
	assert_null(r.o.object);
	assert_null(r.o.symbols_prefix);
	assert_null(r.o.output);
	assert_null(r.o.user);
	assert_int_equal(r.o.sort, PROFILE_SORT_BYTES);
	assert_int_equal(r.o.format, OPTIONS_FORMAT_TEXT);
	assert_int_equal(r.o.max_blocks, 1 << 20);
	assert_int_equal(r.o.max_stacks, 64 << 10);
	assert_int_equal(r.o.stack_depth, 127);
	assert_int_equal(r.o.verbosity, 0);
	assert_int_equal(r.o.color, OPTIONS_COLOR_AUTO);
	assert_int_equal(r.o.link, OPTIONS_LINK_AUTO);
	options__release(&r.o);
	options__release(&r.o);
}

static void every_option_is_taken(void **state)
{
	struct outcome r;

	(void)state;
	run(&r,
	    "-p 1 -i 0.5 -n 3 -T 4 -o 0 -z 64K -Z 1M -a -t -O /lib/a.so --symbols-prefix je_ "
	    "--sort age -f json --output /tmp/x --max-blocks 2M --max-stacks 1k --stack-depth 1 "
	    "--debuginfod --blocks-dir /tmp/b");
	assert_int_equal(r.status, -1);
	assert_true(r.o.interval_s == 0.5);
	assert_int_equal(r.o.count, 3);
	assert_int_equal(r.o.top, 4);
	assert_int_equal(r.o.older_ms, 0);
	assert_int_equal(r.o.min_size, 64 << 10);
	assert_int_equal(r.o.max_size, 1 << 20);
	assert_true(r.o.show_allocs && r.o.trace && r.o.debuginfod);
	assert_string_equal(r.o.object, "/lib/a.so");
	assert_string_equal(r.o.symbols_prefix, "je_");
	assert_int_equal(r.o.sort, PROFILE_SORT_AGE);
	assert_int_equal(r.o.format, OPTIONS_FORMAT_JSON);
	assert_string_equal(r.o.output, "/tmp/x");
	assert_string_equal(r.o.blocks_dir, "/tmp/b");
	assert_int_equal(r.o.max_blocks, 2 << 20);
	assert_int_equal(r.o.max_stacks, 1 << 10);
	assert_int_equal(r.o.stack_depth, 1);
	options__release(&r.o);

	run(&r, "--all --follow --colour always --link perf -vvvv");
	assert_int_equal(r.status, -1);
	assert_int_equal(r.o.target, OPTIONS_TARGET_ALL);
	assert_int_equal(r.o.color, OPTIONS_COLOR_ALWAYS);
	assert_int_equal(r.o.link, OPTIONS_LINK_PERF);
	assert_int_equal(r.o.verbosity, 2);
	options__release(&r.o);

	run(&r, "-A -q --color=never");
	assert_int_equal(r.o.verbosity, -1);
	assert_int_equal(r.o.color, OPTIONS_COLOR_NEVER);
	options__release(&r.o);

	run(&r, "-l -A");
	assert_true(r.o.live);
	options__release(&r.o);

	run(&r, "-c x --user me");
	assert_string_equal(r.o.user, "me");
	options__release(&r.o);
}

static void positional_ones(void **state)
{
	struct outcome r;

	(void)state;
	run(&r, "-p 1 .25 7");
	assert_true(r.o.interval_s == 0.25);
	assert_int_equal(r.o.count, 7);
	options__release(&r.o);
	run(&r, "10 -p 1 2");
	assert_true(r.o.interval_s == 10);
	assert_int_equal(r.o.count, 2);
	options__release(&r.o);
	run(&r, "1 2 -- ls -p 3");
	assert_int_equal(r.status, -1);
	assert_true(r.o.interval_s == 1);
	assert_int_equal(r.o.count, 2);
	assert_string_equal(r.o.command[1], "-p");
	options__release(&r.o);
}

static void pids_are_merged_in_order(void **state)
{
	struct outcome r;

	(void)state;
	run(&r, "-p 30,10,30 --pid=20,10 -p 4194304");
	assert_int_equal(r.status, -1);
	assert_int_equal(r.o.nr_pids, 4);
	assert_int_equal(r.o.pids[0], 30);
	assert_int_equal(r.o.pids[1], 10);
	assert_int_equal(r.o.pids[2], 20);
	assert_int_equal(r.o.pids[3], 4194304);
	options__release(&r.o);
}

static void commands_are_followed(void **state)
{
	struct outcome r;
	char *argv[] = {"memleak-bpf", "--command=a  'b c'", NULL};

	(void)state;
	run_words(&r, 2, argv);
	assert_int_equal(r.status, -1);
	assert_int_equal(r.o.target, OPTIONS_TARGET_COMMAND);
	assert_true(r.o.follow);
	assert_string_equal(r.o.command[0], "a");
	assert_string_equal(r.o.command[1], "b c");
	assert_null(r.o.command[2]);
	options__release(&r.o);

	run(&r, "--no-follow -- app -x -- ~ -p");
	assert_false(r.o.follow);
	assert_string_equal(r.o.command[0], "app");
	assert_string_equal(r.o.command[1], "-x");
	assert_string_equal(r.o.command[2], "--");
	assert_string_equal(r.o.command[3], "");
	assert_string_equal(r.o.command[4], "-p");
	assert_null(r.o.command[5]);
	options__release(&r.o);

	run(&r, "-p 1 --no-follow --follow");
	assert_true(r.o.follow);
	options__release(&r.o);
}

static void wrong_usage_is_status_2(void **state)
{
	static const char *const lines[] = {
		"",
		"5",
		"-a",
		"--foo",
		"-x -p 1",
		"-p",
		"-p ~",
		"-p 0",
		"-p -1",
		"-p 12x",
		"-p x",
		"-p +1",
		"-p 0x10",
		"-p 1.5",
		"-p 1,,2",
		"-p ,1",
		"-p 1,",
		"-p 4194305",
		"-p 4294967297",
		"-p 18446744073709551617",
		"-p 1K",
		"-p 1 -A",
		"-p 1 -c x",
		"-A -c x",
		"-c x -- y",
		"-c x -c y",
		"-p 1 -- y",
		"-A -- y",
		"--",
		"-p 1 --",
		"-c ~",
		"-c 'x",
		"-c x\\",
		"-p 1 0",
		"-p 1 0.0",
		"-p 1 -1",
		"-p 1 1e3",
		"-p 1 nan",
		"-p 1 inf",
		"-p 1 0x5",
		"-p 1 1,5",
		"-p 1 .",
		"-p 1 ~",
		"-p 1 1..5",
		"-p 1 99999999999999999999999999",
		"-p 1 1 0",
		"-p 1 1 x",
		"-p 1 1 1.5",
		"-p 1 1 99999999999999999999999999",
		"-p 1 1 2 3",
		"1 2 3 -- ls",
		"-p 1 -i 0",
		"-p 1 -i -5",
		"-p 1 -i x",
		"-p 1 -n 0",
		"-p 1 -n -1",
		"-p 1 -T 0",
		"-p 1 -T ten",
		"-p 1 -o -1",
		"-p 1 -o 1s",
		"-p 1 -o 18446744073709551615",
		"-p 1 -z -1",
		"-p 1 -z 1X",
		"-p 1 -z 1KB",
		"-p 1 -z K",
		"-p 1 -z 18446744073709551616",
		"-p 1 -Z 17179869184G",
		"-p 1 -z 2 -Z 1",
		"-p 1 -z 2K -Z 1K",
		"-p 1 -s 0",
		"-p 1 -s 1000001",
		"-p 1 -s -1",
		"-p 1 --sample-bytes 0",
		"-p 1 --sample-bytes 4G",
		"-p 1 -s 2 --sample-bytes 512K",
		"-p 1 --max-blocks 0",
		"-p 1 --max-blocks 4G",
		"-p 1 --max-stacks x",
		"-p 1 --stack-depth 0",
		"-p 1 --stack-depth 401",
		"-p 1 --sort size",
		"-p 1 -f xml",
		"-p 1 -f JSON",
		"-p 1 -f ~",
		"-p 1 --color maybe",
		"-p 1 --link tracepoint",
		"-p 1 --output ~",
		"-p 1 -O ~",
		"-p 1 --symbols-prefix ~",
		"-p 1 -u me",
		"-A -u me",
		"-c x -u ~",
		"-p 1 --follow=yes",
		"-p 1 --fo",
		"-p 1 --output --",
		"-p 1 --leak-check yes",
		"-p 1 --show-leak-kinds lost",
		"-p 1 --show-leak-kinds definite,",
		"-p 1 --error-exitcode 256",
		/* Not in this version. */
		"-p 1 -f yaml",
		"-p 1 -w x.txt",
		"-p 1 --blocks-dir=",
		"-p 1 -l -t",
		"-p 1 --live --output x",
		"-p 1 -l -f json",
		"-p 1 -l -f folded",
		"report -l x",
		"report x.pb.gz -s 5",
		"diff a.pb.gz b.pb.gz -u root",
	};
	struct outcome r;
	size_t i, nr_lines;
	const char *c;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(lines); i++) {
		run(&r, lines[i]);
		if (r.status != 2)
			fail_msg("status %d: %s", r.status, lines[i]);
		assert_string_equal(r.out, "");
		assert_memory_equal(r.err, "memleak-bpf: ", 13);
		for (c = r.err, nr_lines = 0; *c; c++)
			nr_lines += *c == '\n';
		assert_in_range(nr_lines, 1, 5);
		assert_non_null(strstr(r.err, "memleak-bpf --help"));
		assert_null(r.o.pids);
	}
}

static void messages_are_one_line_of_plain_text(void **state)
{
	static char long_value[100000];
	char *argv[] = {"memleak-bpf", "-p", "1\n\033[2J\n2", NULL};
	struct outcome r;

	(void)state;
	run_words(&r, 3, argv);
	assert_int_equal(r.status, 2);
	assert_null(strchr(r.err, '\033'));
	assert_non_null(strstr(r.err, "'1??[2J?2'"));
	memset(long_value, '7', sizeof(long_value) - 1);
	argv[2] = long_value;
	run_words(&r, 3, argv);
	assert_int_equal(r.status, 2);
	assert_true(strlen(r.err) < 300);
}

static void messages_name_what_is_wrong(void **state)
{
	static const char *const rows[][2] = {
		{"--foo", "--foo"},
		{"-p 12x", "12x"},
		{"-p 1 -T 0", "--top"},
		{"-p 1 -f xml", "xml"},
		{"-p 1 bad", "bad"},
		{"-p 1 1 0", "COUNT"},
		{"-p 1 1 2 huh", "huh"},
		{"", "-p PID"},
		{"--", "after '--'"},
		{"-p 1 -A", "--all"},
		{"-c x -- y", "two"},
		{"-p 1 -z 2 -Z 1", "above"},
		{"report", "PROFILE"},
		{"diff a", "BASE"},
		{"report a b", "'b'"},
		{"diff a b c", "'c'"},
		{"report a -p 1", "--pid"},
		{"diff a b -A", "--all"},
		{"-p 1 -w x.htm", ".html"},
		{"-p 1 -w .svg", ".svg"},
		{"-p 1 -w x", ".pb.gz"},
		{"-p 1 -w .json", ".json"},
		{"-p 1 --focus (", "--focus"},
		{"-p 1 --ignore [", "--ignore"},
		{"-A -t -f folded", "folded"},
	};
	struct outcome r;
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		run(&r, rows[i][0]);
		if (!strstr(r.err, rows[i][1]))
			fail_msg("'%s' is not in: %s", rows[i][1], r.err);
	}
}

static void version_and_help(void **state)
{
	struct outcome r;
	size_t columns = 0, lines = 0;
	const char *c;

	(void)state;
	run(&r, "--version");
	assert_int_equal(r.status, 0);
	assert_string_equal(r.out, "memleak-bpf " MEMLEAK_VERSION "\n");
	assert_string_equal(r.err, "");
	run(&r, "-p 1 --help");
	assert_int_equal(r.status, 0);
	assert_string_equal(r.err, "");
	for (c = r.out; *c; c++) {
		columns = *c == '\n' ? 0 : columns + 1;
		lines += *c == '\n';
		assert_true(columns <= 80);
	}
	assert_in_range(lines, 40, 95);
}

static void empty_argv_is_no_target(void **state)
{
	char *argv[] = {NULL};
	struct outcome r;

	(void)state;
	run_words(&r, 0, argv);
	assert_int_equal(r.status, 2);
}

/* Every option stands in the help, in the manual and in the news. */
static void options_are_documented(void **state)
{
	CLEANUP_FREE char *man = NULL, *news = NULL;
	char path[512], option[64], roff[64];
	struct outcome r;
	const char *name, *c;
	size_t i, dashes;

	(void)state;
	golden_path(path, sizeof(path), __FILE__, "../../man/memleak-bpf.8");
	man = golden_read(path);
	golden_path(path, sizeof(path), __FILE__, "../../NEWS.md");
	news = golden_read(path);
	assert_non_null(strstr(man, "memleak\\-bpf " MEMLEAK_VERSION));
	assert_non_null(strstr(news, "\n## " MEMLEAK_VERSION "\n"));
	run(&r, "--help");
	for (i = 0; (name = options__name(i)); i++) {
		snprintf(option, sizeof(option), "--%s", name);
		if (!strstr(r.out, option) || !strstr(news, option))
			fail_msg("%s is missing in --help or NEWS.md", option);
		/* "\-\-no\-follow" */
		strcpy(roff, "\\-\\-");
		for (c = name, dashes = 4; *c; c++)
			dashes += snprintf(roff + dashes, sizeof(roff) - dashes, "%s%c",
					   *c == '-' ? "\\" : "", *c);
		if (!strstr(man, roff))
			fail_msg("%s is missing in the manual", roff);
	}
	assert_in_range(i, 28, 100);
}

/* Both completions know what the help knows, and no more. */
static void options_are_completed(void **state)
{
	static const char *const files[] = {"memleak-bpf.bash", "memleak-bpf.zsh"};
	char path[512], option[64];
	const char *name, *c;
	size_t f, i, n;

	(void)state;
	for (f = 0; f < ARRAY_SIZE(files); f++) {
		CLEANUP_FREE char *text = NULL;

		snprintf(option, sizeof(option), "../../completions/%s", files[f]);
		golden_path(path, sizeof(path), __FILE__, option);
		text = golden_read(path);
		for (i = 0; (name = options__name(i)); i++) {
			n = snprintf(option, sizeof(option), "--%s", name);
			for (c = text; (c = strstr(c, option)); c += n)
				if (!strchr("-abcdefghijklmnopqrstuvwxyz", c[n]))
					break;
			if (!c)
				fail_msg("%s is missing in %s", option, files[f]);
		}
	}
}

static void saved_profiles(void **state)
{
	struct outcome r;

	(void)state;
	run(&r, "report a.pb.gz -T 3 -f folded -w b.folded --write c.json --focus x|y");
	assert_int_equal(r.status, -1);
	assert_int_equal(r.o.mode, OPTIONS_REPORT);
	assert_string_equal(r.o.profiles[0], "a.pb.gz");
	assert_int_equal(r.o.top, 3);
	assert_int_equal(r.o.nr_writes, 2);
	assert_string_equal(r.o.writes[0].path, "b.folded");
	assert_int_equal(r.o.writes[0].file, OPTIONS_FILE_FOLDED);
	assert_int_equal(r.o.writes[1].file, OPTIONS_FILE_JSON);
	assert_string_equal(r.o.focus, "x|y");
	options__release(&r.o);

	run(&r, "diff -f folded a -- -b");
	assert_int_equal(r.status, -1);
	assert_int_equal(r.o.mode, OPTIONS_DIFF);
	assert_string_equal(r.o.profiles[1], "-b");
	assert_true(r.o.top == UINT64_MAX);
	options__release(&r.o);

	run(&r, "-w x.pb.gz -- report a.pb.gz");
	assert_int_equal(r.status, -1);
	assert_int_equal(r.o.mode, OPTIONS_TRACE);
	assert_string_equal(r.o.command[0], "report");
	assert_int_equal(r.o.writes[0].file, OPTIONS_FILE_PPROF);
	options__release(&r.o);
}

static void splitting(void **state)
{
	static const struct {
		const char *line;
		int err;
		const char *words[6];
	} rows[] = {
		{"a", 0, {"a"}},
		{"  a\t b\n\nc ", 0, {"a", "b", "c"}},
		{"a'b'\"c\"d", 0, {"abcd"}},
		{"'' \"\" ''\"\"", 0, {"", "", ""}},
		{"'a b' \"c d\" e\\ f", 0, {"a b", "c d", "e f"}},
		{"'a\\' \"\\\"\" \"\\a\" \\'", 0, {"a\\", "\"", "\\a", "'"}},
		{"\"\\$\\`\\\\\"", 0, {"$`\\"}},
		{"a\\\nb \"c\\\nd\"", 0, {"ab", "cd"}},
		{"a \\\n b \\\n", 0, {"a", "b"}},
		{"\\\n", -ENODATA, {NULL}},
		{"$HOME `x` * ~ | # a;b", 0, {"$HOME", "`x`", "*", "~", "|", "#"}},
		{"\\", -EINVAL, {NULL}},
		{"a b\\", -EINVAL, {NULL}},
		{"'", -EINVAL, {NULL}},
		{"a \"b 'c'", -EINVAL, {NULL}},
		{"\"a\\\"", -EINVAL, {NULL}},
		{"", -ENODATA, {NULL}},
		{" \t\n", -ENODATA, {NULL}},
		{"\xff\xfe \x01", 0, {"\xff\xfe", "\x01"}},
	};
	char **words;
	size_t i, w;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		words = NULL;
		if (words__split(rows[i].line, &words) != rows[i].err)
			fail_msg("%s", rows[i].line);
		for (w = 0; w < 6 && rows[i].words[w]; w++)
			assert_string_equal(words[w], rows[i].words[w]);
		if (w && w < 6)
			assert_null(words[w]);
		if (rows[i].err)
			assert_null(words);
		free(words);
	}
}

/* As many words, and as long ones, as a line can make. */
static void splitting_long_lines(void **state)
{
	static char line[100001];
	char **words;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(line) - 1; i++)
		line[i] = i % 2 ? ' ' : 'x';
	assert_int_equal(words__split(line, &words), 0);
	for (i = 0; words[i]; i++)
		assert_string_equal(words[i], "x");
	assert_int_equal(i, 50000);
	free(words);
	memset(line, '\\', sizeof(line) - 1);
	assert_int_equal(words__split(line, &words), 0);
	assert_int_equal(strlen(words[0]), 50000);
	free(words);
	memset(line, '"', sizeof(line) - 1);
	assert_int_equal(words__split(line, &words), 0);
	assert_string_equal(words[0], "");
	assert_null(words[1]);
	free(words);
}

static void splitting_by_chance(void **state)
{
	static const char letters[] = "ab  \\\\'\"\n$";
	uint32_t seed = 7;
	char line[24];
	int round;

	(void)state;
	for (round = 0; round < 200000; round++) {
		char **words = NULL;
		size_t i, n;

		seed = seed * 1664525 + 1013904223;
		n = (seed >> 8) % sizeof(line);
		for (i = 0; i < n; i++) {
			seed = seed * 1664525 + 1013904223;
			line[i] = letters[(seed >> 8) % (sizeof(letters) - 1)];
		}
		line[n] = '\0';
		if (words__split(line, &words) == 0) {
			for (i = 0; words[i]; i++)
				assert_true(strlen(words[i]) <= n);
			assert_true(i >= 1 && i <= n);
		} else {
			assert_null(words);
		}
		free(words);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_the_contracts),
		cmocka_unit_test(wrong_frees_of_commands),
		cmocka_unit_test(every_option_is_taken),
		cmocka_unit_test(positional_ones),
		cmocka_unit_test(pids_are_merged_in_order),
		cmocka_unit_test(commands_are_followed),
		cmocka_unit_test(wrong_usage_is_status_2),
		cmocka_unit_test(messages_are_one_line_of_plain_text),
		cmocka_unit_test(messages_name_what_is_wrong),
		cmocka_unit_test(version_and_help),
		cmocka_unit_test(empty_argv_is_no_target),
		cmocka_unit_test(options_are_documented),
		cmocka_unit_test(options_are_completed),
		cmocka_unit_test(saved_profiles),
		cmocka_unit_test(splitting),
		cmocka_unit_test(splitting_long_lines),
		cmocka_unit_test(splitting_by_chance),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
