// SPDX-License-Identifier: GPL-2.0-or-later
/* The lines of the view around its tables, and the page of help. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "live/draw.h"
#include "report/frame.h"
#include "util/cleanup.h"

void draw__put(const struct drawing *d, int column, int columns, unsigned int style,
	       const char *fmt, ...)
{
	char text[2 * FRAME_TEXT_SIZE];
	va_list ap;

	if (d->row < 0 || d->row >= d->c->height || column >= d->c->width)
		return;
	if (columns > d->c->width - column)
		columns = d->c->width - column;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (columns > 0)
		d->c->put(d->c->context, d->row, column, columns, style, text);
}

/* "1 block", "1,024 blocks" */
const char *draw__count_of(char buf[static FORMAT_SIZE], uint64_t n, const char *what)
{
	char number[FORMAT_SIZE];

	snprintf(buf, FORMAT_SIZE, "%s %s%s", format__count(number, n), what, n == 1 ? "" : "s");
	return buf;
}

const char *draw__process_name(char buf[static FORMAT_NAME_SIZE + 16],
			       const struct profile_process *process)
{
	char comm[FORMAT_NAME_SIZE];

	format__name(comm, process->comm, 60);
	snprintf(buf, FORMAT_NAME_SIZE + 16, "%s[%" PRIu32 "]", comm, process->pid);
	return buf;
}

/* --- above the tables --- */

void draw__title(struct drawing *d)
{
	const struct view *v = d->v;
	char clock[FORMAT_SIZE] = "";
	const char *keys = "? for help ";

	if (v->profile)
		format__clock(clock, v->profile->time_ms, false);
	draw__put(d, 0, d->c->width, CANVAS_BAR, " memleak-bpf  %s  every %g s  by %s", clock,
		  v->o.interval_s, view__sort_name(v->sort));
	if (v->paused)
		draw__put(d, 50, 8, CANVAS_BAR | CANVAS_SELECTED, " PAUSED ");
	if (d->c->width > 80)
		draw__put(d, d->c->width - (int)strlen(keys), (int)strlen(keys), CANVAS_BAR, "%s",
			  keys);
	d->row++;
}

static void draw_outstanding(struct drawing *d, const char *name, const struct profile_process *sum)
{
	char bytes[FORMAT_SIZE], either_way[FORMAT_SIZE], blocks[FORMAT_SIZE], change[FORMAT_SIZE];
	char allocs[FORMAT_SIZE], frees[FORMAT_SIZE], growth[FORMAT_SIZE + 4] = "";

	if (d->v->profile->seq > 1)
		snprintf(growth, sizeof(growth), " (%s)",
			 format__change(change, sum->growth_bytes));
	draw__put(d, 0, d->c->width, CANVAS_TITLE, "%s: %s%s%s in %s outstanding%s; %s, %s", name,
		  format__bytes(bytes, sum->outstanding.bytes), sum->error.bytes > 0 ? " ± " : "",
		  sum->error.bytes > 0 ? format__bytes(either_way, sum->error.bytes + 0.5) : "",
		  draw__count_of(blocks, sum->outstanding.blocks, "block"), growth,
		  draw__count_of(allocs, sum->allocs, "alloc"),
		  draw__count_of(frees, sum->frees, "free"));
	d->row++;
}

static void draw_sum(struct drawing *d)
{
	const struct profile *p = d->v->profile;
	struct profile_process sum = {0};
	char name[FORMAT_NAME_SIZE + 16], n[FORMAT_SIZE];
	size_t i;

	if (p->processes.count == 1) {
		draw_outstanding(d, draw__process_name(name, &p->processes.items[0]),
				 &p->processes.items[0]);
		return;
	}
	for (i = 0; i < p->processes.count; i++) {
		const struct profile_process *process = &p->processes.items[i];

		sum.outstanding.blocks += process->outstanding.blocks;
		sum.outstanding.bytes += process->outstanding.bytes;
		sum.allocs += process->allocs;
		sum.frees += process->frees;
		sum.growth_bytes =
			(int64_t)((uint64_t)sum.growth_bytes + (uint64_t)process->growth_bytes);
	}
	snprintf(name, sizeof(name), "%s process%s", format__number(n, p->processes.count),
		 p->processes.count == 1 ? "" : "es");
	draw_outstanding(d, name, &sum);
}

