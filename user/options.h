/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_OPTIONS_H
#define MEMLEAK_OPTIONS_H

/* The command line as plain data. What an option means is said in options_table.c. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "pairs.h"
#include "profile/profile.h"

/* Which processes. */
enum options_target {
	OPTIONS_TARGET_PIDS,	/* -p */
	OPTIONS_TARGET_COMMAND, /* -c and -- */
	OPTIONS_TARGET_CGROUP,	/* --cgroup */
	OPTIONS_TARGET_ALL,	/* -A */
};

/* What to do: trace, or show saved profiles. */
enum options_mode { OPTIONS_TRACE, OPTIONS_REPORT, OPTIONS_DIFF };

enum options_format { OPTIONS_FORMAT_TEXT, OPTIONS_FORMAT_JSON, OPTIONS_FORMAT_FOLDED };

/* A file of -w; the name's ending says what it is. */
enum options_file {
	OPTIONS_FILE_PPROF,
	OPTIONS_FILE_JSON,
	OPTIONS_FILE_FOLDED,
	OPTIONS_FILE_SVG,
	OPTIONS_FILE_HTML,
};

struct options_write {
	const char *path;
	enum options_file file;
};

enum options_color { OPTIONS_COLOR_AUTO, OPTIONS_COLOR_ALWAYS, OPTIONS_COLOR_NEVER };

/* How uprobes are linked; AUTO takes the best the kernel has. */
enum options_link {
	OPTIONS_LINK_AUTO,
	OPTIONS_LINK_SESSION,
	OPTIONS_LINK_MULTI,
	OPTIONS_LINK_PERF,
};

/* When blocks are classified; UNSAID only while parsing. */
enum options_leak_check {
	OPTIONS_LEAK_CHECK_UNSAID,
	OPTIONS_LEAK_CHECK_NO,
	OPTIONS_LEAK_CHECK_FINAL,
	OPTIONS_LEAK_CHECK_EACH,
};

#define OPTIONS_LEAK_KINDS_ALL                                                                     \
	(1U << PROFILE_VERDICT_DEFINITE | 1U << PROFILE_VERDICT_INDIRECT |                         \
	 1U << PROFILE_VERDICT_POSSIBLE | 1U << PROFILE_VERDICT_REACHABLE)

struct options {
	enum options_mode mode;
	const char *profiles[2]; /* OPTIONS_REPORT: one; OPTIONS_DIFF: base and profile */
	enum options_target target;
	pid_t *pids; /* OPTIONS_TARGET_PIDS: nr_pids of them, each once, in the order given */
	size_t nr_pids;
	const char *cgroup; /* OPTIONS_TARGET_CGROUP: its directory, as given */
	char **command;	    /* OPTIONS_TARGET_COMMAND: argv, NULL at the end */
	bool follow;
	bool preload;  /* start the command with libmemleak.so in front of its allocator */
	bool no_sites; /* probe functions alone */
	double interval_s;
	uint64_t count; /* reports; 0: no limit */
	uint64_t top;	/* stacks per process; UINT64_MAX: all */
	uint64_t older_ms;
	uint64_t min_size, max_size; /* bytes; max UINT64_MAX: none */
	uint32_t sample_rate;	     /* follow one allocation in so many; 1: all */
	uint32_t sample_bytes;	     /* one every so many bytes; 0: not by size */
	bool show_allocs;
	bool trace;
	bool live; /* a view on the terminal between start and end */
	enum options_leak_check leak_check;
	uint32_t leak_kinds;	 /* a bit for each enum profile_verdict: shown by the text report */
	bool families;		 /* tell new[] from new */
	bool diagnose;		 /* look for wrong frees */
	uint32_t error_exitcode; /* 0: off */
	const char **suppressions; /* nr_suppressions files */
	size_t nr_suppressions;
	bool gen_suppressions;
	bool show_reachable_path;
	const char *object;	    /* -O; NULL: find them */
	const char *symbols_prefix; /* NULL: none */
	struct pairs pairs;	    /* --alloc-fn, --free-fn, --resource */
	enum profile_sort sort;
	enum options_format format;
	const char *output; /* NULL: standard output */
	struct options_write *writes;
	size_t nr_writes;
	const char *blocks_dir;	    /* NULL: no files for blocks */
	const char *focus, *ignore; /* valid regular expressions; NULL: none */
	uint32_t max_blocks, max_stacks, stack_depth;
	uint64_t max_unwind_memory; /* bytes */
	const char *user;	    /* -u; NULL: the user behind sudo, if there is one */
	bool debuginfod;	    /* ask the servers of DEBUGINFOD_URLS for debug information */
	int verbosity;		    /* -1 quiet, 0, 1 verbose, 2 debug */
	enum options_color color;
	enum options_link link; /* hidden, for tests */
};

/*
 * Parse the command line into *@ret, which then owns memory: release it with options__release.
 * Returns -1 where the program goes on; otherwise the status to exit with, everything said already:
 * 0 after --help or --version, 2 after one to five lines on standard error on wrong usage, 1
 * without memory or where the help cannot be written. Strings of @ret point into @argv.
 */
int options__parse(int argc, char **argv, struct options *ret);

void options__release(struct options *o);

/* The names of the long options that users see, in the order of the help; NULL behind the last. */
const char *options__name(size_t index);

#endif
