// SPDX-License-Identifier: GPL-2.0-or-later
#include "options_private.h"

#include <limits.h>
#include <stdio.h>

#include "util/cleanup.h"

#define TABLE_LIMIT (256 * MI) /* the most buckets a BPF hash can have */
#define DEPTH_LIMIT 400

static row_setter show_version, show_help;

enum {
	KEY_CGROUP = CHAR_MAX + 1,
	KEY_FOLLOW,
	KEY_NO_FOLLOW,
	KEY_SAMPLE_BYTES,
	KEY_SYMBOLS_PREFIX,
	KEY_ALLOC_FN,
	KEY_FREE_FN,
	KEY_RESOURCE,
	KEY_SORT,
	KEY_OUTPUT,
	KEY_MAX_BLOCKS,
	KEY_MAX_STACKS,
	KEY_STACK_DEPTH,
	KEY_MAX_UNWIND_MEMORY,
	KEY_DEBUGINFOD,
	KEY_COLOR,
	KEY_COLOUR,
	KEY_VERSION,
	KEY_LINK,
	KEY_LEAK_CHECK,
	KEY_SHOW_LEAK_KINDS,
	KEY_ERROR_EXITCODE,
	KEY_DIAGNOSE,
	KEY_NO_DIAGNOSE,
	KEY_FOCUS,
	KEY_IGNORE,
	KEY_BLOCKS_DIR,
	KEY_SUPPRESSIONS,
	KEY_GEN_SUPPRESSIONS,
	KEY_SHOW_REACHABLE_PATH,
	KEY_PRELOAD,
	KEY_NO_SITES,
};

const struct range option_range_positive = {1, UINT64_MAX, false};

static const struct range any_size = {0, UINT64_MAX, true};
static const struct range milliseconds = {0, UINT64_MAX / 1000000, false}; /* in ns: 64 bits */
static const struct range sample_rate = {1, 1000000, false};
static const struct range sample_bytes = {1, UINT32_MAX, true};
static const struct range table_size = {1, TABLE_LIMIT, true};
static const struct range unwind_memory = {MI, UINT64_C(64) << 30, true};
static const struct range exit_codes = {0, 255, false};
static const struct range depth = {1, DEPTH_LIMIT, false};

static const struct choice sorts[] = {
	{"bytes", PROFILE_SORT_BYTES},
	{"blocks", PROFILE_SORT_BLOCKS},
	{"growth", PROFILE_SORT_GROWTH},
	{"age", PROFILE_SORT_AGE},
	{NULL, 0},
};

static const struct choice formats[] = {
	{"text", OPTIONS_FORMAT_TEXT},
	{"json", OPTIONS_FORMAT_JSON},
	{"folded", OPTIONS_FORMAT_FOLDED},
	{NULL, 0},
};

static const struct choice colors[] = {
	{"auto", OPTIONS_COLOR_AUTO},
	{"always", OPTIONS_COLOR_ALWAYS},
	{"never", OPTIONS_COLOR_NEVER},
	{NULL, 0},
};

static const struct choice leak_checks[] = {
	{"no", OPTIONS_LEAK_CHECK_NO},
	{"final", OPTIONS_LEAK_CHECK_FINAL},
	{"each", OPTIONS_LEAK_CHECK_EACH},
	{NULL, 0},
};

static const struct choice links[] = {
	{"session", OPTIONS_LINK_SESSION},
	{"multi", OPTIONS_LINK_MULTI},
	{"perf", OPTIONS_LINK_PERF},
	{NULL, 0},
};

#define FIELD(member) .field = offsetof(struct options, member)

