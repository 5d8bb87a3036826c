// SPDX-License-Identifier: GPL-2.0-or-later
#include "profile/pprof_writer.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "profile/fields.h"
#include "profile/history.h"
#include "profile/path.h"
#include "util/cleanup.h"

#define LABEL PERFTOOLS__PROFILES__LABEL__INIT

/* --- labels --- */

static label *add_label(struct writer *w, enum pprof_label kind)
{
	static label none;
	label l = LABEL;

	l.key = writer__string(w, pprof_labels[kind]);
	writer__check(w, vector_push(&w->labels, l));
	return w->err ? &none : &w->labels.items[w->labels.count - 1];
}

static void add_text(struct writer *w, enum pprof_label kind, const char *text)
{
	label *l;

	if (!text)
		return;
	l = add_label(w, kind);
	l->str = writer__string(w, text);
}

static void add_number(struct writer *w, enum pprof_label kind, uint64_t n, const char *unit)
{
	label *l = add_label(w, kind);

	l->num = n;
	l->num_unit = writer__string(w, unit);
}

/* Exactly, and not at all where it is nothing. */
static void add_decimal(struct writer *w, enum pprof_label kind, double x)
{
	char text[40];

	if (isfinite(x) && x != 0)
		add_text(w, kind, fields__decimal(text, x));
}

static void add_age(struct writer *w, enum pprof_label kind, double ms)
{
	const double limit = 9e12; /* three centuries: fits in nanoseconds */

	ms = !isfinite(ms) ? 0 : ms > limit ? limit : ms < -limit ? -limit : ms;
	add_number(w, kind, (int64_t)llround(ms * 1e6), "nanoseconds");
}

/* --- samples --- */

static void print_text(struct writer *w, const char *fmt, uint64_t n)
{
	writer__check(w, vector_reserve(&w->text, w->text.count + 24));
	if (!w->err)
		w->text.count += snprintf(w->text.items + w->text.count, 24, fmt, n);
}

static bool has_flag(const struct writer *w, const struct profile_stack *s, uint32_t i,
		     enum pprof_label kind)
{
	const struct profile_location *l = &w->p->locations.items[w->p->frames.items[s->first + i]];

	return kind == PPROF_LABEL_INTERRUPTED ? l->interrupted : l->by_frame_pointer;
}

/* Which frames have a flag: "0,2-5". */
static void add_places(struct writer *w, const struct profile_stack *s, enum pprof_label kind)
{
	uint32_t i, start;

	w->text.count = 0;
	for (i = 0; i < s->count; i++) {
		if (!has_flag(w, s, i, kind))
			continue;
		print_text(w, w->text.count ? ",%" PRIu64 : "%" PRIu64, i);
		start = i;
		while (i + 1 < s->count && has_flag(w, s, i + 1, kind))
			i++;
		if (i > start)
			print_text(w, "-%" PRIu64, i);
	}
	if (w->text.count && !w->err)
		add_text(w, kind, w->text.items);
}

/* How far into its function each frame is: "26,,14". */
static void add_offsets(struct writer *w, const struct profile_stack *s)
{
	bool any = false;
	uint32_t i;

	w->text.count = 0;
	for (i = 0; i < s->count; i++) {
		const struct profile_location *l =
			&w->p->locations.items[w->p->frames.items[s->first + i]];
		const struct profile_line *line = l->nr_lines ? &l->lines[l->nr_lines - 1] : NULL;
		bool known = line && writer__has_name(line);

		print_text(w, i ? "," : "", 0);
		if (known)
			print_text(w, "%" PRIu64, line->offset);
		any |= known && line->offset;
	}
	if (any && !w->err)
		add_text(w, PPROF_LABEL_OFFSETS, w->text.items);
}

static void add_process_labels(struct writer *w, uint32_t index)
{
	const struct profile_process *process = &w->p->processes.items[index];

	add_number(w, PPROF_LABEL_PID, process->pid, NULL);
	if (hash__get(&w->pids, process->pid, 0) > 1)
		add_number(w, PPROF_LABEL_PROCESS, index + 1, NULL);
	add_text(w, PPROF_LABEL_COMM, process->comm);
}

static void add_path(struct writer *w, uint32_t number)
{
	struct json_object *path;

	if (!number)
		return;
	path = path__to_json(w->p, &w->p->paths.items[number - 1]);
	writer__check(w, path ? 0 : -ENOMEM);
	if (path)
		add_text(w, PPROF_LABEL_PATH, json_object_to_json_string_ext(path, WRITER_JSON));
	json_object_put(path);
}

