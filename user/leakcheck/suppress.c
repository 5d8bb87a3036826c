// SPDX-License-Identifier: GPL-2.0-or-later
#include "leakcheck/suppress.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/log.h"
#include "util/vector.h"

enum frame_kind { FRAME_FUNCTION, FRAME_OBJECT, FRAME_SOURCE, FRAME_ANY };

/* A line of an entry. */
struct pattern {
	enum frame_kind kind;
	char *text; /* NULL for FRAME_ANY */
};

typedef VECTOR(struct pattern) pattern_list;

struct suppression {
	bool of_frees;	/* Memcheck:Free: of wrong frees; otherwise of losses */
	uint32_t kinds; /* of losses: a bit for each enum profile_verdict */
	pattern_list patterns;
};

struct suppressions {
	suppress_demangle_fn *demangle;
	VECTOR(struct suppression) list;
};

#define ALL_KINDS                                                                                  \
	(1U << PROFILE_VERDICT_DEFINITE | 1U << PROFILE_VERDICT_INDIRECT |                         \
	 1U << PROFILE_VERDICT_POSSIBLE | 1U << PROFILE_VERDICT_REACHABLE)

int suppressions__create(suppress_demangle_fn *demangle, struct suppressions **ret)
{
	struct suppressions *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->demangle = demangle;
	*ret = s;
	return 0;
}

static void release_suppression(struct suppression *s)
{
	size_t i;

	for (i = 0; i < s->patterns.count; i++)
		free(s->patterns.items[i].text);
	vector_release(&s->patterns);
}

void suppressions__destroy(struct suppressions *s)
{
	size_t i;

	if (!s)
		return;
	for (i = 0; i < s->list.count; i++)
		release_suppression(&s->list.items[i]);
	vector_release(&s->list);
	free(s);
}

/* --- files --- */

struct reader {
	FILE *file;
	const char *path;
	unsigned int number; /* of the line */
	char *line;
	size_t size;
};

static void release_reader(struct reader *r)
{
	free(r->line);
	cleanup_fclose(&r->file);
}

/* The next line that is neither empty nor a comment, without blanks around it; NULL at the end. */
static char *next_line(struct reader *r)
{
	while (getline(&r->line, &r->size, r->file) > 0) {
		char *text = r->line + strspn(r->line, " \t\r\n");
		size_t n = strlen(text);

		r->number++;
		while (n && isspace((unsigned char)text[n - 1]))
			text[--n] = 0;
		if (n && text[0] != '#')
			return text;
	}
	return NULL;
}

static int wrong(const struct reader *r, const char *what)
{
	log_error("%s:%u: %s", r->path, r->number, what);
	return -EINVAL;
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
			kind = ALL_KINDS;
		if (!kind && !(n == 4 && strncmp(text, "none", n) == 0))
			return -EINVAL;
		*ret |= kind;
		text += n;
		text += strspn(text, ", \t");
	}
	return 0;
}

static int add_pattern(const struct suppressions *s, struct suppression *entry, const char *text)
{
	static const struct {
		const char *prefix;
		enum frame_kind kind;
	} kinds[] = {{"fun:", FRAME_FUNCTION}, {"obj:", FRAME_OBJECT}, {"src:", FRAME_SOURCE}};
	struct pattern p = {.kind = FRAME_ANY};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (strncmp(text, kinds[i].prefix, 4) != 0)
			continue;
		p.kind = kinds[i].kind;
		text += 4;
		if (p.kind == FRAME_FUNCTION && strncmp(text, "_Z", 2) == 0 && !strpbrk(text, "*?"))
			p.text = s->demangle(text, strlen(text));
		else
			p.text = strdup(text);
		if (!p.text)
			return -ENOMEM;
		break;
	}
	if (p.kind == FRAME_ANY && strcmp(text, "...") != 0)
		return -EINVAL;
	if (vector_push(&entry->patterns, p)) {
		free(p.text);
		return -ENOMEM;
	}
	return 0;
}

/* The lines of an entry behind its kind, up to "}". */
static int read_frames(const struct suppressions *s, struct reader *r, struct suppression *entry)
{
	static const char kinds[] = "match-leak-kinds:";
	char *text;
	int err;

	for (;;) {
		text = next_line(r);
		if (!text)
			return wrong(r, "an entry has no end ('}')");
		if (strcmp(text, "}") == 0)
			break;
		if (strncmp(text, kinds, strlen(kinds)) == 0) {
			if (parse_kinds(text + strlen(kinds), &entry->kinds))
				return wrong(r, "unknown leak kind");
			continue;
		}
		err = add_pattern(s, entry, text);
		if (err == -EINVAL)
			return wrong(r, "neither fun:, obj:, src: nor ...");
		if (err)
			return err;
	}
	return entry->patterns.count ? 0 : wrong(r, "an entry without frames");
}

