// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The view as rows and columns:
 *
 *   title bar
 *   what is outstanding, what was lost, what a leak check found
 *   processes, where there are several
 *   stacks, some expanded to their frames
 *   note
 *   keys
 *
 * All names go through format__name.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "live/draw.h"
#include "report/frame.h"
#include "util/cleanup.h"

#define COMM_COLUMNS 15

/* --- tables --- */

/* A column of a table: where it is, and whether it is there at all. */
struct column {
	int at, width; /* width 0: not shown */
};

static struct column next_column(int *at, int width)
{
	struct column c = {*at, width};

	*at += width ? width + 1 : 0;
	return c;
}

static void put_right(const struct drawing *d, struct column c, unsigned int style,
		      const char *text)
{
	draw__put(d, c.at, c.width, style, "%*s", c.width, text);
}

static void put_left(const struct drawing *d, struct column c, unsigned int style, const char *text)
{
	draw__put(d, c.at, c.width, style, "%s", text);
}

static void put_spark(const struct drawing *d, struct column c, unsigned int style, uint64_t key)
{
	char spark[HISTORY_SPARK_SIZE];

	if (c.width)
		put_left(d, c, style,
			 history__spark(&d->v->history, key, c.width, d->c->utf8, spark));
}

/* The first row to show, so that @cursor is among the @page that are. */
static size_t scrolled(size_t top, size_t cursor, size_t page, size_t count)
{
	if (cursor < top)
		top = cursor;
	if (page && cursor >= top + page)
		top = cursor - page + 1;
	if (top + page > count)
		top = count > page ? count - page : 0;
	return top;
}

static int spark_width(const struct canvas *c)
{
	return c->width >= 110 ? 16 : c->width >= 72 ? 8 : 0;
}

static void draw_processes(struct drawing *d)
{
	struct view *v = d->v;
	const struct profile *p = v->profile;
	size_t room = d->c->height > 20 ? (d->c->height - 8) / 3 : 3, i, selected;
	int at = 0;
	struct column pid = next_column(&at, 8), comm = next_column(&at, COMM_COLUMNS + 1);
	struct column bytes = next_column(&at, 11), blocks = next_column(&at, 9);
	struct column growth = next_column(&at, 11), spark = next_column(&at, spark_width(d->c));
	char text[FORMAT_SIZE], name[FORMAT_NAME_SIZE];

	selected = view__process(v);
	v->process_page = p->processes.count < room ? p->processes.count : room;
	v->process_top = scrolled(v->process_top, selected, v->process_page, p->processes.count);
	draw__put(d, 0, d->c->width, CANVAS_BAR, "%s", "");
	put_right(d, pid, CANVAS_BAR, "PID");
	put_left(d, comm, CANVAS_BAR, "COMMAND");
	put_right(d, bytes, CANVAS_BAR, "OUTSTANDING");
	put_right(d, blocks, CANVAS_BAR, "BLOCKS");
	put_right(d, growth, CANVAS_BAR, "GROWTH");
	put_left(d, spark, CANVAS_BAR, "HISTORY");
	d->row++;
	for (i = v->process_top; i < v->process_top + v->process_page; i++, d->row++) {
		const struct profile_process *process = &p->processes.items[i];
		unsigned int mark = i != selected ? 0 : CANVAS_SELECTED;
		unsigned int style = v->in_processes ? mark : mark ? CANVAS_TITLE : CANVAS_PLAIN;

		draw__put(d, 0, d->c->width, style, "%s", "");
		snprintf(text, sizeof(text), "%" PRIu32, process->pid);
		put_right(d, pid, style, text);
		format__name(name, process->comm, COMM_COLUMNS + 1);
		put_left(d, comm, style, name);
		put_right(d, bytes, style, format__bytes(text, process->outstanding.bytes));
		put_right(d, blocks, style, format__count(text, process->outstanding.blocks));
		put_right(d, growth, style, format__change(text, process->growth_bytes));
		put_spark(d, spark, v->in_processes && mark ? style : CANVAS_GRAPH,
			  view__process_series(process));
		draw__put(d, at, d->c->width, style, "%s", process->running ? "" : "ended");
	}
}

struct columns {
	struct column mark, bytes, blocks, growth, age, kind, lost, spark, stack;
};

static struct columns stack_columns(const struct drawing *d, bool checked)
{
	bool narrow = d->c->width < 72;
	struct columns c;
	int at = 0;