static void add_entry_labels(struct writer *w, const struct profile_entry *e)
{
	uint32_t i;

	if (e->verdict != PROFILE_VERDICT_NONE) {
		add_text(w, PPROF_LABEL_VERDICT, profile__verdict_name(e->verdict));
		add_text(w, PPROF_LABEL_CYCLE, e->cycle ? "true" : "false");
		add_text(w, PPROF_LABEL_CYCLE_CLASSES, e->cycle_classes);
	}
	if (e->suppressed)
		add_text(w, PPROF_LABEL_SUPPRESSED, "true");
	if (e->resource)
		add_text(w, PPROF_LABEL_RESOURCE, "true");
	add_text(w, PPROF_LABEL_TYPE, e->type);
	add_age(w, PPROF_LABEL_OLDEST, e->oldest_ms);
	add_age(w, PPROF_LABEL_NEWEST, e->newest_ms);
	add_decimal(w, PPROF_LABEL_GROWTH, e->growth_bytes_per_s);
	add_path(w, e->path);
	if (e->trend != PROFILE_TREND_NONE) {
		add_text(w, PPROF_LABEL_TREND, profile__trend_name(e->trend));
		add_number(w, PPROF_LABEL_TREND_SINCE, e->trend_since_ms, "milliseconds");
		add_number(w, PPROF_LABEL_GENERATIONS, e->generations, NULL);
	}
	add_decimal(w, PPROF_LABEL_ERROR_BLOCKS, e->error.blocks);
	add_decimal(w, PPROF_LABEL_ERROR_BYTES, e->error.bytes);
	for (i = 0; i < e->nr_blocks; i++) {
		const struct profile_block *b = &w->p->blocks.items[e->first_block + i];

		add_number(w, PPROF_LABEL_BLOCK_ADDR, b->addr, NULL);
		add_number(w, PPROF_LABEL_BLOCK_BYTES, b->bytes, "bytes");
		add_age(w, PPROF_LABEL_BLOCK_AGE, b->age_ms);
	}
}

static void add_stack(struct writer *w, uint32_t index)
{
	const struct profile_stack *s =
		index < w->p->stacks.count ? &w->p->stacks.items[index] : NULL;
	uint32_t i;

	w->locations.count = 0;
	if (!s)
		return;
	writer__check(w, vector_reserve(&w->locations, s->count));
	for (i = 0; i < s->count && !w->err; i++)
		w->locations.items[w->locations.count++] =
			(uint64_t)w->p->frames.items[s->first + i] + 1;
	add_text(w, PPROF_LABEL_TRUNCATED, s->truncated ? "true" : NULL);
	add_text(w, PPROF_LABEL_BROKEN, s->broken ? "true" : NULL);
	add_places(w, s, PPROF_LABEL_BY_FRAME_POINTER);
	add_places(w, s, PPROF_LABEL_INTERRUPTED);
	add_offsets(w, s);
}

static void add_history(struct writer *w, const struct profile_history *history)
{
	CLEANUP_FREE char *text = NULL;

	if (!history->count)
		return;
	text = history__text(w->p, history);
	if (text)
		add_text(w, PPROF_LABEL_HISTORY, text);
	else
		writer__check(w, -ENOMEM);
}

/* A sample of the labels and locations at hand. */
static void emit_values(struct writer *w, const struct profile_sum *inuse,
			const struct profile_sum *allocs)
{
	Perftools__Profiles__Sample sample = PERFTOOLS__PROFILES__SAMPLE__INIT, *list = &sample;
	int64_t values[PPROF_VALUES] = {
		[PPROF_INUSE_OBJECTS] = writer__value(w, inuse->blocks),
		[PPROF_INUSE_SPACE] = writer__value(w, inuse->bytes),
		[PPROF_ALLOC_OBJECTS] = writer__value(w, allocs->blocks),
		[PPROF_ALLOC_SPACE] = writer__value(w, allocs->bytes),
	};
	part part = PART;
	size_t i;

	writer__check(w, vector_reserve(&w->label_list, w->labels.count));
	if (w->err)
		return;
	for (i = 0; i < w->labels.count; i++)
		w->label_list.items[i] = &w->labels.items[i];
	sample.n_location_id = w->locations.count;
	sample.location_id = w->locations.items;
	sample.n_value = PPROF_VALUES;
	sample.value = values;
	sample.n_label = w->labels.count;
	sample.label = w->label_list.items;
	part.n_sample = 1;
	part.sample = &list;
	writer__emit(w, &part);
}

static const struct profile_sum nothing;

