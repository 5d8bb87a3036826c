// SPDX-License-Identifier: GPL-2.0-or-later

/*
 * A flame graph as one picture. Every box is a function; its width is what is outstanding of the
 * blocks that it or its callees allocated, the outermost function on top, the largest callee on the
 * left. Where processes are several, each has a box of its own above its functions.
 *
 * Of differences the width is what grew and what shrank taken together, the colour and the sign say
 * which of them is more.
 */

#include <errno.h>
#include <math.h>
#include <string.h>

#include "report/format.h"
#include "report/report.h"
#include "report/stream.h"
#include "report/tree.h"
#include "util/cleanup.h"
#include "util/utf8.h"

#define WIDTH	  1200.0 /* of the boxes, in pixels */
#define MARGIN	  10
#define ROW	  17
#define TOP	  56
#define CHARACTER 6.7 /* of the text in a box */
#define NARROWEST 0.4 /* what is narrower is not drawn */
#define HUES	  8
#define PROCESSES 0x80000000u /* numbers of processes among those of frames */

/* What a node stands for, callees included. */
struct box {
	double weight;		/* what it is as wide as */
	uint64_t bytes, blocks; /* of differences two's complement */
	double x;		/* of the left edge, in weights */
	double next;		/* where the next callee begins */
	uint32_t depth;
};

struct svg {
	struct stream s;
	const struct profile *p;
	struct tree tree;
	struct box *boxes;
	uint8_t *hues; /* by module; 0: none yet */
	uint8_t last_hue;
	uint32_t deepest;
};

static void release(struct svg *g)
{
	tree__release(&g->tree);
	free(g->boxes);
	free(g->hues);
}

/* --- text --- */

/* @text, which is UTF-8 without control characters, as XML takes it. */
static void print_xml(struct stream *s, const char *text, size_t n)
{
	static const char *const escapes[256] = {['<'] = "&lt;",
						 ['>'] = "&gt;",
						 ['&'] = "&amp;",
						 ['"'] = "&quot;",
						 ['\''] = "&#39;"};
	size_t i, length;
	uint32_t code;

	for (i = 0; i < n; i += length) {
		const char *escape = escapes[(unsigned char)text[i]];

		length = utf8__decode(text + i, &code);
		/* These two are no characters of XML. */
		if (code == 0xfffe || code == 0xffff)
			escape = "&#xfffd;";
		if (escape)
			stream__print(s, "%s", escape);
		else
			stream__write(s, text + i, length);
	}
}

/* A name of the process, cut off where it is wider than @columns. */
static void print_name(struct stream *s, const char *name, size_t columns)
{
	char buf[FORMAT_NAME_SIZE];
	bool cut = format__name(buf, name, FORMAT_NAME_COLUMNS) > columns;
	size_t n = 0, at;
	uint32_t code;

	for (at = 0; buf[n] && at + cut < columns; at++)
		n += utf8__decode(buf + n, &code);
	print_xml(s, buf, n);
	if (cut)
		stream__print(s, "\u2026");
}

static const char *bytes_text(const struct svg *g, char buf[static FORMAT_SIZE], uint64_t bytes)
{
	return g->p->diff ? format__change(buf, (int64_t)bytes) : format__bytes(buf, bytes);
}

static const char *blocks_text(const struct svg *g, char buf[static FORMAT_SIZE], uint64_t blocks)
{
	int64_t change = blocks;
	char count[FORMAT_SIZE];

	if (!g->p->diff)
		return format__count(buf, blocks);
	format__count(count, change < 0 ? -blocks : blocks);
	snprintf(buf, FORMAT_SIZE, "%s%.40s", change < 0 ? "-" : "+", count);
	return buf;
}

/* --- the boxes --- */

/* Heap alone, as in the sums. */
static bool is_shown(const struct profile_entry *e)
{
	return e->sum.bytes && !e->resource && strcmp(e->family, "mmap") != 0;
}

static int find_node(struct svg *g, const struct profile_entry *e, uint32_t *ret)
{
	uint32_t process = 0;
	int err = 0;

	if (g->p->processes.count > 1)
		err = tree__child(&g->tree, 0, PROCESSES + e->process, &process);
	return err ? err : tree__add_stack(&g->tree, process, e->stack, ret);
}

static void add_up(struct svg *g)
{
	uint32_t i;

	for (i = g->tree.nodes.count; i-- > 1;) {
		struct box *to = &g->boxes[g->tree.nodes.items[i].parent];

		to->weight += g->boxes[i].weight;
		to->bytes += g->boxes[i].bytes;
		to->blocks += g->boxes[i].blocks;
	}
}

