// SPDX-License-Identifier: GPL-2.0-or-later

/*
 * The report for a person at a terminal: 100 columns where names allow.
 *
 *   [time] comm[pid]: outstanding, growth, allocations and frees, anything lost
 *
 *     bytes in blocks, growth, age, family, verdict, type
 *         function+0xoff     file.c:line  (module)
 *
 * With several processes a table of those that hold most comes first. The first SHOWN_PROCESSES of
 * them get their stacks; a final report has a line for each of the others too.
 */

#include <inttypes.h>
#include <string.h>

#include "report/format.h"
#include "report/frame.h"
#include "report/hint.h"
#include "report/path_text.h"
#include "report/remedy.h"
#include "report/report.h"
#include "report/stream.h"
#include "util/cleanup.h"

#define SHOWN_PROCESSES 10

/* Columns that frames are padded to, at most; what is longer pushes the rest to the right. */
#define FUNCTION_COLUMNS 56
#define SOURCE_COLUMNS	 28

/* What names of processes are cut to. */
#define COMM_COLUMNS 16

struct text {
	struct stream s;
	const struct profile *p;
	const struct report_options *o;
};

enum style { STYLE_PLAIN, STYLE_TITLE, STYLE_NUMBER, STYLE_ALARM, STYLE_WARNING, STYLE_FAINT };

/* Print in @style, ended by plain. */
#define print_styled(t, style, ...)                                                                \
	do {                                                                                       \
		start_style((t), (style));                                                         \
		stream__print(&(t)->s, __VA_ARGS__);                                               \
		end_style((t), (style));                                                           \
	} while (0)

static void start_style(struct text *t, enum style style)
{
	/* SGR of ECMA-48: bold, red, yellow, faint */
	static const char *const codes[] = {
		[STYLE_PLAIN] = "",	      [STYLE_TITLE] = "\033[1m",
		[STYLE_NUMBER] = "\033[1m",   [STYLE_ALARM] = "\033[31m",
		[STYLE_WARNING] = "\033[33m", [STYLE_FAINT] = "\033[2m",
	};

	if (t->o->color)
		stream__print(&t->s, "%s", codes[style]);
}

static void end_style(struct text *t, enum style style)
{
	if (t->o->color && style != STYLE_PLAIN)
		stream__print(&t->s, "\033[0m");
}

/* "1 block", "1,024 blocks", "1.2M blocks" */
static const char *count_of(char buf[static FORMAT_SIZE], uint64_t n, const char *what)
{
	char number[FORMAT_SIZE];

	snprintf(buf, FORMAT_SIZE, "%s %s%s", format__count(number, n), what, n == 1 ? "" : "s");
	return buf;
}

/* @bytes, or a difference with its sign. */
static const char *amount(const struct text *t, char buf[static FORMAT_SIZE], uint64_t bytes)
{
	return t->p->diff ? format__change(buf, (int64_t)bytes) : format__bytes(buf, bytes);
}

/* "100 blocks", or a difference, "+100 blocks" */
static const char *amount_of(const struct text *t, char buf[static FORMAT_SIZE], uint64_t n,
			     const char *what)
{
	bool negative = t->p->diff && (int64_t)n < 0;
	char count[FORMAT_SIZE];

	if (!t->p->diff)
		return count_of(buf, n, what);
	count_of(count, negative ? -n : n, what);
	snprintf(buf, FORMAT_SIZE, "%s%.40s", negative ? "-" : n ? "+" : "", count);
	return buf;
}

/* "12.1 KiB in 100 blocks" */
static const char *sum_of(char buf[static 2 * FORMAT_SIZE], const struct profile_sum *sum)
{
	char bytes[FORMAT_SIZE], blocks[FORMAT_SIZE];

	snprintf(buf, 2 * FORMAT_SIZE, "%s in %s", format__bytes(bytes, sum->bytes),
		 count_of(blocks, sum->blocks, "block"));
	return buf;
}

/* "12.1 KiB ± 1.2 KiB in 100 blocks"; without an error as sum_of. */
static const char *estimate_of(char buf[static 3 * FORMAT_SIZE], const struct profile_sum *sum,
			       const struct profile_error *error)
{
	char bytes[FORMAT_SIZE], either_way[FORMAT_SIZE], blocks[FORMAT_SIZE];

	format__bytes(either_way, error->bytes + 0.5);
	snprintf(buf, 3 * FORMAT_SIZE, "%s%s%s in %s", format__bytes(bytes, sum->bytes),
		 error->bytes > 0 ? " ± " : "", error->bytes > 0 ? either_way : "",
		 count_of(blocks, sum->blocks, "block"));
	return buf;
}