	c.mark = next_column(&at, 1);
	c.bytes = next_column(&at, 11);
	c.blocks = next_column(&at, 7);
	c.growth = next_column(&at, narrow ? 0 : 11);
	c.age = next_column(&at, narrow ? 0 : 7);
	c.kind = next_column(&at, narrow ? 0 : 6);
	c.lost = next_column(&at, checked ? 9 : 0);
	c.spark = next_column(&at, spark_width(d->c));
	c.stack = next_column(&at, d->c->width - at);
	if (c.stack.width < 0)
		c.stack.width = 0;
	return c;
}

static void draw_stacks_head(struct drawing *d, const struct columns *c)
{
	const struct profile *p = d->v->profile;
	char name[FORMAT_NAME_SIZE + 16], of[FORMAT_NAME_SIZE + 32] = "STACK";

	if (p->processes.count > 1)
		snprintf(of, sizeof(of), "STACK of %s",
			 draw__process_name(name, &p->processes.items[view__process(d->v)]));
	draw__put(d, 0, d->c->width, CANVAS_BAR, "%s", "");
	put_right(d, c->bytes, CANVAS_BAR, "OUTSTANDING");
	put_right(d, c->blocks, CANVAS_BAR, "BLOCKS");
	put_right(d, c->growth, CANVAS_BAR, "GROWTH/s");
	put_right(d, c->age, CANVAS_BAR, "OLDEST");
	put_left(d, c->kind, CANVAS_BAR, "KIND");
	put_left(d, c->lost, CANVAS_BAR, "LOST");
	put_left(d, c->spark, CANVAS_BAR, "HISTORY");
	put_left(d, c->stack, CANVAS_BAR, of);
	d->row++;
}

/* "Type: function < caller < caller ..." */
static void describe_stack(const struct drawing *d, const struct profile_entry *e, size_t columns,
			   char buf[static 2 * FRAME_TEXT_SIZE])
{
	char name[FORMAT_NAME_SIZE];
	struct view_detail detail;
	struct frame_text f;
	size_t used = 0;
	uint32_t i;
	char *out = buf;

	*out = '\0';
	if (e->type) {
		used += format__name(name, e->type, 40) + 2;
		out += sprintf(out, "%s: ", name);
	}
	for (i = 0; used < columns && view__detail(d->v, e, i, &detail); i++) {
		const char *symbol = detail.line ? detail.line->symbol : NULL;

		if (!detail.line && i)
			break;
		if (!detail.line) {
			sprintf(out, "%s", detail.remark ? detail.remark : "");
			break;
		}
		if (symbol && *symbol) {
			used += format__name(name, symbol, 60);
		} else {
			frame__describe(d->v->profile, detail.location, detail.line, &f);
			used += format__name(name, f.module, 40) + f.function_columns + 1;
			snprintf(name + strlen(name), 32, "+%.30s", f.function);
		}
		/* There is room for so many of any characters. */
		if (used + 3 > FORMAT_NAME_COLUMNS)
			break;
		out += sprintf(out, "%s%s", i ? " < " : "", name);
		used += 3;
		if (!i && detail.line->file && detail.line->line) {
			used += format__name(name, format__basename(detail.line->file), 30) + 6;
			out += sprintf(out, " %s:%" PRIu32, name, detail.line->line);
		}
	}
}

static void draw_stack(struct drawing *d, const struct columns *c, const struct profile_entry *e,
		       bool open, unsigned int mark)
{
	static const enum canvas_style alarms[PROFILE_VERDICTS] = {
		[PROFILE_VERDICT_DEFINITE] = CANVAS_ALARM,
		[PROFILE_VERDICT_INDIRECT] = CANVAS_ALARM,
		[PROFILE_VERDICT_POSSIBLE] = CANVAS_WARNING,
	};
	const char *closed_sign = d->c->utf8 ? "▸" : "+", *open_sign = d->c->utf8 ? "▾" : "-";
	char text[FORMAT_SIZE], name[FORMAT_NAME_SIZE], stack[2 * FRAME_TEXT_SIZE];
	const char *lost = e->suppressed ? "suppr." : profile__verdict_name(e->verdict);

	if (d->v->o.name && e->stack < d->v->profile->stacks.count)
		d->v->o.name(d->v->o.context, d->v->profile, e->stack);
	draw__put(d, 0, d->c->width, mark, "%s", "");
	put_left(d, c->mark, mark, open ? open_sign : closed_sign);
	put_right(d, c->bytes, mark ? mark : CANVAS_TITLE, format__bytes(text, e->sum.bytes));
	put_right(d, c->blocks, mark, format__count(text, e->sum.blocks));
	put_right(d, c->growth, mark,
		  d->v->profile->seq > 1 ? format__change(text, e->growth_bytes_per_s) : "-");
	put_right(d, c->age, mark, format__age(text, e->oldest_ms));
	format__name(name, e->family, 16);
	put_left(d, c->kind, mark, name);
	put_left(d, c->lost, mark ? mark : alarms[e->verdict], lost ? lost : "");
	put_spark(d, c->spark, mark ? mark : CANVAS_GRAPH, view__stack_series(d->v, e));
	describe_stack(d, e, c->stack.width, stack);
	put_left(d, c->stack, mark, stack);
}

