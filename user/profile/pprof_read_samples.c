// SPDX-License-Identifier: GPL-2.0-or-later
#include "profile/pprof_reader.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "profile/history.h"
#include "profile/path.h"

typedef Perftools__Profiles__Sample sample;
typedef Perftools__Profiles__Label label;

#define DECIMAL_LIMIT 40

/* A sample's labels as an entry has them. */
struct labels {
	uint32_t pid, process;
	const char *comm;
	bool truncated, broken;
	const char *by_frame_pointer, *interrupted, *offsets;
	struct profile_entry entry;
	struct profile_history history;
	const char *wrong, *side; /* NULL: it is no side of a wrong free */
	struct profile_wrong_free wrong_free;
};

static int read_decimal(const struct reader *r, int64_t i, double *ret)
{
	const char *text = reader__raw_string(r, i);
	double x;

	if (!text || strnlen(text, DECIMAL_LIMIT) == DECIMAL_LIMIT)
		return -EBADMSG;
	x = strtod(text, NULL);
	*ret = fabs(x) <= 1e18 ? x : 0;
	return 0;
}

static void read_verdict(const char *text, struct profile_entry *e)
{
	int v;

	for (v = PROFILE_VERDICT_DEFINITE; v <= PROFILE_VERDICT_REACHABLE; v++)
		if (strcmp(text, profile__verdict_name(v)) == 0)
			e->verdict = v;
}

static void read_trend(const char *text, struct profile_entry *e)
{
	int t;

	for (t = PROFILE_TREND_NONE + 1; t < PROFILE_TRENDS; t++)
		if (strcmp(text, profile__trend_name(t)) == 0)
			e->trend = t;
}

static int read_block(struct reader *r, struct profile_entry *e, enum pprof_label kind, int64_t n)
{
	struct profile_block block = {.addr = n};

	if (kind == PPROF_LABEL_BLOCK_ADDR) {
		if (!e->nr_blocks++)
			e->first_block = r->p->blocks.count;
		return vector_push(&r->p->blocks, block);
	}
	if (!e->nr_blocks)
		return 0;
	if (kind == PPROF_LABEL_BLOCK_BYTES)
		r->p->blocks.items[r->p->blocks.count - 1].bytes = n;
	else
		r->p->blocks.items[r->p->blocks.count - 1].age_ms = n / 1e6;
	return 0;
}

/* @text is interned. */
static int read_history(struct reader *r, const char *text, struct profile_history *ret)
{
	uint32_t i = hash__get(&r->histories, (uintptr_t)text, 0);
	int err;

	if (i != HASH_NONE) {
		*ret = r->history_list.items[i];
		return 0;
	}
	err = history__read(r->p, text, ret);
	if (!err)
		err = vector_push(&r->history_list, *ret);
	return err ? err : hash__set(&r->histories, (uintptr_t)text, 0, r->history_list.count - 1);
}

/* Labels of the stack alone; others stay as they are. */
static void read_stack_label(enum pprof_label kind, const char *text, struct labels *ret)
{
	if (kind == PPROF_LABEL_TRUNCATED)
		ret->truncated = true;
	else if (kind == PPROF_LABEL_BROKEN)
		ret->broken = true;
	else if (kind == PPROF_LABEL_BY_FRAME_POINTER)
		ret->by_frame_pointer = text;
	else if (kind == PPROF_LABEL_INTERRUPTED)
		ret->interrupted = text;
	else if (kind == PPROF_LABEL_OFFSETS)
		ret->offsets = text;
}

/* Labels of wrong frees alone; others are somebody else's. */
static void read_wrong_label(enum pprof_label kind, const label *l, const char *text,
			     struct labels *ret)
{
	struct profile_wrong_free *f = &ret->wrong_free;

	if (kind == PPROF_LABEL_WRONG)
		ret->wrong = text;
	else if (kind == PPROF_LABEL_WRONG_SIDE)
		ret->side = text;
	else if (kind == PPROF_LABEL_WRONG_COUNT)
		f->count = l->num;
	else if (kind == PPROF_LABEL_WRONG_ADDR)
		f->addr = l->num;
	else if (kind == PPROF_LABEL_WRONG_BYTES)
		f->bytes = l->num;
	else if (kind == PPROF_LABEL_WRONG_DELETED)
		f->deleted_bytes = l->num;
	else if (kind == PPROF_LABEL_WRONG_FAMILY)
		f->free_family = text;
}

