// SPDX-License-Identifier: GPL-2.0-or-later
#include "options_private.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profile/filter.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/number.h"
#include "util/words.h"

#define PID_LIMIT	 4194304 /* the kernel's PID_MAX_LIMIT */
#define INTERVAL_LIMIT_S 1000000000

/* Text of the command line as it may be shown in a message: one line, and not too long a one. */
const char *option_shown(char buf[static 80], const char *text)
{
	size_t i;

	for (i = 0; text[i] && i < 72; i++)
		buf[i] = (unsigned char)text[i] < ' ' || text[i] == 0x7f ? '?' : text[i];
	strcpy(buf + i, text[i] ? "..." : "");
	return buf;
}

int parser__out_of_memory(struct parser *p)
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
	log_error("%s: '%s' %s", option, option_shown(text, value), reason);
	return EINVAL;
}

/* The option of @row as a person types it. */
static const char *row_name(const struct row *row, char buf[static 32])
{
	snprintf(buf, 32, "--%s", row->name);
	return buf;
}

/* Numbers */

int parser__read_number(const char *option, const char *value, const struct range *range,
			uint64_t *ret)
{
	uint64_t n;
	enum number_fault fault = number__whole(value, range->suffixes, &n);

	if (fault == NUMBER_MALFORMED)
		return wrong_value(option, value, "is not a whole number%s",
				   range->suffixes ? " (like 4096, 64K or 1M)" : "");
	if (fault == NUMBER_NEGATIVE)
		return wrong_value(option, value, "is negative");
	if (fault == NUMBER_HUGE || n < range->min || n > range->max)
		return wrong_value(option, value, "is out of range (%llu to %llu)",
				   (unsigned long long)range->min, (unsigned long long)range->max);
	*ret = n;
	return 0;
}

static int read_number_of(const struct row *row, const char *value, uint64_t *ret)
{
	char option[32];

	return parser__read_number(row_name(row, option), value, row->range, ret);
}

int parser__set_u64(struct parser *p, const struct row *row, const char *value)
{
	return read_number_of(row, value, (uint64_t *)((char *)&p->o + row->field));
}

int parser__set_u32(struct parser *p, const struct row *row, const char *value)
{
	uint64_t n;
	int err = read_number_of(row, value, &n);

	if (!err)
		*(uint32_t *)((char *)&p->o + row->field) = n;
	return err;
}

int parser__set_interval_of(struct parser *p, const char *option, const char *value)
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

int parser__set_interval(struct parser *p, const struct row *row, const char *value)
{
	char option[32];

	return parser__set_interval_of(p, row_name(row, option), value);
}

/* Everything that is no number */

int parser__set_string(struct parser *p, const struct row *row, const char *value)
{
	char option[32];

	if (!*value)
		return wrong_value(row_name(row, option), value, "is empty");
	*(const char **)((char *)&p->o + row->field) = value;
	return 0;
}

int parser__set_flag(struct parser *p, const struct row *row, const char *value)
{
	(void)value;
	*(bool *)((char *)&p->o + row->field) = true;
	return 0;
}

int parser__set_follow(struct parser *p, const struct row *row, const char *value)
{
	(void)value;
	p->follow = row->value;
	return 0;
}

int parser__set_diagnose(struct parser *p, const struct row *row, const char *value)
{
	(void)value;
	p->diagnose = row->value;
	return 0;
}

int parser__set_verbosity(struct parser *p, const struct row *row, const char *value)
{
	int *v = &p->o.verbosity;

	(void)value;
	if (row->value < 0)
		*v = -1;
	else if (*v < 2)
		*v = *v < 0 ? 1 : *v + 1;
	return 0;
}

int parser__set_choice(struct parser *p, const struct row *row, const char *value)
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

int parser__set_leak_kinds(struct parser *p, const struct row *row, const char *value)
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
		return parser__out_of_memory(p);
	p->o.writes = grown;
	p->o.writes[p->o.nr_writes++] = (struct options_write){.path = path, .file = file};
	return 0;
}

