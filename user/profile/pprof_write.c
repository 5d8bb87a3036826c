// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Messages that stand one behind the other are one message: their repeated fields follow each other
 * (protobuf.dev, "Encoding"). So the profile is packed and compressed in small parts, a sample or a
 * location at a time, and needs the memory of one. The strings come last, when all are known.
 *
 * The first failure stays in writer.err; everything after it does nothing.
 */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <zlib.h>

#include "profile/fields.h"
#include "profile/history.h"
#include "profile/path.h"
#include "profile/pprof.h"
#include "profile/pprof_labels.h"
#include "profile/profile.pb-c.h"
#include "util/cleanup.h"
#include "util/utf8.h"

typedef Perftools__Profiles__Profile part;
typedef Perftools__Profiles__Label label;

#define PART  PERFTOOLS__PROFILES__PROFILE__INIT
#define LABEL PERFTOOLS__PROFILES__LABEL__INIT

struct writer {
	const struct profile *p;
	FILE *out;
	int err;
	z_stream z;
	VECTOR(uint8_t) packed;
	VECTOR(char *) strings;
	struct hash string_index, function_index;
	uint32_t nr_functions;
	struct hash site_index; /* (process and stack, family) to p->sites */
	bool *site_written;
	struct hash pids; /* (pid, 0) to how many processes have it */
	/* Of the sample at hand. */
	VECTOR(label) labels;
	VECTOR(label *) label_list;
	VECTOR(uint64_t) locations;
	VECTOR(char) text;
};

static void release(struct writer *w)
{
	size_t i;

	for (i = 0; i < w->strings.count; i++)
		free(w->strings.items[i]);
	deflateEnd(&w->z);
	vector_release(&w->packed);
	vector_release(&w->strings);
	hash__release(&w->string_index);
	hash__release(&w->function_index);
	hash__release(&w->site_index);
	free(w->site_written);
	hash__release(&w->pids);
	vector_release(&w->labels);
	vector_release(&w->label_list);
	vector_release(&w->locations);
	vector_release(&w->text);
}

static void check(struct writer *w, int err)
{
	if (!w->err)
		w->err = err;
}

/* --- output --- */

/* Compress @size bytes; @flush Z_FINISH ends the file. */
static void compress_bytes(struct writer *w, uint8_t *bytes, size_t size, int flush)
{
	uint8_t buf[16384];
	size_t n;

	w->z.next_in = bytes;
	w->z.avail_in = size;
	do {
		w->z.next_out = buf;
		w->z.avail_out = sizeof(buf);
		if (w->err || deflate(&w->z, flush) == Z_STREAM_ERROR) {
			check(w, -EINVAL);
			return;
		}
		n = sizeof(buf) - w->z.avail_out;
		errno = 0;
		if (fwrite(buf, 1, n, w->out) != n)
			check(w, errno ? -errno : -EIO);
	} while (!w->z.avail_out);
}

static void emit(struct writer *w, const part *part)
{
	size_t size = perftools__profiles__profile__get_packed_size(part);

	check(w, vector_reserve(&w->packed, size));
	if (w->err)
		return;
	perftools__profiles__profile__pack(part, w->packed.items);
	compress_bytes(w, w->packed.items, size, Z_NO_FLUSH);
}

/* --- strings --- */

static int64_t string_id(struct writer *w, const char *s)
{
	CLEANUP_FREE char *clean = NULL;
	uint64_t key, salt = 0;
	uint32_t i;

	if (!s || w->err)
		return 0;
	clean = utf8__is_valid(s) ? strdup(s) : utf8__clean(s);
	if (!clean) {
		check(w, -ENOMEM);
		return 0;
	}
	key = hash__bytes(clean, strlen(clean));
	for (;; salt++) {
		i = hash__get(&w->string_index, key, salt);
		if (i == HASH_NONE)
			break;
		if (strcmp(w->strings.items[i], clean) == 0)
			return i;
	}
	check(w, vector_push(&w->strings, clean));
	if (w->err)
		return 0;
	clean = NULL;
	check(w, hash__set(&w->string_index, key, salt, w->strings.count - 1));
	return w->strings.count - 1;
}

