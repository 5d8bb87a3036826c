// SPDX-License-Identifier: GPL-2.0-or-later
#include "leakcheck/suppress_text.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "leakcheck/suppress_list.h"
#include "util/cleanup.h"

struct reader {
	char *rest, *end;    /* what is still to be read; a NUL stands at its end */
	unsigned int number; /* of the line */
	suppress_demangle_fn *demangle;
	enum suppress_fault fault;
};

/* The next line that is neither empty nor a comment, without blanks around it; NULL at the end. */
static char *next_line(struct reader *r)
{
	while (r->rest < r->end) {
		char *text = r->rest, *newline = memchr(text, '\n', r->end - text);
		size_t n;

		r->rest = newline ? newline + 1 : r->end;
		if (newline)
			*newline = 0;
		r->number++;
		text += strspn(text, " \t\r");
		n = strlen(text);
		while (n && isspace((unsigned char)text[n - 1]))
			text[--n] = 0;
		if (n && text[0] != '#')
			return text;
	}
	return NULL;
}

static int wrong(struct reader *r, enum suppress_fault fault)
{
	r->fault = fault;
	return -EINVAL;
}

const char *suppress_text__describe(enum suppress_fault fault)
{
	static const char *const texts[SUPPRESS_FAULTS] = {
		[SUPPRESS_FAULT_NONE] = "nothing is wrong",
		[SUPPRESS_FAULT_BRACE] = "expected '{'",
		[SUPPRESS_FAULT_TOOL] = "expected TOOL:KIND, such as Memcheck:Leak",
		[SUPPRESS_FAULT_KIND] = "unknown leak kind",
		[SUPPRESS_FAULT_FRAME] = "neither fun:, obj:, src: nor ...",
		[SUPPRESS_FAULT_NO_FRAMES] = "an entry without frames",
		[SUPPRESS_FAULT_END] = "an entry has no end ('}')",
	};

	return texts[fault];
}

/* Whether @text is "Memcheck,Other:Leak", with ":Leak" as @kind. */
static bool is_kind(const char *text, const char *kind)
{
	size_t n = strcspn(text, ":");
	const char *tool = text;

	if (strcmp(text + n, kind) != 0)
		return false;
	while (tool < text + n) {
		size_t length = strcspn(tool, ",:");

		if (length == 8 && strncmp(tool, "Memcheck", 8) == 0)
			return true;
		tool += length + 1;
	}
	return false;
}

/* "definite,possible", "all", "none". */
static int parse_kinds(const char *text, uint32_t *ret)
{
	text += strspn(text, " \t");
	*ret = 0;
	while (*text) {
		size_t n = strcspn(text, ", \t");
		enum profile_verdict v;
		uint32_t kind = 0;

		for (v = PROFILE_VERDICT_DEFINITE; v < PROFILE_VERDICTS; v++)
			if (strlen(profile__verdict_name(v)) == n &&
			    strncmp(profile__verdict_name(v), text, n) == 0)
				kind = 1U << v;
		if (n == 3 && strncmp(text, "all", n) == 0)
			kind = SUPPRESS_ALL_KINDS;
		if (!kind && !(n == 4 && strncmp(text, "none", n) == 0))
			return -EINVAL;
		*ret |= kind;
		text += n;
		text += strspn(text, ", \t");
	}
	return 0;
}

static int add_pattern(const struct reader *r, struct suppression *entry, const char *text)
{
	static const struct {
		const char *prefix;
		enum suppress_frame kind;
	} kinds[] = {
		{"fun:", SUPPRESS_FUNCTION}, {"obj:", SUPPRESS_OBJECT}, {"src:", SUPPRESS_SOURCE}};
	struct suppress_pattern p = {.kind = SUPPRESS_ANY};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (strncmp(text, kinds[i].prefix, 4) != 0)
			continue;
		p.kind = kinds[i].kind;
		text += 4;
		if (p.kind == SUPPRESS_FUNCTION && strncmp(text, "_Z", 2) == 0 &&
		    !strpbrk(text, "*?"))
			p.text = r->demangle(text, strlen(text));
		else
			p.text = strdup(text);
		if (!p.text)
			return -ENOMEM;
		break;
	}
	if (p.kind == SUPPRESS_ANY && strcmp(text, "...") != 0)
		return -EINVAL;
	if (vector_push(&entry->patterns, p)) {
		free(p.text);
		return -ENOMEM;
	}
	return 0;
}

/* The lines of an entry behind its kind, up to "}". */
static int read_frames(struct reader *r, struct suppression *entry)
{
	static const char kinds[] = "match-leak-kinds:";
	char *text;
	int err;

	for (;;) {
		text = next_line(r);
		if (!text)
			return wrong(r, SUPPRESS_FAULT_END);
		if (strcmp(text, "}") == 0)
			break;
		if (strncmp(text, kinds, strlen(kinds)) == 0) {
			if (parse_kinds(text + strlen(kinds), &entry->kinds))
				return wrong(r, SUPPRESS_FAULT_KIND);
			continue;
		}
		err = add_pattern(r, entry, text);
		if (err == -EINVAL)
			return wrong(r, SUPPRESS_FAULT_FRAME);
		if (err)
			return err;
	}
	return entry->patterns.count ? 0 : wrong(r, SUPPRESS_FAULT_NO_FRAMES);
}

static int read_entry(struct suppressions *s, struct reader *r)
{
	CLEANUP(suppression__release) struct suppression entry = {.kinds = SUPPRESS_ALL_KINDS};
	char *text = next_line(r); /* its name: any */
	int err;

	text = text ? next_line(r) : NULL;
	if (!text || !strchr(text, ':'))
		return wrong(r, SUPPRESS_FAULT_TOOL);
	entry.of_frees = is_kind(text, ":Free");
	if (!entry.of_frees && !is_kind(text, ":Leak")) {
		while ((text = next_line(r)))
			if (strcmp(text, "}") == 0)
				return 0;
		return wrong(r, SUPPRESS_FAULT_END);
	}
	err = read_frames(r, &entry);
	if (!err)
		err = vector_push(&s->list, entry);
	if (!err)
		entry = (struct suppression){0};
	return err;
}

int suppress_text__parse(const char *text, size_t size, suppress_demangle_fn *demangle,
			 struct suppressions *s, enum suppress_fault *fault, unsigned int *line)
{
	CLEANUP_FREE char *copy = malloc(size + 1);
	struct reader r = {.rest = copy, .demangle = demangle};
	char *first;
	int err = copy ? 0 : -ENOMEM;

	if (copy) {
		r.end = mempcpy(copy, text, size);
		*r.end = 0;
	}
	while (!err && (first = next_line(&r)))
		err = strcmp(first, "{") == 0 ? read_entry(s, &r) : wrong(&r, SUPPRESS_FAULT_BRACE);
	*fault = r.fault;
	*line = r.number;
	return err;
}
