// SPDX-License-Identifier: GPL-2.0-or-later
#include "report/html.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "report/format.h"
#include "report/hint.h"
#include "report/json.h"
#include "report/remedy.h"
#include "report/tree.h"
#include "util/cleanup.h"
#include "util/utf8.h"

struct data {
	struct stream *s;
	const struct profile *p;
	struct tree tree;
	struct profile *names;	/* for its interned strings */
	struct hash name_index; /* (interned string, 0) to its number */
	VECTOR(const char *) list;
};

static void release(struct data *d)
{
	tree__release(&d->tree);
	profile__destroy(d->names);
	hash__release(&d->name_index);
	vector_release(&d->list);
}

static void check(struct data *d, int err)
{
	if (!d->s->err)
		d->s->err = err;
}

/* --- JSON --- */

/* JSON, whose strings alone hold these characters, so that no element ends and none begins. */
static void write_safely(struct stream *s, const char *json)
{
	size_t n;

	while (*json) {
		n = strcspn(json, "<>&");
		stream__write(s, json, n);
		json += n;
		if (*json)
			stream__print(s, "\\u%04x", (unsigned char)*json++);
	}
}

/* Takes @object, which is NULL where memory was short. */
static void write_object(struct data *d, struct json_object *object)
{
	const int flags = JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE;
	const char *text = object ? json_object_to_json_string_ext(object, flags) : NULL;

	if (text)
		write_safely(d->s, text);
	else
		check(d, -ENOMEM);
	json_object_put(object);
}

static void write_string(struct data *d, const char *text)
{
	CLEANUP_FREE char *clean = utf8__clean(text);

	write_object(d, clean ? json_object_new_string(clean) : NULL);
}

/* The number of a string; of NULL that of the empty one. */
static uint32_t number(struct data *d, const char *text)
{
	const char *name = profile__intern(d->names, text ? text : "");
	uint32_t i = name ? hash__get(&d->name_index, (uintptr_t)name, 0) : HASH_NONE;

	if (i != HASH_NONE)
		return i;
	check(d, name ? vector_push(&d->list, name) : -ENOMEM);
	if (d->s->err)
		return 0;
	i = d->list.count - 1;
	check(d, hash__set(&d->name_index, (uintptr_t)name, 0, i));
	return i;
}

static void write_amount(struct data *d, uint64_t n)
{
	if (d->p->diff)
		stream__print(d->s, ",%" PRId64, (int64_t)n);
	else
		stream__print(d->s, ",%" PRIu64, n);
}

static void write_decimal(struct data *d, double x, int decimals)
{
	char text[FORMAT_SIZE];

	stream__print(d->s, ",%s", format__decimal(text, x, decimals));
}

/* --- the parts --- */

static void write_frame(struct data *d, uint32_t frame)
{
	const struct profile_line *line;
	const struct profile_location *l = tree__location(&d->tree, frame, &line);
	const struct profile_module *m =
		l && l->module < d->p->modules.count ? &d->p->modules.items[l->module] : NULL;
	char offset[24] = "", pc[24];

	if (!l) {
		CLEANUP_FREE char *name = tree__name(&d->tree, frame);

		stream__print(d->s, "[%u,0,0,0,0,0,0]", number(d, name));
		return;
	}
	if (line->symbol && *line->symbol && !line->inlined)
		snprintf(offset, sizeof(offset), "0x%" PRIx64, line->offset);
	snprintf(pc, sizeof(pc), "0x%" PRIx64, l->pc);
	stream__print(d->s, "[%u,%u,%u,%u,", number(d, line->symbol), number(d, offset),
		      number(d, line->file), line->line);
	stream__print(d->s, "%u,%u,%d]", number(d, m ? m->path : NULL), number(d, pc),
		      line->inlined | l->by_frame_pointer << 1);
}

static void write_frames(struct data *d)
{
	uint32_t i;

	for (i = 0; i < d->tree.frames.count && !d->s->err; i++) {
		stream__print(d->s, "%s", i ? "," : "");
		write_frame(d, i);
	}
}