static int make_boxes(struct svg *g, const struct report_options *o)
{
	const struct profile *p = g->p;
	CLEANUP_FREE uint32_t *nodes = calloc(p->entries.count + 1, sizeof(*nodes));
	uint32_t i, k;
	int err = nodes ? 0 : -ENOMEM;

	for (k = 0; k < p->processes.count; k++) {
		const struct profile_process *process = &p->processes.items[k];

		for (i = 0; i < process->nr_entries && i < o->top && !err; i++) {
			uint32_t e = process->first_entry + i;

			if (is_shown(&p->entries.items[e]))
				err = find_node(g, &p->entries.items[e], &nodes[e]);
		}
	}
	g->boxes = err ? NULL : calloc(g->tree.nodes.count, sizeof(*g->boxes));
	if (!g->boxes)
		return -ENOMEM;
	for (i = 0; i < p->entries.count; i++) {
		const struct profile_sum *sum = &p->entries.items[i].sum;
		struct box *box = &g->boxes[nodes[i]];

		if (!nodes[i])
			continue;
		box->weight += p->diff ? fabs((double)(int64_t)sum->bytes) : sum->bytes;
		box->bytes += sum->bytes;
		box->blocks += sum->blocks;
	}
	add_up(g);
	return 0;
}

/* By caller, and then the largest first. */
static int compare_nodes(const void *x, const void *y, void *context)
{
	const struct svg *g = context;
	uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;
	const struct tree_node *m = &g->tree.nodes.items[a], *n = &g->tree.nodes.items[b];

	if (m->parent != n->parent)
		return m->parent < n->parent ? -1 : 1;
	if (g->boxes[a].weight != g->boxes[b].weight)
		return g->boxes[a].weight > g->boxes[b].weight ? -1 : 1;
	return (a > b) - (a < b);
}

static double pixels(const struct svg *g, double weight)
{
	return g->boxes[0].weight > 0 ? weight / g->boxes[0].weight * WIDTH : 0;
}

/* A caller's number is less than those of its callees, so that it has its place before them. */
static int lay_out(struct svg *g)
{
	size_t n = g->tree.nodes.count, i;
	CLEANUP_FREE uint32_t *order = calloc(n, sizeof(*order));

	if (!order)
		return -ENOMEM;
	for (i = 0; i < n; i++)
		order[i] = i;
	qsort_r(order + 1, n - 1, sizeof(*order), compare_nodes, g);
	for (i = 1; i < n; i++) {
		struct box *box = &g->boxes[order[i]];
		struct box *caller = &g->boxes[g->tree.nodes.items[order[i]].parent];

		box->x = box->next = caller->next;
		box->depth = caller->depth + 1;
		caller->next += box->weight;
		if (pixels(g, box->weight) >= NARROWEST && box->depth > g->deepest)
			g->deepest = box->depth;
	}
	return 0;
}

/* --- the picture --- */

/* Modules have colours of their own, until they are too many; of differences the colour is the
 * share that is left when what shrank is taken from what grew. */
static void print_color(struct svg *g, uint32_t node)
{
	const struct box *box = &g->boxes[node];
	const struct profile_line *line;
	const struct profile_location *l =
		tree__location(&g->tree, g->tree.nodes.items[node].frame, &line);
	int64_t change = box->bytes;
	uint8_t *hue;

	if (g->p->diff) {
		stream__print(&g->s, "%c%d", change < 0 ? 's' : 'g',
			      (int)fmin(fabs((double)change) / box->weight * 3, 2));
		return;
	}
	if (!l || l->module >= g->p->modules.count) {
		stream__print(&g->s, "m");
		return;
	}
	hue = &g->hues[l->module];
	if (!*hue)
		*hue = g->last_hue < HUES ? ++g->last_hue : HUES;
	stream__print(&g->s, "c%d", *hue - 1);
}

/* What a pointer brings up. */
static void print_title(struct svg *g, uint32_t node, const char *name)
{
	const struct box *box = &g->boxes[node];
	const struct profile_line *line;
	const struct profile_location *l =
		tree__location(&g->tree, g->tree.nodes.items[node].frame, &line);
	char bytes[FORMAT_SIZE], blocks[FORMAT_SIZE];

	stream__print(&g->s, "<title>");
	print_name(&g->s, name, FORMAT_NAME_COLUMNS);
	stream__print(&g->s, "\n%s in %s blocks, ", bytes_text(g, bytes, box->bytes),
		      blocks_text(g, blocks, box->blocks));
	stream__print(&g->s, "%s%%",
		      format__decimal(bytes, box->weight / g->boxes[0].weight * 100, 1));
	if (l && line->file && *line->file) {
		stream__print(&g->s, "\n");
		print_name(&g->s, line->file, FORMAT_NAME_COLUMNS);
	}
	if (l && l->module < g->p->modules.count) {
		stream__print(&g->s, "\n");
		print_name(&g->s, g->p->modules.items[l->module].path, FORMAT_NAME_COLUMNS);
	}
	stream__print(&g->s, "</title>");
}

static char *name_of(const struct svg *g, uint32_t node)
{
	uint32_t frame = g->tree.nodes.items[node].frame;
	const struct profile_process *process;
	char *name;

	if (frame < PROCESSES)
		return tree__name(&g->tree, frame);
	process = &g->p->processes.items[frame - PROCESSES];
	return asprintf(&name, "%s[%u]", process->comm, process->pid) < 0 ? NULL : name;
}

