// SPDX-License-Identifier: GPL-2.0-or-later
#include "options.h"

#include <argp.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "profile/filter.h"
#include "util/cleanup.h"
#include "util/hash.h"
#include "util/log.h"
#include "util/number.h"
#include "util/words.h"

#define PROGRAM		   "memleak-bpf"

#define KI		   (UINT64_C(1) << 10)
#define MI		   (UINT64_C(1) << 20)

#define PID_LIMIT	   4194304    /* the kernel's PID_MAX_LIMIT */
#define TABLE_LIMIT	   (256 * MI) /* the most buckets a BPF hash can have */
#define DEPTH_LIMIT	   400
#define DEFAULT_DEPTH	   127
#define DEFAULT_TOP	   10

#define INTERVAL_DEFAULT_S 5
#define INTERVAL_LIMIT_S   1000000000

/* The word that comes first for what is no tracing. */
static const char *const modes[] = {
	[OPTIONS_TRACE] = NULL,
	[OPTIONS_REPORT] = "report",
	[OPTIONS_DIFF] = "diff",
};

/* What is known only while parsing. */
struct parser {
	struct options o;
	struct hash pids_seen;
	/* By kind of target: what asked for it. */
	const char *given[OPTIONS_TARGET_ALL + 1];
	int follow;	  /* -1: not said */
	int diagnose;	  /* the same */
	int nr_arguments; /* INTERVAL and COUNT, or profiles */
	bool done;	  /* --help or --version was all */
	int status;	  /* to exit with, once parsing has stopped */
};

struct range {
	uint64_t min, max;
	bool suffixes;
};

struct choice {
	const char *name;
	int value;
};

struct row {
	const char *name; /* of the long option; NULL: a heading */
	int key;	  /* the short option; above CHAR_MAX: there is none */
	const char *arg;
	const char *help; /* one line */
	/* 0, or an errno value with the reason said */
	int (*set)(struct parser *p, const struct row *row, const char *value);
	size_t field; /* offset in struct options */
	const struct range *range;
	const struct choice *choices; /* ends with a NULL name */
	int value;		      /* what a flag sets */
	bool hidden;		      /* for tests, or another spelling */
	bool saved;		      /* for report and diff too */
};

/* Text of the command line as it may be shown in a message: one line, and not too long a one. */
static const char *shown(char buf[static 80], const char *text)
{
	size_t i;

	for (i = 0; text[i] && i < 72; i++)
		buf[i] = (unsigned char)text[i] < ' ' || text[i] == 0x7f ? '?' : text[i];
	strcpy(buf + i, text[i] ? "..." : "");
	return buf;
}

static int out_of_memory(struct parser *p)
{
	log_error("out of memory");
	p->status = 1;
	return ENOMEM;
}