static void write_nodes(struct data *d)
{
	size_t i;

	for (i = 0; i < d->tree.nodes.count; i++) {
		const struct tree_node *node = &d->tree.nodes.items[i];

		stream__print(d->s, i ? ",%zu,%u" : "1,0", i - node->parent, node->frame);
	}
}

static void write_stack(struct data *d, const struct profile_entry *e)
{
	char remedy[REMEDY_SIZE], hint[HINT_SIZE];
	uint32_t node = 0;

	check(d, tree__add_stack(&d->tree, 0, e->stack, &node));
	stream__print(d->s, "[%u,%u,%u,%u,%u,%d", e->process, node, number(d, e->family),
		      number(d, profile__verdict_name(e->verdict)), number(d, e->type),
		      e->cycle | e->suppressed << 1 | e->resource << 2);
	write_amount(d, e->sum.blocks);
	write_amount(d, e->sum.bytes);
	write_decimal(d, e->growth_bytes_per_s, 1);
	write_decimal(d, e->oldest_ms, 0);
	write_decimal(d, e->newest_ms, 0);
	write_decimal(d, e->error.bytes, 0);
	stream__print(d->s, ",%u,%u]", number(d, remedy__text(e, remedy)),
		      number(d, e->trend == PROFILE_TREND_NONE ? NULL : hint__text(e, hint)));
}

static void write_stacks(struct data *d, uint64_t top)
{
	bool first = true;
	uint32_t i;
	size_t k;

	for (k = 0; k < d->p->processes.count; k++) {
		const struct profile_process *process = &d->p->processes.items[k];

		for (i = 0; i < process->nr_entries && i < top && !d->s->err; i++) {
			stream__print(d->s, first ? "" : ",");
			write_stack(d, &d->p->entries.items[process->first_entry + i]);
			first = false;
		}
	}
}

static void write_history(struct data *d, uint32_t process, int64_t node, const char *family,
			  const struct profile_history *history)
{
	uint32_t i;

	stream__print(d->s, "[%u,%" PRId64 ",%u,[", process, node, number(d, family));
	for (i = 0; i < history->count; i++) {
		const struct profile_point *point = &d->p->points.items[history->first + i];
		char at[FORMAT_SIZE];

		stream__print(d->s, "%s%s,%" PRIu64, i ? "," : "",
			      format__decimal(at, point->at_s, 3), point->bytes);
	}
	stream__print(d->s, "]]");
}

static uint64_t largest(const struct profile *p, const struct profile_history *history)
{
	uint64_t most = 0;
	uint32_t i;

	for (i = 0; i < history->count; i++)
		if (p->points.items[history->first + i].bytes > most)
			most = p->points.items[history->first + i].bytes;
	return most;
}

/* What a stack is, not where this profile keeps it. */
static int compare_stacks(const struct profile *p, uint32_t x, uint32_t y)
{
	static const struct profile_stack none;
	const struct profile_stack *a = x < p->stacks.count ? &p->stacks.items[x] : &none;
	const struct profile_stack *b = y < p->stacks.count ? &p->stacks.items[y] : &none;
	uint32_t i;

	if (a->count != b->count)
		return a->count < b->count ? -1 : 1;
	for (i = 0; i < a->count; i++) {
		uint64_t m = p->locations.items[p->frames.items[a->first + i]].pc;
		uint64_t n = p->locations.items[p->frames.items[b->first + i]].pc;

		if (m != n)
			return m < n ? -1 : 1;
	}
	return 0;
}

/* By process, and then those first that held most once. */
static int compare_sites(const void *x, const void *y, void *context)
{
	const struct profile *p = context;
	const struct profile_site *a = &p->sites.items[*(const uint32_t *)x];
	const struct profile_site *b = &p->sites.items[*(const uint32_t *)y];
	uint64_t m = largest(p, &a->history), n = largest(p, &b->history);
	int c;

	if (a->process != b->process)
		return a->process < b->process ? -1 : 1;
	if (m != n)
		return m > n ? -1 : 1;
	c = strcmp(a->family, b->family);
	return c ? c : compare_stacks(p, a->stack, b->stack);
}

