// SPDX-License-Identifier: GPL-2.0-or-later

/*
 * Folded stacks, as flamegraph.pl, inferno and speedscope read them: `main;parse;func 4096`. The
 * last blank separates the number; a name may hold others, but no `;` and no end of a line.
 */

#include <inttypes.h>
#include <string.h>

#include "report/format.h"
#include "report/report.h"
#include "report/stream.h"
#include "util/cleanup.h"
#include "util/utf8.h"

struct folded {
	struct stream s;
	const struct profile *p;
};

/* One part of a line: @name, made safe. */
static void print_name(struct folded *f, const char *name)
{
	CLEANUP_FREE char *clean = utf8__clean(name);
	char *c;

	if (!clean) {
		f->s.err = f->s.err ? f->s.err : -ENOMEM;
		return;
	}
	for (c = clean; *c; c++) {
		if (*c == ';')
			*c = ':';
		else if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	}
	stream__write(&f->s, clean, strlen(clean));
}

static void print_line(struct folded *f, const struct profile_location *l,
		       const struct profile_line *line)
{
	const char *path =
		l->module < f->p->modules.count ? f->p->modules.items[l->module].path : "";

	if (line && line->symbol && *line->symbol) {
		print_name(f, line->symbol);
	} else {
		print_name(f, format__basename(path));
		stream__print(&f->s, "+0x%" PRIx64, l->pc);
	}
}

/* A function and what is inlined into it. */
static void print_location(struct folded *f, const struct profile_location *l)
{
	uint32_t i;

	if (!l->nr_lines)
		print_line(f, l, NULL);
	for (i = l->nr_lines; i-- > 0;) {
		print_line(f, l, &l->lines[i]);
		if (i)
			stream__print(&f->s, ";");
	}
}

static void print_stack(struct folded *f, uint32_t index)
{
	const struct profile_stack *s =
		index < f->p->stacks.count ? &f->p->stacks.items[index] : NULL;
	uint32_t i;

	if (s && s->truncated)
		stream__print(&f->s, "[truncated];");
	else if (s && s->broken)
		stream__print(&f->s, s->count ? "[broken];" : "[broken]");
	else if (!s || !s->count)
		stream__print(&f->s, "[no stack]");
	for (i = s ? s->count : 0; i-- > 0;) {
		print_location(f, &f->p->locations.items[f->p->frames.items[s->first + i]]);
		if (i)
			stream__print(&f->s, ";");
	}
}

static bool is_shown(const struct folded *f, const struct profile_entry *e)
{
	return e->sum.bytes && strcmp(e->family, "mmap") != 0 &&
	       (!f->p->diff || (int64_t)e->sum.bytes > 0);
}

int report__folded(const struct profile *p, const struct report_options *o, FILE *out)
{
	struct folded f = {.s = {.out = out}, .p = p};
	uint32_t i;
	size_t k;

	for (k = 0; k < p->processes.count; k++) {
		const struct profile_process *process = &p->processes.items[k];

		for (i = 0; i < process->nr_entries && i < o->top && !f.s.err; i++) {
			const struct profile_entry *e = &p->entries.items[process->first_entry + i];

			if (!is_shown(&f, e))
				continue;
			print_stack(&f, e->stack);
			stream__print(&f.s, " %" PRIu64 "\n", e->sum.bytes);
		}
	}
	if (!p->final)
		stream__print(&f.s, "\n");
	return stream__finish(&f.s);
}
