// SPDX-License-Identifier: GPL-2.0-or-later
#include "report/text_private.h"

#include <inttypes.h>
#include <string.h>

#include "report/frame.h"
#include "report/hint.h"
#include "report/path_text.h"
#include "report/remedy.h"
#include "util/cleanup.h"

/* Columns that frames are padded to, at most; what is longer pushes the rest to the right. */
#define FUNCTION_COLUMNS 56
#define SOURCE_COLUMNS	 28

/* Frames */

/* Call @visit for each frame of @stack, inlined functions before the one they are in. */
static void for_each_frame(struct text *t, const struct profile_stack *stack, void *context,
			   void (*visit)(struct text *t, const struct frame_text *f, void *context))
{
	static const struct profile_line nameless = {0};
	struct frame_text f;
	uint32_t i, l;

	for (i = 0; i < stack->count; i++) {
		const struct profile_location *location =
			&t->p->locations.items[t->p->frames.items[stack->first + i]];

		for (l = 0; !l || l < location->nr_lines; l++) {
			frame__describe(t->p, location,
					location->nr_lines ? &location->lines[l] : &nameless, &f);
			visit(t, &f, context);
		}
	}
}

struct widths {
	size_t function, source;
};

static void widen(size_t *width, size_t columns, size_t limit)
{
	if (columns > *width && columns <= limit)
		*width = columns;
}

static void measure_frame(struct text *t, const struct frame_text *f, void *context)
{
	struct widths *w = context;

	(void)t;
	widen(&w->function, f->function_columns, FUNCTION_COLUMNS);
	widen(&w->source, f->source_columns, SOURCE_COLUMNS);
}

/* Spaces from @columns to @width, and the two that separate columns. */
static int padding(size_t columns, size_t width)
{
	return (columns < width ? width - columns : 0) + 2;
}

static void print_frame(struct text *t, const struct frame_text *f, void *context)
{
	const struct widths *w = context;
	bool fits = f->function_columns <= w->function;

	stream__print(&t->s, "      %s", f->function);
	report_text__start_style(t, STYLE_FAINT);
	if (f->source[0] || (w->source && fits && f->module[0]))
		stream__print(&t->s, "%*s%s", padding(f->function_columns, w->function), "",
			      f->source);
	if (f->module[0] && w->source && fits)
		stream__print(&t->s, "%*s(%s)", padding(f->source_columns, w->source), "",
			      f->module);
	else if (f->module[0])
		stream__print(&t->s, "%*s(%s)",
			      f->source[0] ? 2 : padding(f->function_columns, w->function), "",
			      f->module);
	report_text__end_style(t, STYLE_FAINT);
	stream__print(&t->s, "\n");
}

static void print_stack(struct text *t, uint32_t index)
{
	const struct profile_stack *stack =
		index < t->p->stacks.count ? &t->p->stacks.items[index] : NULL;
	struct widths widths = {0};
	const char *end = NULL;

	if (stack && stack->count) {
		for_each_frame(t, stack, &widths, measure_frame);
		for_each_frame(t, stack, &widths, print_frame);
	}
	if (!stack || (!stack->count && !stack->broken))
		end = "no stack was recorded";
	else if (stack->truncated)
		end = "cut here, see --stack-depth";
	else if (stack->broken)
		end = "the walk ended here";
	if (end)
		print_styled(t, STYLE_FAINT, "      [%s]\n", end);
}

/* Stacks */

static void print_blocks(struct text *t, const struct profile_entry *e)
{
	char bytes[FORMAT_SIZE], age[FORMAT_SIZE];
	uint32_t i;

	for (i = 0; i < e->nr_blocks; i++) {
		const struct profile_block *b = &t->p->blocks.items[e->first_block + i];

		stream__print(&t->s, "        0x%012" PRIx64 "  %10s  %8s old\n", b->addr,
			      format__bytes(bytes, b->bytes), format__age(age, b->age_ms));
	}
}

static void print_verdict(struct text *t, const struct profile_entry *e)
{
	static const struct {
		const char *name; /* as Valgrind says it */
		enum style style;
	} verdicts[] = {
		[PROFILE_VERDICT_DEFINITE] = {"definitely lost", STYLE_ALARM},
		[PROFILE_VERDICT_INDIRECT] = {"indirectly lost", STYLE_ALARM},
		[PROFILE_VERDICT_POSSIBLE] = {"possibly lost", STYLE_WARNING},
		[PROFILE_VERDICT_REACHABLE] = {"still reachable", STYLE_PLAIN},
	};

	if (e->verdict == PROFILE_VERDICT_NONE)
		return;
	stream__print(&t->s, ", ");
	print_styled(t, verdicts[e->verdict].style, "%s%s", verdicts[e->verdict].name,
		     e->cycle ? " (cycle)" : "");
}