static void print_box(struct svg *g, uint32_t node)
{
	const struct box *box = &g->boxes[node];
	double width = pixels(g, box->weight), x = MARGIN + pixels(g, box->x);
	double y = TOP + (double)(box->depth - 1) * ROW;
	size_t columns = width > 6 ? (width - 6) / CHARACTER : 0;
	CLEANUP_FREE char *name = name_of(g, node);
	char number[3][FORMAT_SIZE];

	if (!name) {
		g->s.err = g->s.err ? g->s.err : -ENOMEM;
		return;
	}
	stream__print(&g->s, "<g class=\"");
	print_color(g, node);
	stream__print(&g->s, "\">");
	print_title(g, node, name);
	stream__print(&g->s, "<rect x=\"%s\" y=\"%.0f\" width=\"%s\" height=\"%d\"/>",
		      format__decimal(number[0], x, 2), y,
		      format__decimal(number[1], fmax(width - 0.5, NARROWEST), 2), ROW - 1);
	if (columns >= 3) {
		stream__print(&g->s, "<text x=\"%s\" y=\"%.0f\">",
			      format__decimal(number[2], x + 3, 2), y + 12);
		if (g->p->diff)
			stream__print(&g->s, (int64_t)box->bytes < 0 ? "- " : "+ ");
		print_name(&g->s, name, columns - 2 * g->p->diff);
		stream__print(&g->s, "</text>");
	}
	stream__print(&g->s, "</g>\n");
}

static const char style[] =
	":root{--paper:#fff;--ink:#1b1f24}"
	"svg{background:var(--paper);font:11px ui-monospace,Menlo,Consolas,monospace}"
	"text{fill:#1b1f24}"
	".h text{fill:var(--ink);font:14px system-ui,sans-serif}"
	".h .t{font-size:18px;font-weight:600}"
	"g:hover>rect{stroke:var(--ink);stroke-width:1.5}"
	".c0 rect{fill:#f2b872}.c1 rect{fill:#8fc1e3}.c2 rect{fill:#a8d5a2}"
	".c3 rect{fill:#e8a0a0}.c4 rect{fill:#c9b1e0}.c5 rect{fill:#e6d37a}"
	".c6 rect{fill:#92d3cb}.c7 rect{fill:#d8b59a}.m rect{fill:#c3c8ce}"
	".g0 rect{fill:#f7dcc4}.g1 rect{fill:#f2b98a}.g2 rect{fill:#e8894a}"
	".s0 rect{fill:#d3e3f3}.s1 rect{fill:#a5c8e8}.s2 rect{fill:#6ea6d9}"
	"@media(prefers-color-scheme:dark){:root{--paper:#14171a;--ink:#e6e8ea}}";

static void print_head(struct svg *g)
{
	const struct profile *p = g->p;
	const struct profile_process *process = p->processes.count ? p->processes.items : NULL;
	char time[FORMAT_SIZE], bytes[FORMAT_SIZE], blocks[FORMAT_SIZE];
	double height = TOP + (double)g->deepest * ROW + MARGIN;

	stream__print(&g->s,
		      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" "
		      "viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-labelledby=\"what\">\n"
		      "<style>%s</style>\n<g class=\"h\"><text id=\"what\" class=\"t\" x=\"%d\" "
		      "y=\"26\">",
		      WIDTH + 2 * MARGIN, height, WIDTH + 2 * MARGIN, height, style, MARGIN);
	if (p->processes.count > 1)
		stream__print(&g->s, "%zu processes", p->processes.count);
	else if (process)
		print_name(&g->s, process->comm, 40);
	if (p->processes.count == 1 && !p->diff)
		stream__print(&g->s, "[%u]", process->pid);
	stream__print(&g->s, ": %s in %s blocks%s</text>", bytes_text(g, bytes, g->boxes[0].bytes),
		      blocks_text(g, blocks, g->boxes[0].blocks), p->diff ? "" : " outstanding");
	stream__print(&g->s, "<text x=\"%d\" y=\"45\">%s%s", MARGIN,
		      format__iso_time(time, p->time_ms),
		      p->diff ? "; orange grew, blue shrank" : "");
	if (!g->boxes[0].weight)
		stream__print(&g->s, "; %s",
			      p->diff ? "no stack has changed" : "nothing is outstanding");
	stream__print(&g->s, "</text></g>\n");
}

static int draw(struct svg *g)
{
	uint32_t i;

	print_head(g);
	for (i = 1; i < g->tree.nodes.count && !g->s.err; i++)
		if (pixels(g, g->boxes[i].weight) >= NARROWEST)
			print_box(g, i);
	stream__print(&g->s, "</svg>\n");
	return stream__finish(&g->s);
}

int report__svg(const struct profile *p, const struct report_options *o, FILE *out)
{
	CLEANUP(release) struct svg g = {.s = {.out = out}, .p = p};
	int err = tree__init(&g.tree, p, true);

	g.hues = calloc(p->modules.count + 1, sizeof(*g.hues));
	if (!err && !g.hues)
		err = -ENOMEM;
	if (!err)
		err = make_boxes(&g, o);
	if (!err)
		err = lay_out(&g);
	return err ? err : draw(&g);
}