static void print_sampling(struct text *t)
{
	char n[FORMAT_SIZE];

	if (t->p->sampling == PROFILE_SAMPLE_RATE)
		stream__print(&t->s, "  sampled: one allocation in %s",
			      format__number(n, t->p->sampling_value));
	else if (t->p->sampling == PROFILE_SAMPLE_BYTES)
		stream__print(&t->s, "  sampled: one allocation every %s",
			      format__bytes(n, t->p->sampling_value));
	else
		return;
	stream__print(&t->s, "; these are estimates, ± is their standard error\n");
}

/* Losses */

static uint64_t add_up(uint64_t a, uint64_t b)
{
	return a + b < a ? UINT64_MAX : a + b;
}

static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

/* For the line that a report starts with. */
static void print_lost(struct text *t)
{
	const struct profile_losses *l = &t->p->losses;
	uint64_t lost = add_up(add_up(l->blocks, l->frees), add_up(l->stacks, l->events));
	uint64_t incomplete = add_up(l->truncated_stacks, l->broken_stacks);
	char n[FORMAT_SIZE];

	if (lost)
		print_styled(t, STYLE_WARNING, "; %s lost", format__count(n, lost));
	if (incomplete)
		print_styled(t, STYLE_WARNING, "; %s incomplete", count_of(n, incomplete, "stack"));
}

/* A line for each kind of loss, with the option that prevents it. */
static void print_losses(struct text *t)
{
	const struct profile_losses *l = &t->p->losses;
	const struct {
		uint64_t n;
		const char *what, *unit, *why;
	} rows[] = {
		{less(l->blocks, add_up(l->no_memory, l->unreadable)), "", "allocation",
		 "(table full): raise --max-blocks"},
		{l->no_memory, "", "allocation", "(the kernel had no room at that moment)"},
		{l->unreadable, "", "allocation", "(the pointer could not be read)"},
		{l->frees, "", "free", "(not seen; the address was handed out again)"},
		{less(l->stacks, l->stacks_no_memory), "the stacks of ", "block",
		 "(table full): raise --max-stacks"},
		{l->stacks_no_memory, "the stacks of ", "block",
		 "(the kernel had no room at that moment)"},
		{l->truncated_stacks, "the outer frames of ", "stack",
		 "(too deep): raise --stack-depth"},
		{l->broken_stacks, "the outer frames of ", "stack", "(nothing led further)"},
		{l->events, "", "event",
		 "(buffer or table full): mappings or processes may be missing"},
		{l->wrong_frees, "", "wrong free", "(table full): there are more places of them"},
		{l->sites, "", "allocation",
		 "in alloc_* of -w (table full, or no memory): raise --max-stacks"},
		{l->unread_files, "names and outer frames in ", "file",
		 "(the process that reads files died of it)"},
	};
	char count[FORMAT_SIZE], age[FORMAT_SIZE];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].n)
			print_styled(t, STYLE_WARNING, "  lost: %s%s %s\n", rows[i].what,
				     count_of(count, rows[i].n, rows[i].unit), rows[i].why);
	if (l->late)
		print_styled(
			t, STYLE_WARNING,
			"  lost: what %s (programs, libraries) allocated in up to %s before the "
			"probes were in\n",
			count_of(count, l->late, "file"), format__age(age, l->late_ms));
}

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
	start_style(t, STYLE_FAINT);
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
	end_style(t, STYLE_FAINT);
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
	print_styled(t, STYLE_NUMBER, "%12s", amount(t, a, e->sum.bytes));
	if (e->error.bytes > 0)
		stream__print(&t->s, " ± %s", format__bytes(a, e->error.bytes + 0.5));
	stream__print(&t->s, " in %s", amount_of(t, a, e->sum.blocks, unit_of(e)));
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
		stream__print(&t->s, "; %s", count_of(n, f->count, "time"));
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

/* The wrong frees, in front of the stacks: they are errors whatever is outstanding. */
static void print_wrong_frees(struct text *t, const struct profile_process *process)
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
		     count_of(places, nr, "place"));
	for (i = 0; i < process->nr_wrongs; i++) {
		const struct profile_wrong_free *f =
			&t->p->wrong_frees.items[process->first_wrong + i];

		if (!f->suppressed && shown++ < t->o->top)
			print_wrong_free(t, f);
	}
	if (nr > t->o->top)
		stream__print(&t->s, "\n  ... and %s, see --top\n",
			      count_of(places, nr - t->o->top, "more place"));
}