static void draw_sampling(struct drawing *d)
{
	const struct profile *p = d->v->profile;
	char n[FORMAT_SIZE];

	if (p->sampling == PROFILE_SAMPLE_ALL)
		return;
	draw__put(d, 0, d->c->width, CANVAS_PLAIN,
		  "sampled: one allocation %s %s; these are estimates",
		  p->sampling == PROFILE_SAMPLE_RATE ? "in" : "every",
		  p->sampling == PROFILE_SAMPLE_RATE ? format__number(n, p->sampling_value)
						     : format__bytes(n, p->sampling_value));
	d->row++;
}

static void draw_losses(struct drawing *d)
{
	const struct profile_losses *l = &d->v->profile->losses;
	const struct {
		uint64_t n;
		const char *unit, *why;
	} rows[] = {
		{l->blocks, "allocation", "raise --max-blocks"},
		{l->frees, "free", "not seen"},
		{l->stacks, "stack", "raise --max-stacks"},
		{l->events, "event", "buffer full"},
		{l->sites, "allocation of alloc_*", "raise --max-stacks"},
		{l->truncated_stacks, "deep stack", "raise --stack-depth"},
		{l->broken_stacks, "broken stack", "nothing led further"},
	};
	char n[FORMAT_SIZE], text[512] = "";
	size_t i, length = 0;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].n)
			length += snprintf(text + length, sizeof(text) - length, "%s%s (%s)",
					   length ? ", " : "lost: ",
					   draw__count_of(n, rows[i].n, rows[i].unit), rows[i].why);
	if (!length)
		return;
	draw__put(d, 0, d->c->width, CANVAS_WARNING, "%s", text);
	d->row++;
}

static void draw_leaks(struct drawing *d, const struct profile_process *process)
{
	const struct profile_sum *l = process->leaks;
	char bytes[FORMAT_SIZE], blocks[FORMAT_SIZE], indirect[FORMAT_SIZE], possible[FORMAT_SIZE];
	char ms[FORMAT_SIZE];

	if (!process->checked)
		return;
	draw__put(d, 0, d->c->width,
		  l[PROFILE_VERDICT_DEFINITE].blocks ? CANVAS_ALARM : CANVAS_PLAIN,
		  "leaks: %s in %s definitely lost, %s indirectly, %s possibly; stopped for %s ms",
		  format__bytes(bytes, l[PROFILE_VERDICT_DEFINITE].bytes),
		  draw__count_of(blocks, l[PROFILE_VERDICT_DEFINITE].blocks, "block"),
		  format__bytes(indirect, l[PROFILE_VERDICT_INDIRECT].bytes),
		  format__bytes(possible, l[PROFILE_VERDICT_POSSIBLE].bytes),
		  format__decimal(ms, process->pause_ms, 1));
	d->row++;
}

void draw__head(struct drawing *d)
{
	uint32_t process = view__process(d->v);

	draw_sum(d);
	draw_sampling(d);
	draw_losses(d);
	if (process != PROFILE_NONE)
		draw_leaks(d, &d->v->profile->processes.items[process]);
	d->row++;
}

/* --- help --- */

void draw__help(struct drawing *d)
{
	static const char *const lines[] = {
		"",
		"  q            quit; the final report follows on the normal screen",
		"  up, down     move; also j and k, page up, page down, home, end",
		"  enter        expand a stack to its frames, or close it; also left and right",
		"  tab          go to the processes and back",
		"  b n g a      order by bytes, by number of blocks, by growth, by age",
		"  s            the next order",
		"  p, space     pause, and go on",
		"  r            a report now",
		"  l            a leak check of this process now; then the view pauses",
		"  w            save the profile",
		"  ctrl-l       draw all of it anew",
		"  h, ?         this page",
		"",
		"  OUTSTANDING  allocated and not freed, by blocks at least as old as --older says",
		"  GROWTH/s     bytes a second since the report before",
		"  KIND         what allocated: malloc, new, new[], mmap, or a family of yours",
		"  LOST         what the leak check says: definite, indirect, possible, reachable",
		"  HISTORY      bytes at the last reports, from the least to the most of them",
		"",
		"  Any key goes back.",
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lines); i++, d->row++)
		draw__put(d, 0, d->c->width, CANVAS_PLAIN, "%s", lines[i]);
}

void draw__keys(struct drawing *d)
{
	static const char *const keys[] = {"q quit",	    "enter frames", "s order",
					   "p pause",	    "l leak check", "w save",
					   "tab processes", "? help"};
	bool several = d->v->profile && d->v->profile->processes.count > 1;
	char text[256] = "";
	size_t i;

	for (i = 0; i < ARRAY_SIZE(keys); i++)
		if (several || strncmp(keys[i], "tab", 3) != 0)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), " %s ", keys[i]);
	draw__put(d, 0, d->c->width, CANVAS_BAR, "%s", text);
}