static void emit_strings(struct writer *w)
{
	size_t i;

	for (i = 0; i < w->strings.count; i++) {
		part part = PART;

		part.n_string_table = 1;
		part.string_table = &w->strings.items[i];
		emit(w, &part);
	}
}

/* Takes @object, NULL where memory was short. */
static void emit_comment(struct writer *w, struct json_object *object, const char *kind)
{
	const int flags = JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE;
	struct json_object *name = json_object_new_string(kind);
	const char *text = NULL;
	part part = PART;
	int64_t id;

	if (object && name && !json_object_object_add(object, PPROF_KIND, name))
		text = json_object_to_json_string_ext(object, flags);
	if (!text)
		check(w, -ENOMEM);
	id = string_id(w, text);
	part.n_comment = 1;
	part.comment = &id;
	emit(w, &part);
	json_object_put(object);
}

/* --- labels --- */

static label *add_label(struct writer *w, enum pprof_label kind)
{
	static label none;
	label l = LABEL;

	l.key = string_id(w, pprof_labels[kind]);
	check(w, vector_push(&w->labels, l));
	return w->err ? &none : &w->labels.items[w->labels.count - 1];
}

static void add_text(struct writer *w, enum pprof_label kind, const char *text)
{
	label *l;

	if (!text)
		return;
	l = add_label(w, kind);
	l->str = string_id(w, text);
}