static int read_label(struct reader *r, const label *l, struct labels *ret)
{
	struct profile_entry *e = &ret->entry;
	const char *text;
	int err = reader__raw_string(r, l->key) ? reader__name(r, l->str, &text) : -EBADMSG;

	if (err)
		return err;
	switch (r->label_kinds[l->key]) {
	case PPROF_LABEL_PID:
		ret->pid = l->num;
		return 0;
	case PPROF_LABEL_PROCESS:
		ret->process = l->num > 0 && l->num <= UINT32_MAX ? l->num : 0;
		return 0;
	case PPROF_LABEL_COMM:
		ret->comm = text;
		return 0;
	case PPROF_LABEL_FAMILY:
		e->family = text;
		return 0;
	case PPROF_LABEL_VERDICT:
		read_verdict(text, e);
		return 0;
	case PPROF_LABEL_CYCLE:
		e->cycle = strcmp(text, "true") == 0;
		return 0;
	case PPROF_LABEL_CYCLE_CLASSES:
		e->cycle_classes = *text ? text : NULL;
		return 0;
	case PPROF_LABEL_SUPPRESSED:
		e->suppressed = strcmp(text, "true") == 0;
		return 0;
	case PPROF_LABEL_RESOURCE:
		e->resource = strcmp(text, "true") == 0;
		return 0;
	case PPROF_LABEL_TYPE:
		e->type = *text ? text : NULL;
		return 0;
	case PPROF_LABEL_OLDEST:
		e->oldest_ms = l->num / 1e6;
		return 0;
	case PPROF_LABEL_NEWEST:
		e->newest_ms = l->num / 1e6;
		return 0;
	case PPROF_LABEL_TREND:
		read_trend(text, e);
		return 0;
	case PPROF_LABEL_TREND_SINCE:
		e->trend_since_ms = l->num > 0 && l->num <= TIME_LIMIT_MS ? l->num : 0;
		return 0;
	case PPROF_LABEL_GENERATIONS:
		e->generations = l->num > 0 && l->num <= 64 ? l->num : 0;
		return 0;
	case PPROF_LABEL_PATH:
		return path__from_json(r->p, text, &e->path);
	case PPROF_LABEL_GROWTH:
		return read_decimal(r, l->str, &e->growth_bytes_per_s);
	case PPROF_LABEL_ERROR_BLOCKS:
		return read_decimal(r, l->str, &e->error.blocks);
	case PPROF_LABEL_ERROR_BYTES:
		return read_decimal(r, l->str, &e->error.bytes);
	case PPROF_LABEL_BLOCK_ADDR:
	case PPROF_LABEL_BLOCK_BYTES:
	case PPROF_LABEL_BLOCK_AGE:
		return read_block(r, e, r->label_kinds[l->key], l->num);
	case PPROF_LABEL_HISTORY:
		return read_history(r, text, &ret->history);
	default:
		read_stack_label(r->label_kinds[l->key], text, ret);
		read_wrong_label(r->label_kinds[l->key], l, text, ret);
	}
	return 0;
}

/* The digits at *@text, which moves on behind them; no more than a number has. */
static uint64_t read_number(const char **text)
{
	uint64_t n = 0;
	int i;

	for (i = 0; i < 20 && **text >= '0' && **text <= '9'; i++)
		n = n * 10 + (*(*text)++ - '0');
	return n;
}

/* "0,2-5": set @flag of these @nr frames. Places rise, so that no text takes longer than them. */
static void read_places(const char *text, uint8_t flag, struct frame *said, size_t nr)
{
	uint64_t next = 0, from, to;

	while (*text >= '0' && *text <= '9') {
		from = to = read_number(&text);
		if (*text == '-') {
			text++;
			to = read_number(&text);
		}
		if (from < next || to < from)
			return;
		for (; from <= to && from < nr; from++)
			said[from].flags |= flag;
		if (from >= nr)
			return;
		next = from;
		text += *text == ',';
	}
}

/* "26,,14" */
static void read_offsets(const char *text, struct frame *said, size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++) {
		said[i].offset = read_number(&text);
		if (*text != ',')
			return;
		text++;
	}
}

static int read_stack(struct reader *r, const sample *s, const struct labels *labels, uint32_t *ret)
{
	size_t nr = s->n_location_id, i;
	int err;

	if (nr > UINT32_MAX / 2)
		return -EBADMSG;
	err = vector_reserve(&r->frames, nr + 1);
	if (!err)
		err = vector_reserve(&r->said, nr + 1);
	if (err)
		return err;
	memset(r->said.items, 0, nr * sizeof(*r->said.items));
	read_places(labels->by_frame_pointer, FRAME_BY_FRAME_POINTER, r->said.items, nr);
	read_places(labels->interrupted, FRAME_INTERRUPTED, r->said.items, nr);
	read_offsets(labels->offsets, r->said.items, nr);
	for (i = 0; i < nr && !err; i++)
		err = reader__find_location(r, s->location_id[i], &r->said.items[i],
					    &r->frames.items[i]);
	return err ? err
		   : profile__add_stack(r->p, r->frames.items, nr, labels->truncated,
					labels->broken, ret);
}

static uint64_t value(const struct reader *r, const sample *s, enum pprof_value kind)
{
	return r->values[kind] < 0 ? 0 : s->value[r->values[kind]];
}

static int find_process(struct reader *r, struct labels *labels, uint32_t *ret)
{
	struct profile_process process = {.running = true, .pid = labels->pid};
	const char *comm = labels->comm;

	if (labels->process && labels->process <= r->nr_stated) {
		*ret = labels->process - 1;
		return 0;
	}
	if (!comm)
		comm = profile__intern(r->p, r->modules.count ? r->modules.items[0].base : "?");
	if (!comm)
		return -ENOMEM;
	*ret = hash__get(&r->processes, labels->pid, (uintptr_t)comm);
	if (*ret != HASH_NONE)
		return 0;
	process.comm = comm;
	return reader__add_process(r, &process, ret);
}