/* clang-format off */
const struct row option_rows[] = {
	{.help = "Target"},
	{"pid", 'p', "PID[,PID...]", "attach to running processes",
	 .set = parser__set_pids},
	{"command", 'c', "CMD", "run CMD (no shell is started) and trace it",
	 .set = parser__set_command},
	{"all", 'A', NULL, "every process on the machine",
	 .set = parser__set_all},
	{"cgroup", KEY_CGROUP, "PATH", "every process in this cgroup (v2) and below it",
	 .set = parser__set_cgroup, FIELD(cgroup)},
	{"follow", KEY_FOLLOW, NULL, "trace the children too (on for a command)",
	 .set = parser__set_follow, .value = 1},
	{"no-follow", KEY_NO_FOLLOW, NULL, "do not trace the children (so it is with -p)",
	 .set = parser__set_follow, .value = 0},
	{"user", 'u', "NAME", "run it as this user (the one behind sudo)",
	 .set = parser__set_string, FIELD(user)},
	{"preload", KEY_PRELOAD, NULL, "run it with libmemleak.so: a fraction of the cost",
	 .set = parser__set_flag, FIELD(preload)},

	{.help = "When to report"},
	{"interval", 'i', "SEC", "seconds between reports (5)",
	 .set = parser__set_interval},
	{"count", 'n', "N", "detach and end after N reports (no limit)",
	 .set = parser__set_u64, FIELD(count), &option_range_positive},
	{"trace", 't', NULL, "one line for every event, as it happens",
	 .set = parser__set_flag, FIELD(trace)},
	{"live", 'l', NULL, "a view on the terminal, as top has it, with keys",
	 .set = parser__set_flag, FIELD(live)},

	{.help = "What to follow"},
	{"min-size", 'z', "B", "only allocations of B bytes or more; 64K, 1M (0)",
	 .set = parser__set_u64, FIELD(min_size), &any_size},
	{"max-size", 'Z', "B", "only allocations of B bytes or less (no limit)",
	 .set = parser__set_u64, FIELD(max_size), &any_size},
	{"sample-rate", 's', "N", "one allocation in N, shown as estimates (1)",
	 .set = parser__set_u32, FIELD(sample_rate), &sample_rate},
	{"sample-bytes", KEY_SAMPLE_BYTES, "B", "one every B bytes, shown as estimates",
	 .set = parser__set_u32, FIELD(sample_bytes), &sample_bytes},
	{"obj", 'O', "PATH", "take the allocation functions from this object",
	 .set = parser__set_string, FIELD(object)},
	{"symbols-prefix", KEY_SYMBOLS_PREFIX, "P", "they are called P_malloc or Pmalloc, ...",
	 .set = parser__set_string, FIELD(symbols_prefix)},
	{"no-sites", KEY_NO_SITES, NULL, "probe functions, also where allocators have sites",
	 .set = parser__set_flag, FIELD(no_sites)},
	{"alloc-fn", KEY_ALLOC_FN, "FUNC[:...]", "this function allocates too; see below",
	 .set = parser__set_function, .value = false},
	{"free-fn", KEY_FREE_FN, "FUNC[:ptr=ARGn]", "and this one takes it back",
	 .set = parser__set_function, .value = true},
	{"resource", KEY_RESOURCE, "LIST", "of files,locks,dirs,dl: those held, too",
	 .set = parser__set_resources},

	{.help = "What to show"},
	{"top", 'T', "N", "stacks per process in a report (10)",
	 .set = parser__set_u64, FIELD(top), &option_range_positive, .saved = true},
	{"older", 'o', "MS", "stacks show only blocks at least this old (500)",
	 .set = parser__set_u64, FIELD(older_ms), &milliseconds},
	{"sort", KEY_SORT, "ORDER", "bytes, blocks, growth or age (bytes)",
	 .set = parser__set_choice, FIELD(sort), .choices = sorts, .saved = true},
	{"focus", KEY_FOCUS, "REGEX", "only stacks that have a name like this",
	 .set = parser__set_regex, FIELD(focus), .saved = true},
	{"ignore", KEY_IGNORE, "REGEX", "no stacks that have a name like this",
	 .set = parser__set_regex, FIELD(ignore), .saved = true},
	{"show-allocs", 'a', NULL, "list the blocks under each stack",
	 .set = parser__set_flag, FIELD(show_allocs), .saved = true},
	{"format", 'f', "FORM", "text, json or folded (text)",
	 .set = parser__set_choice, FIELD(format), .choices = formats, .saved = true},
	{"output", KEY_OUTPUT, "FILE", "write reports there, not to standard output",
	 .set = parser__set_string, FIELD(output), .saved = true},
	{"write", 'w', "FILE", "save the profile: .pb.gz .json .folded .svg .html",
	 .set = parser__set_write, .saved = true},
	{"blocks-dir", KEY_BLOCKS_DIR, "DIR", "keep a file for each live block in DIR",
	 .set = parser__set_string, FIELD(blocks_dir)},
	{"color", KEY_COLOR, "WHEN", "auto, always or never (auto)",
	 .set = parser__set_choice, FIELD(color), .choices = colors, .saved = true},
	{"colour", KEY_COLOUR, "WHEN", NULL, .hidden = true,
	 .set = parser__set_choice, FIELD(color), .choices = colors, .saved = true},
	{"debuginfod", KEY_DEBUGINFOD, NULL, "ask the servers in DEBUGINFOD_URLS for symbols",
	 .set = parser__set_flag, FIELD(debuginfod)},

	{.help = "Leaks"},
	{"leak-check", KEY_LEAK_CHECK, "WHEN", "no, final, each report (a command: final)",
	 .set = parser__set_choice, FIELD(leak_check), .choices = leak_checks},
	{"show-leak-kinds", KEY_SHOW_LEAK_KINDS, "LIST", "what text shows (definite,possible)",
	 .set = parser__set_leak_kinds, .saved = true},
	{"error-exitcode", KEY_ERROR_EXITCODE, "N", "exit with N if a block is lost or a free is wrong",
	 .set = parser__set_u32, FIELD(error_exitcode), &exit_codes},
	{"show-reachable-path", KEY_SHOW_REACHABLE_PATH, NULL, "what keeps reachable blocks alive",
	 .set = parser__set_flag, FIELD(show_reachable_path), .saved = true},
	{"diagnose", KEY_DIAGNOSE, NULL, "look for wrong frees (on for a command)",
	 .set = parser__set_diagnose, .value = 1},
	{"no-diagnose", KEY_NO_DIAGNOSE, NULL, "do not: C++ then runs a little faster",
	 .set = parser__set_diagnose, .value = 0},

	{"suppressions", KEY_SUPPRESSIONS, "FILE", "leave out the losses that it names, as Valgrind",
	 .set = parser__set_suppressions},
	{"gen-suppressions", KEY_GEN_SUPPRESSIONS, NULL, "show the entry for such a file with each loss",
	 .set = parser__set_flag, FIELD(gen_suppressions)},

	{.help = "Capacities"},
	{"max-blocks", KEY_MAX_BLOCKS, "N", "live blocks (1M)",
	 .set = parser__set_u32, FIELD(max_blocks), &table_size},
	{"max-stacks", KEY_MAX_STACKS, "N", "different stacks (64K)",
	 .set = parser__set_u32, FIELD(max_stacks), &table_size},
	{"max-unwind-memory", KEY_MAX_UNWIND_MEMORY, "B", "for unwind tables (256M)",
	 .set = parser__set_u64, FIELD(max_unwind_memory), &unwind_memory},
	{"stack-depth", KEY_STACK_DEPTH, "N", "frames per stack, up to 400 (127)",
	 .set = parser__set_u32, FIELD(stack_depth), &depth},

	{.help = "Other"},
	{"quiet", 'q', NULL, "no warnings",
	 .set = parser__set_verbosity, .value = -1, .saved = true},
	{"verbose", 'v', NULL, "say what is found and done; twice: every detail",
	 .set = parser__set_verbosity, .value = 1, .saved = true},
	{"version", KEY_VERSION, NULL, "print the version",
	 .set = show_version, .saved = true},
	{"help", 'h', NULL, "print this",
	 .set = show_help, .saved = true},
	{"link", KEY_LINK, "HOW", "session, multi or perf",
	 .set = parser__set_choice, FIELD(link), .choices = links, .hidden = true},
};
/* clang-format on */