/* Those of processes, and then of stacks, which need not hold anything any more. */
static void write_histories(struct data *d)
{
	const struct profile *p = d->p;
	CLEANUP_FREE uint32_t *order = calloc(p->sites.count + 1, sizeof(*order));
	const char *comma = "";
	uint32_t node = 0, i, n = 0;

	check(d, order ? 0 : -ENOMEM);
	for (i = 0; i < p->processes.count; i++) {
		if (!p->processes.items[i].history.count)
			continue;
		stream__print(d->s, "%s", comma);
		write_history(d, i, -1, NULL, &p->processes.items[i].history);
		comma = ",";
	}
	for (i = 0; i < p->sites.count && order; i++)
		if (p->sites.items[i].history.count)
			order[n++] = i;
	if (n)
		qsort_r(order, n, sizeof(*order), compare_sites, (void *)p);
	for (i = 0; i < n && !d->s->err; i++) {
		const struct profile_site *site = &p->sites.items[order[i]];

		check(d, tree__add_stack(&d->tree, 0, site->stack, &node));
		stream__print(d->s, "%s", comma);
		write_history(d, site->process, node, site->family, &site->history);
		comma = ",";
	}
}

/* A wrong free with its process and the nodes of its stacks; 0: there is none. */
static void write_wrong_free(struct data *d, uint32_t process, const struct profile_wrong_free *f)
{
	const struct {
		const char *name;
		uint32_t stack;
	} sides[] = {{"alloc", f->alloc_stack}, {"free", f->free_stack}, {"first", f->first_free}};
	struct json_object *object = json__wrong_free(f);
	uint32_t node;
	size_t i;
	int err = object ? 0 : -ENOMEM;

	if (!err)
		err = json_object_object_add(object, "process", json_object_new_int(process));
	for (i = 0; i < ARRAY_SIZE(sides) && !err; i++) {
		node = 0;
		if (sides[i].stack != PROFILE_NONE)
			err = tree__add_stack(&d->tree, 0, sides[i].stack, &node);
		if (!err)
			err = json_object_object_add(object, sides[i].name,
						     json_object_new_int64(node));
	}
	check(d, err < 0 ? -ENOMEM : 0);
	write_object(d, object);
}

static void write_wrong_frees(struct data *d)
{
	const char *comma = "";
	uint32_t i, k;

	for (i = 0; i < d->p->processes.count; i++) {
		const struct profile_process *p = &d->p->processes.items[i];

		for (k = 0; k < p->nr_wrongs && !d->s->err; k++) {
			stream__print(d->s, "%s", comma);
			write_wrong_free(d, i, &d->p->wrong_frees.items[p->first_wrong + k]);
			comma = ",";
		}
	}
}

static void write_strings(struct data *d)
{
	size_t i;

	for (i = 0; i < d->list.count && !d->s->err; i++) {
		stream__print(d->s, "%s", i ? "," : "");
		write_string(d, d->list.items[i]);
	}
}

void html__data(struct stream *s, const struct profile *p, uint64_t top)
{
	CLEANUP(release) struct data d = {.s = s, .p = p, .names = profile__create()};
	size_t i;

	check(&d, d.names ? tree__init(&d.tree, p, false) : -ENOMEM);
	if (s->err)
		return;
	number(&d, "");
	stream__print(s, "{\"report\":");
	write_object(&d, json__report(p));
	stream__print(s, ",\"processes\":[");
	for (i = 0; i < p->processes.count && !s->err; i++) {
		stream__print(s, "%s", i ? "," : "");
		write_object(&d, json__process(p, &p->processes.items[i]));
	}
	stream__print(s, "],\"stacks\":[");
	write_stacks(&d, top);
	stream__print(s, "],\"histories\":[");
	write_histories(&d);
	stream__print(s, "],\"wrong_frees\":[");
	write_wrong_frees(&d);
	stream__print(s, "],\"nodes\":[");
	write_nodes(&d);
	stream__print(s, "],\"frames\":[");
	write_frames(&d);
	stream__print(s, "],\"strings\":[");
	write_strings(&d);
	stream__print(s, "]}");
}
