// SPDX-License-Identifier: GPL-2.0-or-later
#include "options_private.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/log.h"

#define DEFAULT_DEPTH	   127
#define DEFAULT_TOP	   10
#define INTERVAL_DEFAULT_S 5

/* The word that comes first for what is no tracing. */
static const char *const modes[] = {
	[OPTIONS_TRACE] = NULL,
	[OPTIONS_REPORT] = "report",
	[OPTIONS_DIFF] = "diff",
};

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
		log_error("too many arguments: '%s'", option_shown(text, value));
		return EINVAL;
	}
	switch (p->nr_arguments++) {
	case 0:
		return parser__set_interval_of(p, "INTERVAL", value);
	case 1:
		err = parser__read_number("COUNT", value, &option_range_positive, &count);
		if (!err)
			p->o.count = count;
		return err;
	default:
		log_error("too many arguments: '%s' (a command to run goes after '--')",
			  option_shown(text, value));
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
	for (r = option_rows; r < option_rows + nr_option_rows; r++) {
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
	CLEANUP_FREE struct argp_option *options = calloc(nr_option_rows + 1, sizeof(*options));
	CLEANUP_FREE char **words = calloc((size_t)argc + 2, sizeof(*words));
	struct argp argp = {.options = options, .parser = parse_one};
	char program[] = OPTIONS_PROGRAM;
	size_t i, n = 0;
	int err;

	if (!options || !words)
		return parser__out_of_memory(p);
	for (i = 0; i < nr_option_rows; i++)
		if (option_rows[i].name)
			options[n++] = (struct argp_option){.name = option_rows[i].name,
							    .key = option_rows[i].key,
							    .arg = option_rows[i].arg};
	words[0] = program;
	for (i = 1; (int)i < argc; i++)
		words[i] = argv[i];
	err = argp_parse(&argp, argc > 0 ? argc : 1, words, ARGP_NO_EXIT | ARGP_NO_HELP, NULL, p);
	/* argp says nothing of its own memory. */
	return err == ENOMEM && p->status != 1 ? parser__out_of_memory(p) : err;
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

static int check_output(const struct options *o)
{
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
	return 0;
}

/* One kind of target, no less and no more. */
static int check_target(struct parser *p)
{
	int kind, first = -1;

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
	p->o.target = first;
	return 0;
}

/* What is to be followed of it. */
static int check_followed(const struct options *o)
{
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
	return 0;
}

/* What only a command can be asked for; @target is what was given. */
static int check_command(const struct options *o, const char *target)
{
	bool is_command = o->target == OPTIONS_TARGET_COMMAND;

	if (o->user && !is_command) {
		log_error("--user is for a command that is run, not for %s", target);
		return EINVAL;
	}
	if (o->preload && !is_command) {
		log_error("--preload is for a command that is run, not for %s: what runs already "
			  "can have been started with LD_PRELOAD=libmemleak.so",
			  target);
		return EINVAL;
	}
	if (o->preload && o->no_sites) {
		log_error("--preload is of no use with --no-sites");
		return EINVAL;
	}
	return 0;
}

static int check(struct parser *p)
{
	struct options *o = &p->o;
	bool is_command;
	int err;

	if (!o->top)
		o->top = o->format == OPTIONS_FORMAT_FOLDED ? UINT64_MAX : DEFAULT_TOP;
	if (o->mode != OPTIONS_TRACE)
		return check_saved(p);
	err = check_output(o);
	if (!err)
		err = check_target(p);
	if (!err)
		err = check_followed(o);
	if (!err)
		err = check_command(o, p->given[o->target]);
	if (err)
		return err;
	is_command = o->target == OPTIONS_TARGET_COMMAND;
	/* Traps in a program's own operators cost many times what samples drawn in it do. */
	o->families = is_command && !(o->preload && o->sample_bytes);
	o->diagnose = p->diagnose < 0 ? o->families : p->diagnose;
	o->follow = p->follow < 0 ? is_command : p->follow;
	if (o->leak_check == OPTIONS_LEAK_CHECK_UNSAID)
		o->leak_check = is_command ? OPTIONS_LEAK_CHECK_FINAL : OPTIONS_LEAK_CHECK_NO;
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
		err = parser__set_command_words(&p, argv + end + 1);
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
		fputs("Try '" OPTIONS_PROGRAM " --help' for more information.\n", stderr);
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