int parser__set_write(struct parser *p, const struct row *row, const char *value)
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

int parser__set_regex(struct parser *p, const struct row *row, const char *value)
{
	char option[32], why[100];
	int err = parser__set_string(p, row, value);

	if (err)
		return err;
	switch (filter__check(value, why, sizeof(why))) {
	case 0:
		return 0;
	case -ENOMEM:
		return parser__out_of_memory(p);
	default:
		return wrong_value(row_name(row, option), value, "is not a regular expression: %s",
				   why);
	}
}

int parser__set_suppressions(struct parser *p, const struct row *row, const char *value)
{
	const char **grown =
		reallocarray(p->o.suppressions, p->o.nr_suppressions + 1, sizeof(*grown));

	(void)row;
	if (!grown)
		return parser__out_of_memory(p);
	p->o.suppressions = grown;
	p->o.suppressions[p->o.nr_suppressions++] = value;
	return 0;
}

/* Targets */

static int add_pid(struct parser *p, const char *text)
{
	static const struct range range = {1, PID_LIMIT, false};
	uint64_t pid = 0;
	pid_t *grown;
	int err = parser__read_number("--pid", text, &range, &pid);

	if (err)
		return err;
	if (hash__get(&p->pids_seen, pid, 0) != HASH_NONE)
		return 0;
	if ((p->o.nr_pids & (p->o.nr_pids - 1)) == 0) {
		grown = reallocarray(p->o.pids, p->o.nr_pids ? p->o.nr_pids * 2 : 1,
				     sizeof(*grown));
		if (!grown)
			return parser__out_of_memory(p);
		p->o.pids = grown;
	}
	if (hash__set(&p->pids_seen, pid, 0, p->o.nr_pids))
		return parser__out_of_memory(p);
	p->o.pids[p->o.nr_pids++] = pid;
	return 0;
}

int parser__set_pids(struct parser *p, const struct row *row, const char *value)
{
	CLEANUP_FREE char *list = strdup(value);
	char *rest = list;
	char *item;
	int err = 0;

	(void)row;
	if (!list)
		return parser__out_of_memory(p);
	p->given[OPTIONS_TARGET_PIDS] = "--pid";
	while (!err && (item = strsep(&rest, ",")))
		err = *item ? add_pid(p, item)
			    : wrong_value("--pid", value, "has an empty place where a PID belongs");
	return err;
}

int parser__set_all(struct parser *p, const struct row *row, const char *value)
{
	(void)row;
	(void)value;
	p->given[OPTIONS_TARGET_ALL] = "--all";
	return 0;
}

int parser__set_cgroup(struct parser *p, const struct row *row, const char *value)
{
	p->given[OPTIONS_TARGET_CGROUP] = "--cgroup";
	return parser__set_string(p, row, value);
}

int parser__set_command(struct parser *p, const struct row *row, const char *value)
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
		return parser__out_of_memory(p);
	p->given[OPTIONS_TARGET_COMMAND] = "--command";
	return 0;
}

/* The words after `--`. */
int parser__set_command_words(struct parser *p, char **words)
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
		return parser__out_of_memory(p);
	memcpy(p->o.command, words, (n + 1) * sizeof(*words));
	p->given[OPTIONS_TARGET_COMMAND] = "a command after '--'";
	return 0;
}

/* --alloc-fn and --free-fn: @row's value tells them apart. */
int parser__set_function(struct parser *p, const struct row *row, const char *value)
{
	char option[32];
	const char *why;
	int err = pairs__add(&p->o.pairs, value, row->value, &why);

	if (err == -EINVAL)
		return wrong_value(row_name(row, option), value, "%s", why);
	return err ? parser__out_of_memory(p) : 0;
}

int parser__set_resources(struct parser *p, const struct row *row, const char *value)
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
	return err ? parser__out_of_memory(p) : 0;
}