/* What is left out, and why. */
static void print_hidden(struct text *t, const struct profile_sum *hidden)
{
	char sum[2 * FORMAT_SIZE];

	if (hidden->blocks)
		stream__print(&t->s, "\n  %s not shown, see --show-leak-kinds\n",
			      sum_of(sum, hidden));
}

static void print_entries(struct text *t, const struct profile_process *process)
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
			      count_of(count, more, "more stack"), amount(t, bytes, rest.bytes),
			      amount_of(t, blocks, rest.blocks, "block"));
	print_hidden(t, &hidden);
}

/* Processes */

/* "comm[pid]" */
static const char *process_name(char buf[static FORMAT_NAME_SIZE + 16],
				const struct profile_process *process)
{
	char comm[FORMAT_NAME_SIZE];

	format__name(comm, process->comm, COMM_COLUMNS * 4);
	snprintf(buf, FORMAT_NAME_SIZE + 16, "%s[%" PRIu32 "]", comm, process->pid);
	return buf;
}

static void print_growth(struct text *t, int64_t growth)
{
	char change[FORMAT_SIZE];

	if (growth)
		stream__print(&t->s, " (%s)", format__change(change, growth));
	else if (t->p->seq > 1)
		stream__print(&t->s, " (unchanged)");
}

static void print_process_line(struct text *t, const struct profile_process *process)
{
	char time[FORMAT_SIZE], name[FORMAT_NAME_SIZE + 16];
	char sum[3 * FORMAT_SIZE], n[FORMAT_SIZE];

	print_styled(t, STYLE_TITLE, "[%s] %s%s:", format__clock(time, t->p->time_ms, false),
		     process_name(name, process), process->running ? "" : " ended");
	stream__print(&t->s, " %s outstanding",
		      estimate_of(sum, &process->outstanding, &process->error));
	if (process->running)
		print_growth(t, process->growth_bytes);
	stream__print(&t->s, "; %s", count_of(n, process->allocs, "alloc"));
	stream__print(&t->s, ", %s", count_of(n, process->frees, "free"));
	if (t->p->processes.count == 1)
		print_lost(t);
	stream__print(&t->s, "\n");
	if (process->mmap.blocks)
		stream__print(&t->s, "  mmap: %s, %s\n",
			      count_of(n, process->mmap.blocks, "mapping"),
			      format__bytes(sum, process->mmap.bytes));
	if (process->resources)
		stream__print(&t->s, "  held: %s\n", count_of(n, process->resources, "resource"));
}

/* For reports without that block: a line. */
static void print_leak_line(struct text *t, const struct profile_process *process)
{
	char sum[2 * FORMAT_SIZE], bytes[FORMAT_SIZE], ms[FORMAT_SIZE];
	const struct profile_sum *l = process->leaks;

	if (!process->checked || t->o->heap_summary)
		return;
	stream__print(&t->s, "  leaks: %s definitely lost",
		      sum_of(sum, &l[PROFILE_VERDICT_DEFINITE]));
	stream__print(&t->s, ", %s indirectly",
		      format__bytes(bytes, l[PROFILE_VERDICT_INDIRECT].bytes));
	stream__print(&t->s, ", %s possibly",
		      format__bytes(bytes, l[PROFILE_VERDICT_POSSIBLE].bytes));
	stream__print(&t->s, "; stopped for %s ms\n", format__decimal(ms, process->pause_ms, 1));
}

static void print_section(struct text *t, const struct profile_process *process)
{
	print_process_line(t, process);
	if (t->p->processes.count == 1) {
		print_sampling(t);
		print_losses(t);
	}
	print_leak_line(t, process);
	print_wrong_frees(t, process);
	if (process->running || t->p->final)
		print_entries(t, process);
}

static struct profile_sum sum_processes(const struct profile *p, size_t from)
{
	struct profile_sum sum = {0};

	for (; from < p->processes.count; from++) {
		sum.blocks += p->processes.items[from].outstanding.blocks;
		sum.bytes += p->processes.items[from].outstanding.bytes;
	}
	return sum;
}