static void draw_detail(struct drawing *d, const struct profile_entry *e, uint32_t line,
			unsigned int mark)
{
	int width = d->c->width - 6, function, source;
	char name[FORMAT_NAME_SIZE], bytes[FORMAT_SIZE], age[FORMAT_SIZE];
	struct view_detail detail;
	struct frame_text f;

	draw__put(d, 0, d->c->width, mark, "%s", "");
	if (!view__detail(d->v, e, line, &detail))
		return;
	if (detail.block) {
		draw__put(d, 6, width, mark, "0x%012" PRIx64 "  %10s  age %s", detail.block->addr,
			  format__bytes(bytes, detail.block->bytes),
			  format__age(age, detail.block->age_ms));
	} else if (!detail.line) {
		draw__put(d, 6, width, mark ? mark : CANVAS_FAINT, "%s", detail.remark);
	} else {
		frame__describe(d->v->profile, detail.location, detail.line, &f);
		function = width * 5 / 10 < 70 ? width * 5 / 10 : 70;
		source = width * 3 / 10 < 30 ? width * 3 / 10 : 30;
		format__name(name, f.function, function < 16 ? 16 : function);
		draw__put(d, 6, function, mark, "%s", name);
		format__name(name, f.source, source < 16 ? 16 : source);
		draw__put(d, 7 + function, source, mark ? mark : CANVAS_FAINT, "%s", name);
		if (*f.module)
			draw__put(d, 8 + function + source, width - function - source - 2,
				  mark ? mark : CANVAS_FAINT, "(%s)", f.module);
	}
}

static const char *why_empty(const struct view *v)
{
	uint32_t process = view__process(v);

	if (process == PROFILE_NONE)
		return "No process has allocated anything yet.";
	if (v->profile->processes.items[process].outstanding.blocks)
		return "No outstanding block is old enough to be shown (--older).";
	return "No block is outstanding.";
}

/* The rows from here to @end. */
static void draw_stacks(struct drawing *d, int end)
{
	struct view *v = d->v;
	uint32_t process = view__process(v);
	struct columns c = stack_columns(d, process != PROFILE_NONE &&
						    v->profile->processes.items[process].checked);
	size_t i;

	if (process != PROFILE_NONE)
		draw_stacks_head(d, &c);
	if (!v->rows.count) {
		draw__put(d, 2, d->c->width, CANVAS_PLAIN, "%s", why_empty(v));
		d->row++;
		return;
	}
	v->page = end > d->row ? end - d->row : 0;
	v->top = scrolled(v->top, v->cursor, v->page, v->rows.count);
	for (i = v->top; i < v->rows.count && i < v->top + v->page; i++, d->row++) {
		const struct view_row *r = &v->rows.items[i];
		const struct profile_entry *e = &v->profile->entries.items[r->entry];
		bool open = i + 1 < v->rows.count && v->rows.items[i + 1].line;
		unsigned int mark = i == v->cursor && !v->in_processes ? CANVAS_SELECTED : 0;

		if (r->line)
			draw_detail(d, e, r->line - 1, mark);
		else
			draw_stack(d, &c, e, open, mark);
	}
}

void view__draw(struct view *v, const struct canvas *c)
{
	struct drawing d = {.v = v, .c = c};
	int note = c->height - 2;

	draw__title(&d);
	if (v->help) {
		draw__help(&d);
		return;
	}
	view__update_rows(v);
	if (v->profile) {
		draw__head(&d);
		if (v->profile->processes.count > 1) {
			draw_processes(&d);
			d.row++;
		}
		draw_stacks(&d, note);
	}
	d.row = note;
	if (note > 0)
		draw__put(&d, 0, c->width, CANVAS_WARNING, "%s", v->note);
	d.row = c->height - 1;
	if (d.row > 0)
		draw__keys(&d);
}
