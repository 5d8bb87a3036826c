/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_OPTIONS_PRIVATE_H
#define MEMLEAK_OPTIONS_PRIVATE_H

/*
 * The command line as its files share it: options_table.c says which options there are,
 * options_values.c what their values mean, options.c takes the line apart and judges it as a whole.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "options.h"
#include "util/hash.h"

#define OPTIONS_PROGRAM "memleak-bpf"

#define KI		(UINT64_C(1) << 10)
#define MI		(UINT64_C(1) << 20)

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

struct row;

/* Take @value for the option of @row; 0, or an errno value with the reason said. */
typedef int row_setter(struct parser *p, const struct row *row, const char *value);

struct row {
	const char *name; /* of the long option; NULL: a heading */
	int key;	  /* the short option; above CHAR_MAX: there is none */
	const char *arg;
	const char *help; /* one line */
	row_setter *set;
	size_t field; /* offset in struct options */
	const struct range *range;
	const struct choice *choices; /* ends with a NULL name */
	int value;		      /* what a flag sets */
	bool hidden;		      /* for tests, or another spelling */
	bool saved;		      /* for report and diff too */
};

/* --- options_table.c --- */

/* In the order of the help. */
extern const struct row option_rows[];
extern const size_t nr_option_rows;

/* From 1 on. */
extern const struct range option_range_positive;

/* --- options_values.c --- */

row_setter parser__set_u64, parser__set_u32, parser__set_interval, parser__set_string,
	parser__set_flag, parser__set_follow, parser__set_diagnose, parser__set_verbosity,
	parser__set_choice, parser__set_leak_kinds, parser__set_write, parser__set_regex,
	parser__set_suppressions;

/* Those of the target and its functions. */
row_setter parser__set_pids, parser__set_all, parser__set_cgroup, parser__set_command,
	parser__set_function, parser__set_resources;

/* The words after `--`. 0, or an errno value with the reason said. */
int parser__set_command_words(struct parser *p, char **words);

/* What the words INTERVAL and COUNT say, called @option in a message; the same. */
int parser__set_interval_of(struct parser *p, const char *option, const char *value);
int parser__read_number(const char *option, const char *value, const struct range *range,
			uint64_t *ret);

/* Text of the command line as it may be shown in a message: one line, and not too long a one. */
const char *option_shown(char buf[static 80], const char *text);

int parser__out_of_memory(struct parser *p);

#endif