/* The line that a report of several processes, or of none, starts with. */
static void print_total(struct text *t)
{
	struct profile_sum total = sum_processes(t->p, 0);
	uint64_t allocs = 0, frees = 0;
	char time[FORMAT_SIZE], n[FORMAT_SIZE], sum[2 * FORMAT_SIZE];
	int64_t growth = 0;
	size_t i;

	for (i = 0; i < t->p->processes.count; i++) {
		allocs += t->p->processes.items[i].allocs;
		frees += t->p->processes.items[i].frees;
		growth = (uint64_t)growth + (uint64_t)t->p->processes.items[i].growth_bytes;
	}
	format__number(n, t->p->processes.count);
	print_styled(t, STYLE_TITLE,
		     "[%s] %s process%s:", format__clock(time, t->p->time_ms, false), n,
		     t->p->processes.count == 1 ? "" : "es");
	stream__print(&t->s, " %s outstanding", sum_of(sum, &total));
	print_growth(t, growth);
	stream__print(&t->s, "; %s", count_of(n, allocs, "alloc"));
	stream__print(&t->s, ", %s", count_of(n, frees, "free"));
	print_lost(t);
	stream__print(&t->s, "\n");
	print_sampling(t);
	print_losses(t);
}

static void print_table(struct text *t)
{
	static const char row[] = "%s  %11s  %9s  %11s  %9s  %9s%s\n";
	size_t n = t->p->processes.count, i;
	struct profile_sum rest = sum_processes(t->p, n < SHOWN_PROCESSES ? n : SHOWN_PROCESSES);
	char bytes[FORMAT_SIZE], blocks[FORMAT_SIZE], growth[FORMAT_SIZE], allocs[FORMAT_SIZE];
	char frees[FORMAT_SIZE], sum[2 * FORMAT_SIZE], comm[FORMAT_NAME_SIZE];
	size_t columns;

	stream__print(&t->s, "\n");
	start_style(t, STYLE_FAINT);
	stream__print(&t->s, row, "      PID  COMMAND         ", "OUTSTANDING", "BLOCKS", "GROWTH",
		      "ALLOCS", "FREES", "");
	end_style(t, STYLE_FAINT);
	for (i = 0; i < n && i < SHOWN_PROCESSES; i++) {
		const struct profile_process *process = &t->p->processes.items[i];

		columns = format__name(comm, process->comm, COMM_COLUMNS);
		stream__print(&t->s, "  %7" PRIu32 "  ", process->pid);
		stream__print(&t->s, "%s%*s", comm, (int)(COMM_COLUMNS - columns), "");
		stream__print(&t->s, row, "", format__bytes(bytes, process->outstanding.bytes),
			      format__count(blocks, process->outstanding.blocks),
			      format__change(growth, process->growth_bytes),
			      format__count(allocs, process->allocs),
			      format__count(frees, process->frees),
			      process->running ? "" : " ended");
	}
	if (n > SHOWN_PROCESSES)
		stream__print(&t->s, "  ... and %s more (%s)\n",
			      format__number(bytes, n - SHOWN_PROCESSES), sum_of(sum, &rest));
}

static void print_processes(struct text *t)
{
	const struct profile_process *process;
	bool first = true;
	size_t i;

	print_total(t);
	if (t->p->processes.count)
		print_table(t);
	for (i = 0; i < t->p->processes.count; i++) {
		process = &t->p->processes.items[i];
		if (i < SHOWN_PROCESSES) {
			stream__print(&t->s, "\n");
			print_section(t, process);
			continue;
		}
		/* Whoever has ended is listed once; at the end everybody is. */
		if (!t->p->final && process->running)
			continue;
		stream__print(&t->s, "%s", first ? "\n" : "");
		first = false;
		print_process_line(t, process);
	}
}

/* The line that a difference starts with. */
static void print_diff(struct text *t, const struct profile_process *process)
{
	char time[FORMAT_SIZE], name[FORMAT_NAME_SIZE + 16], bytes[FORMAT_SIZE], n[FORMAT_SIZE];

	print_styled(t, STYLE_TITLE, "[%s] %s:", format__clock(time, t->p->time_ms, false),
		     process_name(name, process));
	stream__print(&t->s, " %s", amount(t, bytes, process->outstanding.bytes));
	stream__print(&t->s, " in %s outstanding",
		      amount_of(t, n, process->outstanding.blocks, "block"));
	stream__print(&t->s, "; %s", amount_of(t, n, process->allocs, "alloc"));
	stream__print(&t->s, ", %s", amount_of(t, n, process->frees, "free"));
	print_lost(t);
	stream__print(&t->s, "\n");
	if (process->mmap.blocks || process->mmap.bytes)
		stream__print(&t->s, "  mmap: %s, %s\n",
			      amount_of(t, n, process->mmap.blocks, "mapping"),
			      amount(t, bytes, process->mmap.bytes));
	print_sampling(t);
	print_losses(t);
	if (!process->nr_entries)
		stream__print(&t->s, "\n  No stack has changed.\n");
	print_entries(t, process);
}