static int read_entry(struct suppressions *s, struct reader *r)
{
	CLEANUP(release_suppression) struct suppression entry = {.kinds = ALL_KINDS};
	char *text = next_line(r); /* its name: any */
	int err;

	text = text ? next_line(r) : NULL;
	if (!text || !strchr(text, ':'))
		return wrong(r, "expected TOOL:KIND, such as Memcheck:Leak");
	entry.of_frees = is_kind(text, ":Free");
	if (!entry.of_frees && !is_kind(text, ":Leak")) {
		while ((text = next_line(r)))
			if (strcmp(text, "}") == 0)
				return 0;
		return wrong(r, "an entry has no end ('}')");
	}
	err = read_frames(s, r, &entry);
	if (!err)
		err = vector_push(&s->list, entry);
	if (!err)
		entry = (struct suppression){0};
	return err;
}

int suppressions__load(struct suppressions *s, const char *path)
{
	CLEANUP(release_reader) struct reader r = {.path = path, .file = fopen(path, "re")};
	char *text;
	int err = 0;

	if (!r.file) {
		err = -errno;
		log_error("cannot read suppressions from '%s': %s", path, strerror(-err));
		return err;
	}
	while (!err && (text = next_line(&r))) {
		if (strcmp(text, "{") != 0)
			return wrong(&r, "expected '{'");
		err = read_entry(s, &r);
	}
	return err;
}

/* --- matching --- */

