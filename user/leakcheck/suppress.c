// SPDX-License-Identifier: GPL-2.0-or-later
#include "leakcheck/suppress.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "leakcheck/suppress_list.h"
#include "util/cleanup.h"

int suppressions__create(struct suppressions **ret)
{
	struct suppressions *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	*ret = s;
	return 0;
}

void suppressions__destroy(struct suppressions *s)
{
	if (!s)
		return;
	suppressions__release(s);
	free(s);
}

void suppression__release(struct suppression *s)
{
	size_t i;

	for (i = 0; i < s->patterns.count; i++)
		free(s->patterns.items[i].text);
	vector_release(&s->patterns);
}

void suppressions__release(struct suppressions *s)
{
	size_t i;

	for (i = 0; i < s->list.count; i++)
		suppression__release(&s->list.items[i]);
	vector_release(&s->list);
}

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

static bool matches(const struct suppress_pattern *p, const struct frame *f)
{
	size_t i;

	if (p->kind == SUPPRESS_OBJECT)
		return suppressions__glob(p->text, f->object);
	if (p->kind == SUPPRESS_SOURCE)
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

static bool call_matches(const struct calls *c, size_t i, const struct suppress_pattern *p)
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
		const struct suppress_pattern *p = &s->patterns.items[pattern];

		if (p->kind == SUPPRESS_ANY) {
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