/* HEAP SUMMARY */

static void print_heap_summary(struct text *t, const struct profile_process *process)
{
	char a[FORMAT_SIZE], b[FORMAT_SIZE], c[FORMAT_SIZE], comm[FORMAT_NAME_SIZE];

	stream__print(&t->s, "\n");
	if (t->p->processes.count > 1) {
		format__name(comm, process->comm, COMM_COLUMNS * 4);
		stream__print(&t->s, "%" PRIu32 " %s:\n", process->pid, comm);
	}
	stream__print(&t->s, "HEAP SUMMARY:\n");
	stream__print(&t->s, "    in use at exit: %s bytes in %s blocks\n",
		      format__number(a, process->outstanding.bytes),
		      format__number(b, process->outstanding.blocks));
	stream__print(&t->s, "  total heap usage: %s allocs, %s frees, %s bytes allocated\n",
		      format__number(a, process->allocs), format__number(b, process->frees),
		      format__number(c, process->alloc_bytes));
	stream__print(&t->s, "         peak heap: %s bytes, %s s after the start\n",
		      format__number(a, process->peak_bytes),
		      format__decimal(b, process->peak_at_s, 1));
}

/* LEAK SUMMARY */

static void print_leak_summary(struct text *t, const struct profile_process *process)
{
	const struct {
		const char *name;
		const struct profile_sum *sum;
	} rows[] = {
		{"definitely lost", &process->leaks[PROFILE_VERDICT_DEFINITE]},
		{"indirectly lost", &process->leaks[PROFILE_VERDICT_INDIRECT]},
		{"possibly lost", &process->leaks[PROFILE_VERDICT_POSSIBLE]},
		{"still reachable", &process->leaks[PROFILE_VERDICT_REACHABLE]},
		{"suppressed", &process->suppressed},
	};
	char bytes[FORMAT_SIZE], blocks[FORMAT_SIZE];
	size_t i;

	if (!process->checked)
		return;
	stream__print(&t->s, "\nLEAK SUMMARY:\n");
	for (i = 0; i < ARRAY_SIZE(rows); i++)
		stream__print(&t->s, "%18s: %s bytes in %s blocks\n", rows[i].name,
			      format__number(bytes, rows[i].sum->bytes),
			      format__number(blocks, rows[i].sum->blocks));
}

int report__text(const struct profile *p, const struct report_options *o, FILE *out)
{
	struct text t = {.s = {.out = out}, .p = p, .o = o};
	size_t i;

	for (i = 0; p->diff && i < p->processes.count; i++)
		print_diff(&t, &p->processes.items[i]);
	if (p->diff)
		return stream__finish(&t.s);
	if (p->processes.count == 1)
		print_section(&t, &p->processes.items[0]);
	else
		print_processes(&t);
	for (i = 0; p->final && o->heap_summary && i < p->processes.count; i++) {
		print_heap_summary(&t, &p->processes.items[i]);
		print_leak_summary(&t, &p->processes.items[i]);
	}
	if (!p->final)
		stream__print(&t.s, "\n");
	return stream__finish(&t.s);
}

int report__event_text(const struct report_event *e, const struct report_options *o, FILE *out)
{
	struct text t = {.s = {.out = out}, .o = o};
	char time[FORMAT_SIZE], bytes[FORMAT_SIZE], name[FORMAT_NAME_SIZE];

	format__name(name, e->comm, COMM_COLUMNS * 4);
	stream__print(&t.s, "[%s] %s[%" PRIu32 "/%" PRIu32 "] ",
		      format__clock(time, e->time_ms, true), name, e->pid, e->tid);
	format__name(name, e->operation, FORMAT_NAME_COLUMNS);
	stream__print(&t.s, "%-6s ", name);
	print_styled(&t, STYLE_NUMBER, "0x%012" PRIx64 " %10s", e->addr,
		     format__bytes(bytes, e->bytes));
	format__name(name, e->family, FORMAT_NAME_COLUMNS);
	stream__print(&t.s, e->caller ? " %-6s " : " %s", name);
	if (e->caller) {
		format__name(name, e->caller, FORMAT_NAME_COLUMNS);
		stream__print(&t.s, "%s", name);
	}
	stream__print(&t.s, "\n");
	return stream__finish(&t.s);
}