bool suppressions__glob(const char *pattern, const char *text)
{
	const char *star = NULL, *behind = NULL;

	while (*text) {
		if (*pattern == '*') {
			star = pattern++;
			behind = text;
		} else if (*pattern == '?' || *pattern == *text) {
			pattern++;
			text++;
		} else if (star) {
			/* The last star takes one character more. */
			pattern = star + 1;
			text = ++behind;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}

/* A frame as patterns see it. */
struct frame {
	const char *const *functions; /* its names: any of them; NULL at the end */
	const char *object, *source;
};

/* What Valgrind's own replacement of an allocator is in. */
#define VALGRIND_OBJECT "/usr/libexec/valgrind/vgpreload_memcheck-amd64-linux.so"

/* The allocator's frame, which the stack leaves out. */
static struct frame allocator_frame(const char *family)
{
	static const char *const mallocs[] = {"malloc",	  "calloc",	    "realloc",
					      "memalign", "posix_memalign", "aligned_alloc",
					      "valloc",	  "reallocarray",   NULL};
	static const char *const news[] = {
		"operator new(unsigned long)",
		"operator new(unsigned long, std::nothrow_t const&)",
		"operator new(unsigned long, std::align_val_t)",
		"operator new(unsigned long, std::align_val_t, std::nothrow_t const&)",
		"_Znwm",
		NULL};
	static const char *const arrays[] = {
		"operator new[](unsigned long)",
		"operator new[](unsigned long, std::nothrow_t const&)",
		"operator new[](unsigned long, std::align_val_t)",
		"operator new[](unsigned long, std::align_val_t, std::nothrow_t const&)",
		"_Znam",
		NULL};
	static const char *const frees[] = {"free", "cfree", NULL};
	static const char *const reallocs[] = {"realloc", "reallocarray", NULL};
	static const char *const deletes[] = {"operator delete(void*)",
					      "operator delete(void*, unsigned long)",
					      "operator delete(void*, std::align_val_t)",
					      "_ZdlPv",
					      "_ZdlPvm",
					      NULL};
	static const char *const array_deletes[] = {"operator delete[](void*)",
						    "operator delete[](void*, unsigned long)",
						    "operator delete[](void*, std::align_val_t)",
						    "_ZdaPv",
						    "_ZdaPvm",
						    NULL};
	static const struct {
		const char *family;
		const char *const *functions;
	} families[] = {
		{"new", news},	       {"new[]", arrays},   {"free", frees},
		{"realloc", reallocs}, {"delete", deletes}, {"delete[]", array_deletes},
	};
	struct frame f = {.functions = mallocs, .object = VALGRIND_OBJECT, .source = ""};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(families); i++)
		if (strcmp(family, families[i].family) == 0)
			f.functions = families[i].functions;
	return f;
}

static bool matches(const struct pattern *p, const struct frame *f)
{
	size_t i;

	if (p->kind == FRAME_OBJECT)
		return suppressions__glob(p->text, f->object);
	if (p->kind == FRAME_SOURCE)
		return suppressions__glob(p->text, f->source);
	for (i = 0; f->functions[i]; i++)
		if (suppressions__glob(p->text, f->functions[i]))
			return true;
	return false;
}

#define MAX_FRAMES 1024

/* One line of a location: a function that was called, or inlined. */
struct call {
	const struct profile_location *location;
	const struct profile_line *line;
};

struct calls {
	const struct profile *p;
	const char *family;
	struct call list[MAX_FRAMES];
	size_t nr; /* with the allocator, which is the first */
};

static void list_calls(const struct profile *p, uint32_t stack, const char *family,
		       struct calls *ret)
{
	static const struct profile_line nameless = {0};
	const struct profile_stack *s = &p->stacks.items[stack];
	uint32_t i, k;

	ret->p = p;
	ret->family = family;
	ret->nr = 1;
	for (i = 0; i < s->count; i++) {
		const struct profile_location *l =
			&p->locations.items[p->frames.items[s->first + i]];

		for (k = 0; (!k || k < l->nr_lines) && ret->nr < MAX_FRAMES; k++)
			ret->list[ret->nr++] =
				(struct call){l, l->nr_lines ? &l->lines[k] : &nameless};
	}
}

static bool call_matches(const struct calls *c, size_t i, const struct pattern *p)
{
	const struct call *call = &c->list[i];
	const char *names[] = {NULL, NULL, NULL};
	char plain[256];
	struct frame f;
	size_t n;

	if (!i) {
		f = allocator_frame(c->family);
		return matches(p, &f);
	}
	names[0] = call->line->symbol ? call->line->symbol : "";
	/* C functions have no arguments in their names; C++ ones are known without, too. */
	n = strcspn(names[0], "(");
	if (names[0][n] && n < sizeof(plain)) {
		memcpy(plain, names[0], n);
		plain[n] = 0;
		names[1] = plain;
	}
	f = (struct frame){
		.functions = names,
		.object = c->p->modules.items[call->location->module].path,
		.source = call->line->file ? call->line->file : "",
	};
	return matches(p, &f);
}

/* Whether the patterns match the stack from its first frame on; what is left of it is free. */
static bool stack_matches(const struct suppression *s, const struct calls *c)
{
	size_t pattern = 0, frame = 0, any = SIZE_MAX, behind = 0;

	while (pattern < s->patterns.count) {
		const struct pattern *p = &s->patterns.items[pattern];

		if (p->kind == FRAME_ANY) {
			any = pattern++;
			behind = frame;
		} else if (frame < c->nr && call_matches(c, frame, p)) {
			pattern++;
			frame++;
		} else if (frame < c->nr && any != SIZE_MAX) {
			pattern = any + 1;
			frame = ++behind;
		} else {
			return false;
		}
	}
	return true;
}

static void suppress(struct profile *p, struct profile_entry *e)
{
	struct profile_process *process = &p->processes.items[e->process];

	e->suppressed = true;
	process->leaks[e->verdict].blocks -= e->sum.blocks;
	process->leaks[e->verdict].bytes -= e->sum.bytes;
	process->suppressed.blocks += e->sum.blocks;
	process->suppressed.bytes += e->sum.bytes;
}

void suppressions__apply(const struct suppressions *s, struct profile *p)
{
	struct calls calls;
	size_t i, k;

	for (i = 0; i < p->entries.count; i++) {
		struct profile_entry *e = &p->entries.items[i];

		if (e->verdict == PROFILE_VERDICT_NONE)
			continue;
		list_calls(p, e->stack, e->family, &calls);
		for (k = 0; k < s->list.count && !e->suppressed; k++)
			if (!s->list.items[k].of_frees &&
			    s->list.items[k].kinds >> e->verdict & 1 &&
			    stack_matches(&s->list.items[k], &calls))
				suppress(p, e);
	}
	for (i = 0; i < p->wrong_frees.count; i++) {
		struct profile_wrong_free *f = &p->wrong_frees.items[i];

		list_calls(p, f->free_stack, f->free_family, &calls);
		for (k = 0; k < s->list.count && !f->suppressed; k++)
			f->suppressed = s->list.items[k].of_frees &&
					stack_matches(&s->list.items[k], &calls);
	}
}