static const char *unit_of(const struct profile_entry *e)
{
	if (e->resource)
		return "resource";
	return strcmp(e->family, "mmap") ? "block" : "mapping";
}

static void print_remedy(struct text *t, const struct profile_entry *e)
{
	char buf[REMEDY_SIZE], line[FORMAT_NAME_SIZE];
	const char *text = remedy__text(e, buf);

	if (!text)
		return;
	format__name(line, text, FORMAT_NAME_COLUMNS);
	stream__print(&t->s, "      -> %s\n", line);
}

/* Valgrind's entries have so many frames at most. */
#define SUPPRESSION_FRAMES 24

/* An entry that suppresses what has this stack; @kinds: of losses, which ones. */
static void print_suppression(struct text *t, uint32_t stack, const char *family, const char *kinds)
{
	static const struct {
		const char *family, *function;
	} allocators[] = {{"new", "_Znwm"},	{"new[]", "_Znam"},	{"free", "free"},
			  {"delete", "_ZdlPv"}, {"delete[]", "_ZdaPv"}, {"realloc", "realloc"}};
	const struct profile_stack *s = &t->p->stacks.items[stack];
	const char *allocator = "*alloc*";
	char name[FORMAT_NAME_SIZE];
	uint32_t i, k, nr = 0;

	for (i = 0; i < ARRAY_SIZE(allocators); i++)
		if (strcmp(family, allocators[i].family) == 0)
			allocator = allocators[i].function;
	stream__print(&t->s, "{\n   <insert_a_suppression_name_here>\n   Memcheck:%s\n",
		      kinds ? "Leak" : "Free");
	if (kinds)
		stream__print(&t->s, "   match-leak-kinds: %s\n", kinds);
	stream__print(&t->s, "   fun:%s\n", allocator);
	for (i = 0; i < s->count; i++) {
		const struct profile_location *l =
			&t->p->locations.items[t->p->frames.items[s->first + i]];

		for (k = 0; k < l->nr_lines && nr < SUPPRESSION_FRAMES; k++, nr++) {
			const char *symbol = l->lines[k].symbol;

			format__name(name, symbol ? symbol : t->p->modules.items[l->module].path,
				     FORMAT_NAME_COLUMNS);
			stream__print(&t->s, "   %s:%s\n", symbol ? "fun" : "obj", name);
		}
	}
	stream__print(&t->s, "}\n");
}

static void print_entry(struct text *t, const struct profile_entry *e)
{
	char a[FORMAT_SIZE], name[FORMAT_NAME_SIZE], hint[HINT_SIZE];

	stream__print(&t->s, "\n");
	print_styled(t, STYLE_NUMBER, "%12s", report_text__amount(t, a, e->sum.bytes));
	if (e->error.bytes > 0)
		stream__print(&t->s, " ± %s", format__bytes(a, e->error.bytes + 0.5));
	stream__print(&t->s, " in %s", report_text__amount_of(t, a, e->sum.blocks, unit_of(e)));
	if (t->p->seq > 1 || e->growth_bytes_per_s)
		stream__print(&t->s, ", %s/s", format__change(a, e->growth_bytes_per_s));
	stream__print(&t->s, ", oldest %s", format__age(a, e->oldest_ms));
	format__name(name, e->family, FORMAT_NAME_COLUMNS);
	stream__print(&t->s, ", %s", name);
	print_verdict(t, e);
	if (e->type) {
		format__name(name, e->type, FORMAT_NAME_COLUMNS);
		stream__print(&t->s, ", type %s", name);
	}
	stream__print(&t->s, "\n");
	print_stack(t, e->stack);
	if (t->o->show_allocs)
		print_blocks(t, e);
	print_remedy(t, e);
	if (hint__text(e, hint))
		stream__print(&t->s, "      %s\n", hint);
	if (e->path)
		path_text__print(&t->s, t->p, &t->p->paths.items[e->path - 1]);
	if (t->o->gen_suppressions && e->verdict != PROFILE_VERDICT_NONE && !e->suppressed)
		print_suppression(t, e->stack, e->family, profile__verdict_name(e->verdict));
}

/* "64 bytes" */
static const char *bytes_of(char buf[static FORMAT_SIZE], uint64_t bytes)
{
	char n[FORMAT_SIZE];

	snprintf(buf, FORMAT_SIZE, "%.30s byte%s", format__number(n, bytes), bytes == 1 ? "" : "s");
	return buf;
}