/* A sample of what is outstanding (@e, or NULL) and of what was allocated (@site, or NULL). */
static void emit_sample(struct writer *w, const struct profile_entry *e,
			const struct profile_site *site)
{
	w->labels.count = 0;
	add_process_labels(w, e ? e->process : site->process);
	add_text(w, PPROF_LABEL_FAMILY, e ? e->family : site->family);
	if (e)
		add_entry_labels(w, e);
	if (site)
		add_history(w, &site->history);
	add_stack(w, e ? e->stack : site->stack);
	emit_values(w, e ? &e->sum : &nothing, site ? &site->allocs : &nothing);
}

/* One stack of a wrong free. */
static void emit_side(struct writer *w, const struct profile_wrong_free *f, const char *side,
		      uint32_t stack)
{
	if (stack == PROFILE_NONE)
		return;
	w->labels.count = 0;
	add_process_labels(w, f->process);
	add_text(w, PPROF_LABEL_WRONG, profile__wrong_name(f->kind));
	add_text(w, PPROF_LABEL_WRONG_SIDE, side);
	if (stack == f->free_stack) {
		add_number(w, PPROF_LABEL_WRONG_COUNT, f->count, NULL);
		add_number(w, PPROF_LABEL_WRONG_ADDR, f->addr, NULL);
		add_number(w, PPROF_LABEL_WRONG_BYTES, f->bytes, "bytes");
		add_number(w, PPROF_LABEL_WRONG_DELETED, f->deleted_bytes, "bytes");
		add_text(w, PPROF_LABEL_FAMILY, f->alloc_family);
		add_text(w, PPROF_LABEL_WRONG_FAMILY, f->free_family);
		add_text(w, PPROF_LABEL_TYPE, f->type);
		add_text(w, PPROF_LABEL_SUPPRESSED, f->suppressed ? "true" : NULL);
	}
	add_stack(w, stack);
	emit_values(w, &nothing, &nothing);
}

void writer__emit_wrong_frees(struct writer *w)
{
	size_t i;

	for (i = 0; i < w->p->wrong_frees.count && !w->err; i++) {
		const struct profile_wrong_free *f = &w->p->wrong_frees.items[i];

		emit_side(w, f, PPROF_SIDE_FREE, f->free_stack);
		emit_side(w, f, PPROF_SIDE_ALLOC, f->alloc_stack);
		emit_side(w, f, PPROF_SIDE_FIRST, f->first_free);
	}
}

#define SITE_KEY(x) ((uint64_t)(x)->process << 32 | (x)->stack), (uintptr_t)(x)->family

static void index_sites(struct writer *w)
{
	const struct profile *p = w->p;
	size_t i;

	w->site_written = calloc(p->sites.count + 1, sizeof(*w->site_written));
	writer__check(w, w->site_written ? 0 : -ENOMEM);
	for (i = 0; i < p->sites.count; i++)
		writer__check(w, hash__set(&w->site_index, SITE_KEY(&p->sites.items[i]), i));
	for (i = 0; i < p->processes.count; i++) {
		uint32_t pid = p->processes.items[i].pid;
		uint32_t n = hash__get(&w->pids, pid, 0);

		writer__check(w, hash__set(&w->pids, pid, 0, n == HASH_NONE ? 1 : 2));
	}
}

/* By stack, so that whoever reads them numbers the stacks in this order, which breaks ties. */
static int compare_entries(const void *x, const void *y, void *context)
{
	const struct profile *p = context;
	uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;
	uint32_t s = p->entries.items[a].stack, t = p->entries.items[b].stack;

	if (s != t)
		return s < t ? -1 : 1;
	return (a > b) - (a < b);
}

void writer__emit_samples(struct writer *w)
{
	const struct profile *p = w->p;
	CLEANUP_FREE uint32_t *order = calloc(p->entries.count + 1, sizeof(*order));
	size_t i;

	index_sites(w);
	if (w->err || !order) {
		writer__check(w, -ENOMEM);
		return;
	}
	for (i = 0; i < p->entries.count; i++)
		order[i] = i;
	qsort_r(order, p->entries.count, sizeof(*order), compare_entries, (void *)p);
	for (i = 0; i < p->entries.count; i++) {
		const struct profile_entry *e = &p->entries.items[order[i]];
		const struct profile_site *site = NULL;
		uint32_t s = hash__get(&w->site_index, SITE_KEY(e));

		if (s != HASH_NONE && !w->site_written[s]) {
			site = &p->sites.items[s];
			w->site_written[s] = true;
		}
		emit_sample(w, e, site);
	}
	for (i = 0; i < p->sites.count; i++)
		if (!w->site_written[i])
			emit_sample(w, NULL, &p->sites.items[i]);
}