const size_t nr_option_rows = ARRAY_SIZE(option_rows);

static int show_version(struct parser *p, const struct row *row, const char *value)
{
	(void)row;
	(void)value;
	p->done = true;
	puts(OPTIONS_PROGRAM " " MEMLEAK_VERSION);
	return ECANCELED;
}

static int show_help(struct parser *p, const struct row *row, const char *value)
{
	const struct row *r;
	char name[64];

	(void)row;
	(void)value;
	p->done = true;
	puts("Usage: memleak-bpf [OPTION...] -p PID[,PID...]  [INTERVAL [COUNT]]\n"
	     "       memleak-bpf [OPTION...] -c \"CMD ARGS\"    [INTERVAL [COUNT]]\n"
	     "       memleak-bpf [OPTION...] -A               [INTERVAL [COUNT]]\n"
	     "       memleak-bpf [OPTION...] --cgroup PATH    [INTERVAL [COUNT]]\n"
	     "       memleak-bpf [OPTION...] [INTERVAL [COUNT]] -- CMD [ARG...]\n"
	     "       memleak-bpf report [OPTION...] PROFILE\n"
	     "       memleak-bpf diff [OPTION...] BASE PROFILE\n"
	     "Show which stacks allocated the memory that is outstanding.");
	for (r = option_rows; r < option_rows + nr_option_rows; r++) {
		if (r->hidden)
			continue;
		if (!r->name) {
			printf("\n%s\n", r->help);
			continue;
		}
		snprintf(name, sizeof(name), "%s %s", r->name, r->arg ? r->arg : "");
		if (r->key <= CHAR_MAX)
			printf("  -%c, --%-22s %s\n", r->key, name, r->help);
		else
			printf("      --%-22s %s\n", name, r->help);
	}
	puts("\nFunctions of your own\n"
	     "  --alloc-fn FUNC[:size=ARGn|ARGn*ARGm][:ptr=ret|ARGn|*ARGn]\n"
	     "             [:fail=0|-1|nonzero][:old=ARGn][:resource|:nothrow][:family=NAME]\n"
	     "  --free-fn  FUNC[:ptr=ARGn][:family=NAME]\n"
	     "  A family is one or more --alloc-fn and the --free-fn behind them, named\n"
	     "  after the first function or by family=. What is allocated inside is a part of\n"
	     "  it. A resource stands beside the heap. nothrow: no exception leaves it.");
	puts("\nExamples\n"
	     "  memleak-bpf -p $(pidof app)          a report every 5 seconds\n"
	     "  memleak-bpf -p 4242 10 6             six reports, 10 seconds apart\n"
	     "  memleak-bpf -l -p 4242               watch it as top does; ? for the keys\n"
	     "  memleak-bpf -- ./app --its-option    run a command, report at its end\n"
	     "  memleak-bpf -A -T 3 --sort growth    what grows on this machine?\n"
	     "  memleak-bpf -p 4242 -f json | jq .   for a program to read\n"
	     "  memleak-bpf -p 4242 --resource files,dirs\n"
	     "  memleak-bpf -w a.pb.gz -p 4242       save the profile when interrupted\n"
	     "  memleak-bpf diff a.pb.gz b.pb.gz     what grew between two of them");
	return ECANCELED;
}

const char *options__name(size_t index)
{
	const struct row *r;

	for (r = option_rows; r < option_rows + nr_option_rows; r++)
		if (r->name && !r->hidden && !index--)
			return r->name;
	return NULL;
}