/* "5 times mismatched_free: 64 bytes at 0x..., allocated by new[], freed by delete" */
static void print_wrong_head(struct text *t, const struct profile_wrong_free *f)
{
	char n[FORMAT_SIZE], name[FORMAT_NAME_SIZE];

	stream__print(&t->s, "\n  ");
	print_styled(t, STYLE_ALARM, "%s", profile__wrong_name(f->kind));
	stream__print(&t->s, ": ");
	if (f->alloc_family)
		stream__print(&t->s, "%s at ", bytes_of(n, f->bytes));
	stream__print(&t->s, "0x%" PRIx64, f->addr);
	if (f->type) {
		format__name(name, f->type, FORMAT_NAME_COLUMNS);
		stream__print(&t->s, ", type %s", name);
	}
	if (f->count > 1)
		stream__print(&t->s, "; %s", report_text__count(n, f->count, "time"));
	stream__print(&t->s, "\n");
}

static void print_wrong_side(struct text *t, const char *what, const char *family, uint32_t stack)
{
	char name[FORMAT_NAME_SIZE];

	format__name(name, family, FORMAT_NAME_COLUMNS);
	stream__print(&t->s, "    %s %s:\n", what, name);
	print_stack(t, stack);
}

static void print_wrong_free(struct text *t, const struct profile_wrong_free *f)
{
	char told[FORMAT_SIZE + 16], buf[REMEDY_SIZE], n[FORMAT_SIZE];

	print_wrong_head(t, f);
	snprintf(told, sizeof(told), "freed as %s by", bytes_of(n, f->deleted_bytes));
	print_wrong_side(t, f->kind == PROFILE_WRONG_SIZE ? told : "freed by", f->free_family,
			 f->free_stack);
	if (f->first_free != PROFILE_NONE) {
		stream__print(&t->s, "    freed before:\n");
		print_stack(t, f->first_free);
	}
	if (f->alloc_family)
		print_wrong_side(t, "allocated by", f->alloc_family, f->alloc_stack);
	stream__print(&t->s, "      -> %s\n", remedy__wrong_free(f, buf));
	if (t->o->gen_suppressions)
		print_suppression(t, f->free_stack, f->free_family, NULL);
}

void report_text__print_wrong_frees(struct text *t, const struct profile_process *process)
{
	char n[FORMAT_SIZE], places[FORMAT_SIZE];
	uint64_t count = 0, shown = 0;
	uint32_t i, nr = 0;

	for (i = 0; i < process->nr_wrongs; i++) {
		const struct profile_wrong_free *f =
			&t->p->wrong_frees.items[process->first_wrong + i];

		nr += !f->suppressed;
		count += f->suppressed ? 0 : f->count;
	}
	if (!nr)
		return;
	print_styled(t, STYLE_ALARM, "  WRONG FREES: %s at %s\n", format__number(n, count),
		     report_text__count(places, nr, "place"));
	for (i = 0; i < process->nr_wrongs; i++) {
		const struct profile_wrong_free *f =
			&t->p->wrong_frees.items[process->first_wrong + i];

		if (!f->suppressed && shown++ < t->o->top)
			print_wrong_free(t, f);
	}
	if (nr > t->o->top)
		stream__print(&t->s, "\n  ... and %s, see --top\n",
			      report_text__count(places, nr - t->o->top, "more place"));
}

/* What is left out, and why. */
static void print_hidden(struct text *t, const struct profile_sum *hidden)
{
	char sum[2 * FORMAT_SIZE];

	if (hidden->blocks)
		stream__print(&t->s, "\n  %s not shown, see --show-leak-kinds\n",
			      report_text__sum(sum, hidden));
}

void report_text__print_entries(struct text *t, const struct profile_process *process)
{
	const struct profile_entry *entries =
		t->p->entries.items ? &t->p->entries.items[process->first_entry] : NULL;
	struct profile_sum rest = {0}, hidden = {0};
	char bytes[FORMAT_SIZE], blocks[FORMAT_SIZE], count[FORMAT_SIZE];
	uint64_t shown = 0, more = 0;
	uint32_t i;

	if (!process->nr_entries && process->outstanding.blocks && !t->p->final)
		stream__print(&t->s,
			      "\n  No outstanding block is old enough to be shown (--older).\n");
	for (i = 0; i < process->nr_entries; i++) {
		const struct profile_entry *e = &entries[i];
		struct profile_sum *sum = &rest;

		if (!profile__is_shown(t->p, e, t->o->leak_kinds)) {
			sum = &hidden;
		} else if (shown < t->o->top) {
			print_entry(t, e);
			shown++;
			continue;
		} else {
			more++;
		}
		sum->blocks += e->sum.blocks;
		sum->bytes += e->sum.bytes;
	}
	if (more)
		stream__print(&t->s, "\n  ... and %s (%s in %s), see --top\n",
			      report_text__count(count, more, "more stack"),
			      report_text__amount(t, bytes, rest.bytes),
			      report_text__amount_of(t, blocks, rest.blocks, "block"));
	print_hidden(t, &hidden);
}