static void add_number(struct writer *w, enum pprof_label kind, uint64_t n, const char *unit)
{
	label *l = add_label(w, kind);

	l->num = n;
	l->num_unit = string_id(w, unit);
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
	check(w, vector_reserve(&w->text, w->text.count + 24));
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

static bool has_name(const struct profile_line *line)
{
	return line->symbol && *line->symbol;
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
		bool known = line && has_name(line);

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
	const int flags = JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE;
	struct json_object *path;

	if (!number)
		return;
	path = path__to_json(w->p, &w->p->paths.items[number - 1]);
	check(w, path ? 0 : -ENOMEM);
	if (path)
		add_text(w, PPROF_LABEL_PATH, json_object_to_json_string_ext(path, flags));
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
	check(w, vector_reserve(&w->locations, s->count));
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
		check(w, -ENOMEM);
}

/* A difference is signed; what is not stays so. */
static int64_t value_of(const struct writer *w, uint64_t n)
{
	return w->p->diff || n <= INT64_MAX ? (int64_t)n : INT64_MAX;
}

/* A sample of the labels and locations at hand. */
static void emit_values(struct writer *w, const struct profile_sum *inuse,
			const struct profile_sum *allocs)
{
	Perftools__Profiles__Sample sample = PERFTOOLS__PROFILES__SAMPLE__INIT, *list = &sample;
	int64_t values[PPROF_VALUES] = {
		[PPROF_INUSE_OBJECTS] = value_of(w, inuse->blocks),
		[PPROF_INUSE_SPACE] = value_of(w, inuse->bytes),
		[PPROF_ALLOC_OBJECTS] = value_of(w, allocs->blocks),
		[PPROF_ALLOC_SPACE] = value_of(w, allocs->bytes),
	};
	part part = PART;
	size_t i;

	check(w, vector_reserve(&w->label_list, w->labels.count));
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
	emit(w, &part);
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

static void emit_wrong_frees(struct writer *w)
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
	check(w, w->site_written ? 0 : -ENOMEM);
	for (i = 0; i < p->sites.count; i++)
		check(w, hash__set(&w->site_index, SITE_KEY(&p->sites.items[i]), i));
	for (i = 0; i < p->processes.count; i++) {
		uint32_t pid = p->processes.items[i].pid;
		uint32_t n = hash__get(&w->pids, pid, 0);

		check(w, hash__set(&w->pids, pid, 0, n == HASH_NONE ? 1 : 2));
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

static void emit_samples(struct writer *w)
{
	const struct profile *p = w->p;
	CLEANUP_FREE uint32_t *order = calloc(p->entries.count + 1, sizeof(*order));
	size_t i;

	index_sites(w);
	if (w->err || !order) {
		check(w, -ENOMEM);
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

/* --- code --- */

/* The module of the program comes first: tools take it for the profiled binary. */
static uint32_t main_module(const struct profile *p)
{
	const char *exe = p->processes.count ? p->processes.items[0].exe : NULL;
	uint32_t i;

	for (i = 0; exe && i < p->modules.count; i++)
		if (p->modules.items[i].path == exe)
			return i;
	return 0;
}

static void emit_mapping(struct writer *w, uint32_t index, uint64_t last_pc)
{
	const struct profile_module *m = &w->p->modules.items[index];
	Perftools__Profiles__Mapping mapping = PERFTOOLS__PROFILES__MAPPING__INIT, *list = &mapping;
	part part = PART;

	mapping.id = (uint64_t)index + 1;
	mapping.memory_limit = (last_pc | 0xfff) + 1 ? (last_pc | 0xfff) + 1 : UINT64_MAX;
	mapping.filename = string_id(w, m->path);
	mapping.build_id = string_id(w, m->build_id);
	/* Nobody need look for names: they are here. */
	mapping.has_functions = mapping.has_filenames = true;
	mapping.has_line_numbers = mapping.has_inline_frames = true;
	part.n_mapping = 1;
	part.mapping = &list;
	emit(w, &part);
}

static void emit_mappings(struct writer *w)
{
	const struct profile *p = w->p;
	CLEANUP_FREE uint64_t *last_pc = calloc(p->modules.count + 1, sizeof(*last_pc));
	uint32_t first = main_module(p), i;

	if (!last_pc) {
		check(w, -ENOMEM);
		return;
	}
	for (i = 0; i < p->locations.count; i++) {
		const struct profile_location *l = &p->locations.items[i];

		if (l->module < p->modules.count && l->pc > last_pc[l->module])
			last_pc[l->module] = l->pc;
	}
	if (p->modules.count)
		emit_mapping(w, first, last_pc[first]);
	for (i = 0; i < p->modules.count; i++)
		if (i != first)
			emit_mapping(w, i, last_pc[i]);
}

static uint64_t function_id(struct writer *w, const char *name, const char *file)
{
	Perftools__Profiles__Function f = PERFTOOLS__PROFILES__FUNCTION__INIT, *list = &f;
	part part = PART;
	uint32_t id;

	f.name = f.system_name = string_id(w, name);
	f.filename = string_id(w, file);
	id = hash__get(&w->function_index, f.name, f.filename);
	if (id != HASH_NONE)
		return id;
	f.id = ++w->nr_functions;
	check(w, hash__set(&w->function_index, f.name, f.filename, f.id));
	part.n_function = 1;
	part.function = &list;
	emit(w, &part);
	return f.id;
}

static void emit_location(struct writer *w, uint32_t index)
{
	static const struct profile_line nameless;
	const struct profile_location *l = &w->p->locations.items[index];
	bool has_module = l->module < w->p->modules.count;
	uint32_t nr = l->nr_lines ? l->nr_lines : 1, i;
	CLEANUP_FREE Perftools__Profiles__Line *lines = calloc(nr, sizeof(*lines));
	CLEANUP_FREE Perftools__Profiles__Line **list = calloc(nr, sizeof(*list));
	Perftools__Profiles__Location location = PERFTOOLS__PROFILES__LOCATION__INIT,
				      *locations = &location;
	char unknown[PPROF_UNKNOWN_SIZE];
	part part = PART;

	if (!lines || !list) {
		check(w, -ENOMEM);
		return;
	}
	pprof_unknown_name(unknown, sizeof(unknown),
			   has_module ? w->p->modules.items[l->module].path : "", l->pc);
	for (i = 0; i < nr; i++) {
		const struct profile_line *line = l->nr_lines ? &l->lines[i] : &nameless;

		perftools__profiles__line__init(&lines[i]);
		lines[i].function_id =
			function_id(w, has_name(line) ? line->symbol : unknown, line->file);
		lines[i].line = line->line;
		list[i] = &lines[i];
	}
	location.id = (uint64_t)index + 1;
	location.mapping_id = has_module ? (uint64_t)l->module + 1 : 0;
	location.address = l->pc;
	location.n_line = nr;
	location.line = list;
	part.n_location = 1;
	part.location = &locations;
	emit(w, &part);
}

/* --- comments --- */

/* NULL without memory. */
static struct json_object *process_object(struct writer *w, const struct profile_process *process)
{
	struct json_object *object = fields__process(process);
	CLEANUP_FREE char *text = NULL;

	if (!object || !process->history.count)
		return object;
	text = history__text(w->p, &process->history);
	if (!text || json_object_object_add(object, PPROF_HISTORY, json_object_new_string(text))) {
		json_object_put(object);
		return NULL;
	}
	return object;
}

static void emit_comments(struct writer *w)
{
	size_t i;

	emit_comment(w, fields__head(w->p), PPROF_KIND_HEAD);
	for (i = 0; i < w->p->processes.count && !w->err; i++)
		emit_comment(w, process_object(w, &w->p->processes.items[i]), PPROF_KIND_PROCESS);
}

/* --- the profile --- */

static void emit_head(struct writer *w)
{
	const struct profile *p = w->p;
	Perftools__Profiles__ValueType types[PPROF_VALUES + 1], *list[PPROF_VALUES];
	part part = PART;
	int i;

	for (i = 0; i <= PPROF_VALUES; i++)
		perftools__profiles__value_type__init(&types[i]);
	for (i = 0; i < PPROF_VALUES; i++) {
		types[i].type = string_id(w, pprof_values[i].type);
		types[i].unit = string_id(w, pprof_values[i].unit);
		list[i] = &types[i];
	}
	types[i].type = string_id(w, p->sampling == PROFILE_SAMPLE_RATE ? "objects" : "space");
	types[i].unit = string_id(w, p->sampling == PROFILE_SAMPLE_RATE ? "count" : "bytes");
	part.n_sample_type = PPROF_VALUES;
	part.sample_type = list;
	part.period_type = &types[i];
	part.period = p->sampling == PROFILE_SAMPLE_ALL ? 1 : value_of(w, p->sampling_value);
	part.default_sample_type = string_id(w, pprof_values[PPROF_INUSE_SPACE].type);
	part.time_nanos = (uint64_t)p->time_ms * 1000000;
	part.duration_nanos = p->elapsed_s > 0 && p->elapsed_s < 9e9 ? p->elapsed_s * 1e9 : 0;
	emit(w, &part);
}

int pprof__write(const struct profile *p, FILE *out)
{
	CLEANUP(release) struct writer w = {.p = p, .out = out};
	uint32_t i;

	/* 15 bits of window, 16 for the header of gzip. */
	if (deflateInit2(&w.z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY))
		return -ENOMEM;
	string_id(&w, ""); /* the first one */
	emit_head(&w);
	emit_samples(&w);
	emit_wrong_frees(&w);
	emit_mappings(&w);
	for (i = 0; i < p->locations.count && !w.err; i++)
		emit_location(&w, i);
	emit_comments(&w);
	emit_strings(&w);
	compress_bytes(&w, NULL, 0, Z_FINISH);
	if (w.err)
		return w.err;
	errno = 0;
	if (fflush(out) || ferror(out))
		return errno ? -errno : -EIO;
	return 0;
}