/* The sums of a process that no comment describes. */
static void add_up(struct profile_process *process, const struct profile_entry *e,
		   const struct profile_sum *allocs)
{
	if (strcmp(e->family, "mmap") == 0) {
		process->mmap.blocks += e->sum.blocks;
		process->mmap.bytes += e->sum.bytes;
		return;
	}
	process->outstanding.blocks += e->sum.blocks;
	process->outstanding.bytes += e->sum.bytes;
	process->allocs += allocs->blocks;
	process->alloc_bytes += allocs->bytes;
}

static bool is_nothing(const struct profile_sum *sum)
{
	return !sum->blocks && !sum->bytes;
}

/* One stack of a wrong free: that of the free comes first, and the others belong to it. */
static int read_wrong_free(struct reader *r, const struct labels *labels, uint32_t process,
			   uint32_t stack)
{
	struct profile_wrong_free f = labels->wrong_free, *last;
	int kind;

	if (strcmp(labels->side, PPROF_SIDE_FREE) == 0) {
		for (kind = 0; kind < PROFILE_WRONGS; kind++)
			if (strcmp(labels->wrong, profile__wrong_name(kind)) == 0)
				break;
		r->has_wrong = kind < PROFILE_WRONGS && f.free_family &&
			       (kind == PROFILE_WRONG_POINTER || labels->entry.family);
		if (!r->has_wrong)
			return 0; /* of a later version of this program, or damaged */
		f.kind = kind;
		f.process = process;
		f.free_stack = stack;
		f.alloc_stack = f.first_free = PROFILE_NONE;
		f.alloc_family = kind == PROFILE_WRONG_POINTER ? NULL : labels->entry.family;
		f.type = labels->entry.type;
		f.suppressed = labels->entry.suppressed;
		return vector_push(&r->p->wrong_frees, f);
	}
	if (!r->has_wrong)
		return 0;
	last = &r->p->wrong_frees.items[r->p->wrong_frees.count - 1];
	if (strcmp(labels->side, PPROF_SIDE_ALLOC) == 0)
		last->alloc_stack = stack;
	else if (strcmp(labels->side, PPROF_SIDE_FIRST) == 0)
		last->first_free = stack;
	return 0;
}

static int read_sample(struct reader *r, const sample *s)
{
	struct labels labels = {.by_frame_pointer = "", .interrupted = "", .offsets = ""};
	struct profile_entry *e = &labels.entry;
	struct profile_site site = {0};
	size_t i;
	int err = s->n_value < r->m->n_sample_type ? -EBADMSG : 0;

	for (i = 0; i < s->n_label && !err; i++)
		err = read_label(r, s->label[i], &labels);
	if (!err && !e->family && !labels.wrong)
		e->family = profile__intern(r->p, "malloc");
	if (!err && !e->family && !labels.wrong)
		err = -ENOMEM;
	if (!err)
		err = find_process(r, &labels, &e->process);
	if (!err)
		err = read_stack(r, s, &labels, &e->stack);
	if (err)
		return err;
	if (labels.wrong)
		return labels.side ? read_wrong_free(r, &labels, e->process, e->stack) : 0;
	e->sum.blocks = value(r, s, PPROF_INUSE_OBJECTS);
	e->sum.bytes = value(r, s, PPROF_INUSE_SPACE);
	site.allocs.blocks = value(r, s, PPROF_ALLOC_OBJECTS);
	site.allocs.bytes = value(r, s, PPROF_ALLOC_SPACE);
	for (i = 0; i < s->n_value; i++)
		r->p->diff |= s->value[i] < 0;
	if (e->process >= r->nr_stated)
		add_up(&r->p->processes.items[e->process], e, &site.allocs);
	site.process = e->process;
	site.stack = e->stack;
	site.family = e->family;
	site.history = labels.history;
	if (!is_nothing(&site.allocs) || site.history.count)
		err = vector_push(&r->p->sites, site);
	if (!err && !is_nothing(&e->sum))
		err = vector_push(&r->p->entries, *e);
	return err;
}

/* allocs - frees = outstanding, always; without allocs in the file there were no others. */
static void finish_processes(struct reader *r)
{
	size_t i;

	for (i = r->nr_stated; i < r->p->processes.count; i++) {
		struct profile_process *process = &r->p->processes.items[i];
		uint64_t blocks = process->outstanding.blocks, bytes = process->outstanding.bytes;

		if (!r->p->diff && process->allocs < blocks)
			process->allocs = blocks;
		if (!r->p->diff && process->alloc_bytes < bytes)
			process->alloc_bytes = bytes;
		process->frees = process->allocs - blocks;
		process->peak_bytes = r->p->diff && (int64_t)bytes < 0 ? 0 : bytes;
	}
}

int reader__read_samples(struct reader *r)
{
	size_t i;
	int err = 0;

	for (i = 0; i < r->m->n_sample && !err; i++)
		err = read_sample(r, r->m->sample[i]);
	if (!err)
		finish_processes(r);
	return err;
}