/* Say what is wrong with the value of an option. */
static int wrong_value(const char *option, const char *value, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static int wrong_value(const char *option, const char *value, const char *fmt, ...)
{
	char text[80], reason[160];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(reason, sizeof(reason), fmt, ap);
	va_end(ap);
	log_error("%s: '%s' %s", option, shown(text, value), reason);
	return EINVAL;
}

/* The option of @row as a person types it. */
static const char *row_name(const struct row *row, char buf[static 32])
{
	snprintf(buf, 32, "--%s", row->name);
	return buf;
}

/* Numbers */

static int set_number_in(const char *option, const char *value, const struct range *range,
			 uint64_t *ret)
{
	enum number_fault fault = number__whole(value, range->suffixes, ret);

	if (fault == NUMBER_MALFORMED)
		return wrong_value(option, value, "is not a whole number%s",
				   range->suffixes ? " (like 4096, 64K or 1M)" : "");
	if (fault == NUMBER_NEGATIVE)
		return wrong_value(option, value, "is negative");
	if (fault == NUMBER_HUGE || *ret < range->min || *ret > range->max)
		return wrong_value(option, value, "is out of range (%llu to %llu)",
				   (unsigned long long)range->min, (unsigned long long)range->max);
	return 0;
}

static int set_u64(struct parser *p, const struct row *row, const char *value)
{
	char option[32];
	uint64_t n;
	int err = set_number_in(row_name(row, option), value, row->range, &n);

	if (!err)
		*(uint64_t *)((char *)&p->o + row->field) = n;
	return err;
}

static int set_u32(struct parser *p, const struct row *row, const char *value)
{
	char option[32];
	uint64_t n;
	int err = set_number_in(row_name(row, option), value, row->range, &n);

	if (!err)
		*(uint32_t *)((char *)&p->o + row->field) = n;
	return err;
}

static int set_interval_of(struct parser *p, const char *option, const char *value)
{
	double n;
	enum number_fault fault = number__decimal(value, &n);

	if (fault == NUMBER_MALFORMED)
		return wrong_value(option, value, "is not a number of seconds (like 5 or 0.5)");
	if (fault == NUMBER_NEGATIVE)
		return wrong_value(option, value, "is negative");
	if (n < 0.001 || n > INTERVAL_LIMIT_S)
		return wrong_value(option, value, "is out of range (0.001 to %d seconds)",
				   INTERVAL_LIMIT_S);
	p->o.interval_s = n;
	return 0;
}

static int set_interval(struct parser *p, const struct row *row, const char *value)
{
	char option[32];

	return set_interval_of(p, row_name(row, option), value);
}

/* Everything that is no number */

static int set_string(struct parser *p, const struct row *row, const char *value)
{
	char option[32];

	if (!*value)
		return wrong_value(row_name(row, option), value, "is empty");
	*(const char **)((char *)&p->o + row->field) = value;
	return 0;
}

static int set_flag(struct parser *p, const struct row *row, const char *value)
{
	(void)value;
	*(bool *)((char *)&p->o + row->field) = true;
	return 0;
}

static int set_follow(struct parser *p, const struct row *row, const char *value)
{
	(void)value;
	p->follow = row->value;
	return 0;
}

static int set_diagnose(struct parser *p, const struct row *row, const char *value)
{
	(void)value;
	p->diagnose = row->value;
	return 0;
}

static int set_verbosity(struct parser *p, const struct row *row, const char *value)
{
	int *v = &p->o.verbosity;

	(void)value;
	if (row->value < 0)
		*v = -1;
	else if (*v < 2)
		*v = *v < 0 ? 1 : *v + 1;
	return 0;
}

static int set_choice(struct parser *p, const struct row *row, const char *value)
{
	char option[32], names[80] = ""; /* no list of names is longer */
	const struct choice *c;

	for (c = row->choices; c->name; c++) {
		if (strcmp(c->name, value) == 0) {
			*(int *)((char *)&p->o + row->field) = c->value;
			return 0;
		}
		if (*names)
			strcat(names, c[1].name ? ", " : " or ");
		strcat(names, c->name);
	}
	return wrong_value(row_name(row, option), value, "is not %s", names);
}

/* The bit of the kind that the first @size bytes of @name are; 0: there is none. */
static uint32_t leak_kind(const char *name, size_t size)
{
	enum profile_verdict v;

	for (v = PROFILE_VERDICT_DEFINITE; v < PROFILE_VERDICTS; v++) {
		const char *kind = profile__verdict_name(v);

		if (strlen(kind) == size && strncmp(kind, name, size) == 0)
			return 1U << v;
	}
	return 0;
}

static int set_leak_kinds(struct parser *p, const struct row *row, const char *value)
{
	const char *rest = value;
	char option[32];

	if (strcmp(value, "all") == 0) {
		p->o.leak_kinds = OPTIONS_LEAK_KINDS_ALL;
		return 0;
	}
	p->o.leak_kinds = 0;
	if (strcmp(value, "none") == 0)
		return 0;
	for (;;) {
		size_t n = strcspn(rest, ",");
		uint32_t kind = leak_kind(rest, n);

		if (!kind)
			return wrong_value(row_name(row, option), value,
					   "is no list of definite, indirect, possible and "
					   "reachable, nor all or none");
		p->o.leak_kinds |= kind;
		if (!rest[n])
			return 0;
		rest += n + 1;
	}
}

/* Files and stacks */

static const struct {
	const char *ending;
	enum options_file file;
} endings[] = {
	{".pb.gz", OPTIONS_FILE_PPROF},	  {".json", OPTIONS_FILE_JSON},
	{".folded", OPTIONS_FILE_FOLDED}, {".svg", OPTIONS_FILE_SVG},
	{".html", OPTIONS_FILE_HTML},
};

static int add_write(struct parser *p, const char *path, enum options_file file)
{
	struct options_write *grown = reallocarray(p->o.writes, p->o.nr_writes + 1, sizeof(*grown));

	if (!grown)
		return out_of_memory(p);
	p->o.writes = grown;
	p->o.writes[p->o.nr_writes++] = (struct options_write){.path = path, .file = file};
	return 0;
}

static int set_write(struct parser *p, const struct row *row, const char *value)
{
	const char *base = strrchr(value, '/') ? strrchr(value, '/') + 1 : value;
	size_t i;

	(void)row;
	for (i = 0; i < ARRAY_SIZE(endings); i++) {
		size_t n = strlen(endings[i].ending), length = strlen(base);

		if (length <= n || strcmp(base + length - n, endings[i].ending) != 0)
			continue;
		return add_write(p, value, endings[i].file);
	}
	return wrong_value("--write", value,
			   "does not end in .pb.gz, .json, .folded, .svg or .html");
}

static int set_regex(struct parser *p, const struct row *row, const char *value)
{
	char option[32], why[100];
	int err = set_string(p, row, value);

	if (err)
		return err;
	switch (filter__check(value, why, sizeof(why))) {
	case 0:
		return 0;
	case -ENOMEM:
		return out_of_memory(p);
	default:
		return wrong_value(row_name(row, option), value, "is not a regular expression: %s",
				   why);
	}
}

static int set_suppressions(struct parser *p, const struct row *row, const char *value)
{
	const char **grown =
		reallocarray(p->o.suppressions, p->o.nr_suppressions + 1, sizeof(*grown));

	(void)row;
	if (!grown)
		return out_of_memory(p);
	p->o.suppressions = grown;
	p->o.suppressions[p->o.nr_suppressions++] = value;
	return 0;
}

/* Targets */

static int add_pid(struct parser *p, const char *text)
{
	static const struct range range = {1, PID_LIMIT, false};
	uint64_t pid;
	pid_t *grown;
	int err = set_number_in("--pid", text, &range, &pid);

	if (err)
		return err;
	if (hash__get(&p->pids_seen, pid, 0) != HASH_NONE)
		return 0;
	if ((p->o.nr_pids & (p->o.nr_pids - 1)) == 0) {
		grown = reallocarray(p->o.pids, p->o.nr_pids ? p->o.nr_pids * 2 : 1,
				     sizeof(*grown));
		if (!grown)
			return out_of_memory(p);
		p->o.pids = grown;
	}
	if (hash__set(&p->pids_seen, pid, 0, p->o.nr_pids))
		return out_of_memory(p);
	p->o.pids[p->o.nr_pids++] = pid;
	return 0;
}

static int set_pids(struct parser *p, const struct row *row, const char *value)
{
	CLEANUP_FREE char *list = strdup(value);
	char *rest = list;
	char *item;
	int err = 0;

	(void)row;
	if (!list)
		return out_of_memory(p);
	p->given[OPTIONS_TARGET_PIDS] = "--pid";
	while (!err && (item = strsep(&rest, ",")))
		err = *item ? add_pid(p, item)
			    : wrong_value("--pid", value, "has an empty place where a PID belongs");
	return err;
}

static int set_all(struct parser *p, const struct row *row, const char *value)
{
	(void)row;
	(void)value;
	p->given[OPTIONS_TARGET_ALL] = "--all";
	return 0;
}

static int set_cgroup(struct parser *p, const struct row *row, const char *value)
{
	p->given[OPTIONS_TARGET_CGROUP] = "--cgroup";
	return set_string(p, row, value);
}

static int set_command(struct parser *p, const struct row *row, const char *value)
{
	int err;

	(void)row;
	if (p->o.command) {
		log_error("--command was given twice");
		return EINVAL;
	}
	err = words__split(value, &p->o.command);
	if (err == -EINVAL)
		return wrong_value("--command", value, "ends within a quote or after a backslash");
	if (err == -ENODATA)
		return wrong_value("--command", value, "holds no command");
	if (err)
		return out_of_memory(p);
	p->given[OPTIONS_TARGET_COMMAND] = "--command";
	return 0;
}

/* The words after `--`. */
static int set_command_words(struct parser *p, char **words)
{
	size_t n = 0;

	if (p->o.command) {
		log_error("two commands: --command, and one after '--'");
		return EINVAL;
	}
	while (words[n])
		n++;
	if (!n) {
		log_error("no command after '--'");
		return EINVAL;
	}
	p->o.command = reallocarray(NULL, n + 1, sizeof(*words));
	if (!p->o.command)
		return out_of_memory(p);
	memcpy(p->o.command, words, (n + 1) * sizeof(*words));
	p->given[OPTIONS_TARGET_COMMAND] = "a command after '--'";
	return 0;
}

/* --alloc-fn and --free-fn: @row's value tells them apart. */
static int set_function(struct parser *p, const struct row *row, const char *value)
{
	char option[32];
	const char *why;
	int err = pairs__add(&p->o.pairs, value, row->value, &why);

	if (err == -EINVAL)
		return wrong_value(row_name(row, option), value, "%s", why);
	return err ? out_of_memory(p) : 0;
}

static int set_resources(struct parser *p, const struct row *row, const char *value)
{
	CLEANUP_FREE char *list = strdup(value);
	char *rest = list, *item;
	char option[32];
	int err = list ? 0 : -ENOMEM;

	while (!err && (item = strsep(&rest, ",")))
		err = pairs__add_preset(&p->o.pairs, item);
	if (err == -ENOENT)
		return wrong_value(row_name(row, option), value,
				   "is no list of files, locks, dirs and dl");
	return err ? out_of_memory(p) : 0;
}

static int show_version(struct parser *p, const struct row *row, const char *value)
{
	(void)row;
	(void)value;
	p->done = true;
	puts(PROGRAM " " MEMLEAK_VERSION);
	return ECANCELED;
}

static int show_help(struct parser *p, const struct row *row, const char *value);

/* The table */

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

static const struct range any_size = {0, UINT64_MAX, true};
static const struct range positive = {1, UINT64_MAX, false};
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
static const struct row rows[] = {
	{.help = "Target"},
	{"pid", 'p', "PID[,PID...]", "attach to running processes",
	 .set = set_pids},
	{"command", 'c', "CMD", "run CMD (no shell is started) and trace it",
	 .set = set_command},
	{"all", 'A', NULL, "every process on the machine",
	 .set = set_all},
	{"cgroup", KEY_CGROUP, "PATH", "every process in this cgroup (v2) and below it",
	 .set = set_cgroup, FIELD(cgroup)},
	{"follow", KEY_FOLLOW, NULL, "trace the children too (on for a command)",
	 .set = set_follow, .value = 1},
	{"no-follow", KEY_NO_FOLLOW, NULL, "do not trace the children (so it is with -p)",
	 .set = set_follow, .value = 0},
	{"user", 'u', "NAME", "run it as this user (the one behind sudo)",
	 .set = set_string, FIELD(user)},
	{"preload", KEY_PRELOAD, NULL, "run it with libmemleak.so: a fraction of the cost",
	 .set = set_flag, FIELD(preload)},

	{.help = "When to report"},
	{"interval", 'i', "SEC", "seconds between reports (5)",
	 .set = set_interval},
	{"count", 'n', "N", "detach and end after N reports (no limit)",
	 .set = set_u64, FIELD(count), &positive},
	{"trace", 't', NULL, "one line for every event, as it happens",
	 .set = set_flag, FIELD(trace)},
	{"live", 'l', NULL, "a view on the terminal, as top has it, with keys",
	 .set = set_flag, FIELD(live)},

	{.help = "What to follow"},
	{"min-size", 'z', "B", "only allocations of B bytes or more; 64K, 1M (0)",
	 .set = set_u64, FIELD(min_size), &any_size},
	{"max-size", 'Z', "B", "only allocations of B bytes or less (no limit)",
	 .set = set_u64, FIELD(max_size), &any_size},
	{"sample-rate", 's', "N", "one allocation in N, shown as estimates (1)",
	 .set = set_u32, FIELD(sample_rate), &sample_rate},
	{"sample-bytes", KEY_SAMPLE_BYTES, "B", "one every B bytes, shown as estimates",
	 .set = set_u32, FIELD(sample_bytes), &sample_bytes},
	{"obj", 'O', "PATH", "take the allocation functions from this object",
	 .set = set_string, FIELD(object)},
	{"symbols-prefix", KEY_SYMBOLS_PREFIX, "P", "they are called P_malloc or Pmalloc, ...",
	 .set = set_string, FIELD(symbols_prefix)},
	{"no-sites", KEY_NO_SITES, NULL, "probe functions, also where allocators have sites",
	 .set = set_flag, FIELD(no_sites)},
	{"alloc-fn", KEY_ALLOC_FN, "FUNC[:...]", "this function allocates too; see below",
	 .set = set_function, .value = false},
	{"free-fn", KEY_FREE_FN, "FUNC[:ptr=ARGn]", "and this one takes it back",
	 .set = set_function, .value = true},
	{"resource", KEY_RESOURCE, "LIST", "of files,locks,dirs,dl: those held, too",
	 .set = set_resources},

	{.help = "What to show"},
	{"top", 'T', "N", "stacks per process in a report (10)",
	 .set = set_u64, FIELD(top), &positive, .saved = true},
	{"older", 'o', "MS", "stacks show only blocks at least this old (500)",
	 .set = set_u64, FIELD(older_ms), &milliseconds},
	{"sort", KEY_SORT, "ORDER", "bytes, blocks, growth or age (bytes)",
	 .set = set_choice, FIELD(sort), .choices = sorts, .saved = true},
	{"focus", KEY_FOCUS, "REGEX", "only stacks that have a name like this",
	 .set = set_regex, FIELD(focus), .saved = true},
	{"ignore", KEY_IGNORE, "REGEX", "no stacks that have a name like this",
	 .set = set_regex, FIELD(ignore), .saved = true},
	{"show-allocs", 'a', NULL, "list the blocks under each stack",
	 .set = set_flag, FIELD(show_allocs), .saved = true},
	{"format", 'f', "FORM", "text, json or folded (text)",
	 .set = set_choice, FIELD(format), .choices = formats, .saved = true},
	{"output", KEY_OUTPUT, "FILE", "write reports there, not to standard output",
	 .set = set_string, FIELD(output), .saved = true},
	{"write", 'w', "FILE", "save the profile: .pb.gz .json .folded .svg .html",
	 .set = set_write, .saved = true},
	{"blocks-dir", KEY_BLOCKS_DIR, "DIR", "keep a file for each live block in DIR",
	 .set = set_string, FIELD(blocks_dir)},
	{"color", KEY_COLOR, "WHEN", "auto, always or never (auto)",
	 .set = set_choice, FIELD(color), .choices = colors, .saved = true},
	{"colour", KEY_COLOUR, "WHEN", NULL, .hidden = true,
	 .set = set_choice, FIELD(color), .choices = colors, .saved = true},
	{"debuginfod", KEY_DEBUGINFOD, NULL, "ask the servers in DEBUGINFOD_URLS for symbols",
	 .set = set_flag, FIELD(debuginfod)},

	{.help = "Leaks"},
	{"leak-check", KEY_LEAK_CHECK, "WHEN", "no, final, each report (a command: final)",
	 .set = set_choice, FIELD(leak_check), .choices = leak_checks},
	{"show-leak-kinds", KEY_SHOW_LEAK_KINDS, "LIST", "what text shows (definite,possible)",
	 .set = set_leak_kinds, .saved = true},
	{"error-exitcode", KEY_ERROR_EXITCODE, "N", "exit with N if a block is lost or a free is wrong",
	 .set = set_u32, FIELD(error_exitcode), &exit_codes},
	{"show-reachable-path", KEY_SHOW_REACHABLE_PATH, NULL, "what keeps reachable blocks alive",
	 .set = set_flag, FIELD(show_reachable_path), .saved = true},
	{"diagnose", KEY_DIAGNOSE, NULL, "look for wrong frees (on for a command)",
	 .set = set_diagnose, .value = 1},
	{"no-diagnose", KEY_NO_DIAGNOSE, NULL, "do not: C++ then runs a little faster",
	 .set = set_diagnose, .value = 0},

	{"suppressions", KEY_SUPPRESSIONS, "FILE", "leave out the losses that it names, as Valgrind",
	 .set = set_suppressions},
	{"gen-suppressions", KEY_GEN_SUPPRESSIONS, NULL, "show the entry for such a file with each loss",
	 .set = set_flag, FIELD(gen_suppressions)},

	{.help = "Capacities"},
	{"max-blocks", KEY_MAX_BLOCKS, "N", "live blocks (1M)",
	 .set = set_u32, FIELD(max_blocks), &table_size},
	{"max-stacks", KEY_MAX_STACKS, "N", "different stacks (64K)",
	 .set = set_u32, FIELD(max_stacks), &table_size},
	{"max-unwind-memory", KEY_MAX_UNWIND_MEMORY, "B", "for unwind tables (256M)",
	 .set = set_u64, FIELD(max_unwind_memory), &unwind_memory},
	{"stack-depth", KEY_STACK_DEPTH, "N", "frames per stack, up to 400 (127)",
	 .set = set_u32, FIELD(stack_depth), &depth},

	{.help = "Other"},
	{"quiet", 'q', NULL, "no warnings",
	 .set = set_verbosity, .value = -1, .saved = true},
	{"verbose", 'v', NULL, "say what is found and done; twice: every detail",
	 .set = set_verbosity, .value = 1, .saved = true},
	{"version", KEY_VERSION, NULL, "print the version",
	 .set = show_version, .saved = true},
	{"help", 'h', NULL, "print this",
	 .set = show_help, .saved = true},
	{"link", KEY_LINK, "HOW", "session, multi or perf",
	 .set = set_choice, FIELD(link), .choices = links, .hidden = true},
};
/* clang-format on */

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
	for (r = rows; r < rows + ARRAY_SIZE(rows); r++) {
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

/* What report and diff take. */
static int nr_profiles(enum options_mode mode)
{
	return mode == OPTIONS_DIFF ? 2 : 1;
}

static int set_argument(struct parser *p, const char *value)
{
	char text[80];
	uint64_t count;
	int err;

	if (p->o.mode != OPTIONS_TRACE) {
		if (p->nr_arguments < nr_profiles(p->o.mode)) {
			p->o.profiles[p->nr_arguments++] = value;
			return 0;
		}
		log_error("too many arguments: '%s'", shown(text, value));
		return EINVAL;
	}
	switch (p->nr_arguments++) {
	case 0:
		return set_interval_of(p, "INTERVAL", value);
	case 1:
		err = set_number_in("COUNT", value, &positive, &count);
		if (!err)
			p->o.count = count;
		return err;
	default:
		log_error("too many arguments: '%s' (a command to run goes after '--')",
			  shown(text, value));
		return EINVAL;
	}
}

static error_t parse_one(int key, char *value, struct argp_state *state)
{
	struct parser *p = state->input;
	const struct row *r;

	if (key == ARGP_KEY_INIT)
		state->err_stream = NULL; /* argp's own hint names an option that is none of ours */
	if (key == ARGP_KEY_ARG)
		return set_argument(p, value);
	for (r = rows; r < rows + ARRAY_SIZE(rows); r++) {
		if (!r->name || r->key != key)
			continue;
		if (p->o.mode == OPTIONS_TRACE || r->saved)
			return r->set(p, r, value);
		log_error("--%s is for tracing, not for '%s'", r->name, modes[p->o.mode]);
		return EINVAL;
	}
	return ARGP_ERR_UNKNOWN;
}

/* Give the words of @argv before `--` to argp, under this program's name in every message. */
static int parse_words(struct parser *p, int argc, char **argv)
{
	struct argp_option options[ARRAY_SIZE(rows) + 1] = {{0}};
	struct argp argp = {.options = options, .parser = parse_one};
	CLEANUP_FREE char **words = calloc((size_t)argc + 2, sizeof(*words));
	char program[] = PROGRAM;
	size_t i, n = 0;
	int err;

	if (!words)
		return out_of_memory(p);
	for (i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].name)
			options[n++] = (struct argp_option){
				.name = rows[i].name, .key = rows[i].key, .arg = rows[i].arg};
	words[0] = program;
	for (i = 1; (int)i < argc; i++)
		words[i] = argv[i];
	err = argp_parse(&argp, argc > 0 ? argc : 1, words, ARGP_NO_EXIT | ARGP_NO_HELP, NULL, p);
	/* argp says nothing of its own memory. */
	return err == ENOMEM && p->status != 1 ? out_of_memory(p) : err;
}

/* What no option can see alone. */
static int check_saved(struct parser *p)
{
	int missing = nr_profiles(p->o.mode) - p->nr_arguments;

	if (!missing)
		return 0;
	log_error("'%s' needs %s", modes[p->o.mode],
		  p->o.mode == OPTIONS_REPORT ? "a profile: memleak-bpf report PROFILE"
					      : "two profiles: memleak-bpf diff BASE PROFILE");
	return EINVAL;
}

static int check(struct parser *p)
{
	struct options *o = &p->o;
	int kind, first = -1;

	if (!o->top)
		o->top = o->format == OPTIONS_FORMAT_FOLDED ? UINT64_MAX : DEFAULT_TOP;
	if (o->mode != OPTIONS_TRACE)
		return check_saved(p);
	if (o->trace && o->format == OPTIONS_FORMAT_FOLDED) {
		log_error("--trace has no folded form: give --format text or json");
		return EINVAL;
	}
	if (o->live && (o->trace || o->output || o->format != OPTIONS_FORMAT_TEXT)) {
		log_error("--live is on the terminal: it does not go with %s",
			  o->trace    ? "--trace"
			  : o->output ? "--output"
				      : "--format json or folded");
		return EINVAL;
	}
	for (kind = 0; kind <= OPTIONS_TARGET_ALL; kind++) {
		if (!p->given[kind])
			continue;
		if (first >= 0) {
			log_error("two kinds of target: %s and %s", p->given[first],
				  p->given[kind]);
			return EINVAL;
		}
		first = kind;
	}
	if (first < 0) {
		log_error("no target: give one of -p PID, -c CMD, -A, --cgroup PATH, or -- CMD "
			  "[ARG...]");
		return EINVAL;
	}
	o->target = first;
	if (o->min_size > o->max_size) {
		log_error("--min-size %llu is above --max-size %llu",
			  (unsigned long long)o->min_size, (unsigned long long)o->max_size);
		return EINVAL;
	}
	if (o->sample_rate != 1 && o->sample_bytes) {
		log_error("two ways of sampling: --sample-rate and --sample-bytes");
		return EINVAL;
	}
	if (pairs__incomplete(&o->pairs)) {
		log_error("family '%s' has no --free-fn", pairs__incomplete(&o->pairs));
		return EINVAL;
	}
	if (o->user && o->target != OPTIONS_TARGET_COMMAND) {
		log_error("--user is for a command that is run, not for %s", p->given[first]);
		return EINVAL;
	}
	if (o->preload && o->target != OPTIONS_TARGET_COMMAND) {
		log_error("--preload is for a command that is run, not for %s: what runs already "
			  "can have been started with LD_PRELOAD=libmemleak.so",
			  p->given[first]);
		return EINVAL;
	}
	if (o->preload && o->no_sites) {
		log_error("--preload is of no use with --no-sites");
		return EINVAL;
	}
	o->diagnose = p->diagnose < 0 ? o->target == OPTIONS_TARGET_COMMAND : p->diagnose;
	o->follow = p->follow < 0 ? o->target == OPTIONS_TARGET_COMMAND : p->follow;
	if (o->leak_check == OPTIONS_LEAK_CHECK_UNSAID)
		o->leak_check = o->target == OPTIONS_TARGET_COMMAND ? OPTIONS_LEAK_CHECK_FINAL
								    : OPTIONS_LEAK_CHECK_NO;
	return 0;
}

/* After --help and --version: was it written? */
static int finish_output(void)
{
	int err;

	errno = 0;
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	err = errno;
	if (err != EPIPE)
		log_error("standard output: %s", strerror(err ? err : EIO));
	return err == EPIPE ? 0 : 1;
}

int options__parse(int argc, char **argv, struct options *ret)
{
	struct parser p = {
		.o = {.interval_s = INTERVAL_DEFAULT_S,
		      .older_ms = 500,
		      .max_size = UINT64_MAX,
		      .sample_rate = 1,
		      .max_blocks = MI,
		      .max_stacks = 64 * KI,
		      .max_unwind_memory = 256 * MI,
		      .stack_depth = DEFAULT_DEPTH,
		      .leak_kinds =
			      1U << PROFILE_VERDICT_DEFINITE | 1U << PROFILE_VERDICT_POSSIBLE},
		.follow = -1,
		.diagnose = -1,
		.status = 2,
	};
	int err, end = 1;

	for (p.o.mode = OPTIONS_DIFF; p.o.mode != OPTIONS_TRACE; p.o.mode--)
		if (argc > 1 && strcmp(argv[1], modes[p.o.mode]) == 0)
			break;
	if (p.o.mode != OPTIONS_TRACE) {
		argc--;
		argv++;
	}
	/* getopt would move the command's words about, and take its options for ours. */
	while (end < argc && (p.o.mode != OPTIONS_TRACE || strcmp(argv[end], "--") != 0))
		end++;
	err = parse_words(&p, end < argc ? end : argc, argv);
	if (!err && end < argc)
		err = set_command_words(&p, argv + end + 1);
	if (!err)
		err = check(&p);
	if (p.o.show_reachable_path)
		p.o.leak_kinds |= 1U << PROFILE_VERDICT_REACHABLE;
	hash__release(&p.pids_seen);
	if (!err) {
		*ret = p.o;
		return -1;
	}
	options__release(&p.o);
	if (p.done)
		return finish_output();
	if (p.status == 2)
		fputs("Try '" PROGRAM " --help' for more information.\n", stderr);
	return p.status;
}

void options__release(struct options *o)
{
	free(o->pids);
	free(o->command);
	pairs__release(&o->pairs);
	free(o->writes);
	free(o->suppressions);
	*o = (struct options){0};
}

const char *options__name(size_t index)
{
	const struct row *r;

	for (r = rows; r < rows + ARRAY_SIZE(rows); r++)
		if (r->name && !r->hidden && !index--)
			return r->name;
	return NULL;
}
