// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The file may be hostile. What it can cost is bounded: how far it unpacks, the memory of its
 * messages, the length of names and of comments; and nothing is quadratic, however often a string
 * or a location is referred to.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <zlib.h>

#include "profile/fields.h"
#include "profile/history.h"
#include "profile/path.h"
#include "profile/pprof.h"
#include "profile/pprof_labels.h"
#include "profile/profile.pb-c.h"
#include "util/cleanup.h"

typedef Perftools__Profiles__Profile message;
typedef Perftools__Profiles__Sample sample;
typedef Perftools__Profiles__Label label;
typedef Perftools__Profiles__Mapping mapping;
typedef Perftools__Profiles__Function function;
typedef Perftools__Profiles__Location location;

#define MIB ((size_t)1 << 20)

/* A profile packs 4 to 15 times. */
#define UNPACKED_LIMIT (256 * MIB)
#define UNPACKED_BASE  (64 * MIB)
#define UNPACKED_RATIO 100

/* Of the messages of protobuf-c: some 8 times their bytes, if they are a profile's. */
#define MESSAGES_LIMIT (1024 * MIB)

#define NAME_LIMIT     65536
#define COMMENT_LIMIT  (8 * MIB)
#define COMMENT_DEPTH  32
#define DECIMAL_LIMIT  40
#define TIME_LIMIT_MS  253402300799999 /* the end of the year 9999 */

/* --- memory of the messages: given back in one go --- */

struct arena {
	VECTOR(char *) chunks;
	size_t left; /* in the last one */
	size_t used;
};

/* Most profiles are small. */
#define ARENA_FIRST_CHUNK 65536
#define ARENA_CHUNK	  MIB

static void *arena_alloc(void *data, size_t size)
{
	struct arena *a = data;
	size_t chunk = a->chunks.count ? ARENA_CHUNK : ARENA_FIRST_CHUNK;
	char *memory;

	if (size > MESSAGES_LIMIT)
		return NULL;
	size = (size + 15) & ~(size_t)15;
	if (size > a->left || !a->chunks.count) {
		if (chunk < size)
			chunk = size;
		if (a->used + chunk > MESSAGES_LIMIT)
			return NULL;
		memory = malloc(chunk);
		if (!memory || vector_push(&a->chunks, memory)) {
			free(memory);
			return NULL;
		}
		a->used += chunk;
		a->left = chunk;
	}
	memory = a->chunks.items[a->chunks.count - 1];
	/* The end of a chunk is given out first. */
	a->left -= size;
	return memory + a->left;
}

static void arena_free(void *data, void *memory)
{
	(void)data;
	(void)memory;
}

static void arena_release(struct arena *a)
{
	size_t i;

	for (i = 0; i < a->chunks.count; i++)
		free(a->chunks.items[i]);
	vector_release(&a->chunks);
}

/* --- the message as it is read --- */

/* What labels say about one frame of a sample. */
struct frame {
	uint64_t offset;
	uint8_t flags;
};

#define FRAME_BY_FRAME_POINTER 1
#define FRAME_INTERRUPTED      2

struct module {
	uint32_t index;	  /* in the profile */
	const char *base; /* file name without its folder */
};

struct reader {
	struct profile *p;
	const message *m;
	int values[PPROF_VALUES]; /* where they stand in a sample; -1: nowhere */
	const char **names;	  /* by string: interned, NULL: not yet */
	uint8_t *label_kinds;	  /* by string: enum pprof_label, PPROF_LABELS: none of them */
	struct hash mappings;	  /* (id, 0) to modules */
	VECTOR(struct module) modules;
	struct hash functions; /* (id, 0) to m->function */
	struct hash locations; /* (id, 0) to m->location */
	struct hash made;      /* (index in m->location, flags) to p->locations */
	struct hash processes; /* (pid, comm) to p->processes */
	struct hash histories; /* (text, 0) to history_list: the same text is read once */
	VECTOR(struct profile_history) history_list;
	bool has_wrong;	  /* the last wrong free is one whose other stacks follow */
	size_t nr_stated; /* processes that a comment describes */
	VECTOR(uint32_t) frames;
	VECTOR(struct frame) said; /* of frames */
};

static void reader_release(struct reader *r)
{
	profile__destroy(r->p);
	free(r->names);
	free(r->label_kinds);
	hash__release(&r->mappings);
	vector_release(&r->modules);
	hash__release(&r->functions);
	hash__release(&r->locations);
	hash__release(&r->made);
	hash__release(&r->processes);
	hash__release(&r->histories);
	vector_release(&r->history_list);
	vector_release(&r->frames);
	vector_release(&r->said);
}

/* The string, of any length; NULL where there is no such one. */
static const char *raw_string(const struct reader *r, int64_t i)
{
	return i >= 0 && (uint64_t)i < r->m->n_string_table ? r->m->string_table[i] : NULL;
}

/* A name, interned. 0, -EBADMSG or -ENOMEM. */
static int name(struct reader *r, int64_t i, const char **ret)
{
	const char *s = raw_string(r, i);

	if (!s)
		return -EBADMSG;
	if (!r->names[i]) {
		if (strnlen(s, NAME_LIMIT) == NAME_LIMIT)
			return -EBADMSG;
		r->names[i] = profile__intern(r->p, s);
		if (!r->names[i])
			return -ENOMEM;
	}
	*ret = r->names[i];
	return 0;
}

/* The same with NULL for the empty one. */
static int optional_name(struct reader *r, int64_t i, const char **ret)
{
	int err = name(r, i, ret);

	if (!err && !**ret)
		*ret = NULL;
	return err;
}

static int prepare_strings(struct reader *r)
{
	size_t n = r->m->n_string_table, i;
	int kind;

	if (!n || *r->m->string_table[0])
		return -EBADMSG;
	r->names = calloc(n, sizeof(*r->names));
	r->label_kinds = malloc(n);
	if (!r->names || !r->label_kinds)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		for (kind = 0; kind < PPROF_LABELS; kind++)
			if (strcmp(r->m->string_table[i], pprof_labels[kind]) == 0)
				break;
		r->label_kinds[i] = kind;
	}
	return 0;
}

static int find_values(struct reader *r)
{
	const char *type;
	size_t i, k;

	for (k = 0; k < PPROF_VALUES; k++) {
		r->values[k] = -1;
		for (i = 0; i < r->m->n_sample_type; i++) {
			type = raw_string(r, r->m->sample_type[i]->type);
			if (!type)
				return -EBADMSG;
			if (strcmp(type, pprof_values[k].type) == 0)
				r->values[k] = i;
		}
	}
	return r->values[PPROF_INUSE_OBJECTS] < 0 || r->values[PPROF_INUSE_SPACE] < 0 ? -EBADMSG
										      : 0;
}

/* --- code --- */

/* Remember that @id is number @i of its kind. */
static int index_id(struct hash *index, uint64_t id, uint32_t i)
{
	if (!id || hash__get(index, id, 0) != HASH_NONE)
		return -EBADMSG;
	return hash__set(index, id, 0, i);
}

static int read_mappings(struct reader *r)
{
	size_t i;
	int err = 0;

	for (i = 0; i < r->m->n_mapping && !err; i++) {
		const mapping *m = r->m->mapping[i];
		const char *path, *build_id, *slash;
		struct module module;

		err = name(r, m->filename, &path);
		if (!err)
			err = optional_name(r, m->build_id, &build_id);
		if (!err)
			err = profile__add_module(r->p, PROFILE_NONE, path, build_id,
						  &module.index);
		if (err)
			return err;
		slash = strrchr(path, '/');
		module.base = slash && slash[1] ? slash + 1 : path;
		err = vector_push(&r->modules, module);
		if (!err)
			err = index_id(&r->mappings, m->id, i);
	}
	return err;
}

static int index_code(struct reader *r)
{
	size_t i;
	int err = 0;

	for (i = 0; i < r->m->n_function && !err; i++)
		err = index_id(&r->functions, r->m->function[i]->id, i);
	for (i = 0; i < r->m->n_location && !err; i++)
		err = index_id(&r->locations, r->m->location[i]->id, i);
	return err;
}

/* Whether @symbol is what the writer calls a function without a name. */
static bool is_unknown(const struct module *m, uint64_t pc, const char *symbol)
{
	char offset[24];
	size_t n;

	snprintf(offset, sizeof(offset), "+0x%" PRIx64, pc);
	n = strlen(symbol) - strlen(offset);
	return strlen(symbol) >= strlen(offset) && strcmp(symbol + n, offset) == 0 &&
	       strncmp(symbol, m ? m->base : "", n) == 0 && (!m || !m->base[n]);
}

static int read_line(struct reader *r, const location *l, const struct module *m, size_t i,
		     struct profile_line *ret)
{
	uint32_t f = hash__get(&r->functions, l->line[i]->function_id, 0);
	int64_t number = l->line[i]->line;
	int err;

	*ret = (struct profile_line){.inlined = i + 1 < l->n_line};
	if (!l->line[i]->function_id)
		return 0;
	if (f == HASH_NONE)
		return -EBADMSG;
	err = optional_name(r, r->m->function[f]->name, &ret->symbol);
	if (!err)
		err = optional_name(r, r->m->function[f]->filename, &ret->file);
	if (err)
		return err;
	if (ret->symbol && is_unknown(m, l->address, ret->symbol))
		ret->symbol = NULL;
	ret->line = number > 0 && number <= UINT32_MAX ? number : 0;
	return 0;
}

static int read_lines(struct reader *r, const location *l, const struct module *m,
		      const struct frame *frame, uint32_t index)
{
	size_t nr = l->n_line ? l->n_line : 1, i;
	CLEANUP_FREE struct profile_line *lines = calloc(nr, sizeof(*lines));
	int err = lines ? 0 : -ENOMEM;

	for (i = 0; i < l->n_line && !err; i++)
		err = read_line(r, l, m, i, &lines[i]);
	if (err)
		return err;
	/* Of the function itself, not of what is inlined into it. */
	if (lines[nr - 1].symbol)
		lines[nr - 1].offset = frame->offset;
	return profile__set_lines(r->p, index, lines, nr);
}

/* The profile's location for that of the file and what labels say about it. */
static int find_location(struct reader *r, uint64_t id, const struct frame *frame, uint32_t *ret)
{
	uint32_t i = hash__get(&r->locations, id, 0), m = HASH_NONE, index;
	const struct module *module = NULL;
	struct profile_location new = {
		.module = PROFILE_NONE,
		.by_frame_pointer = frame->flags & FRAME_BY_FRAME_POINTER,
		.interrupted = frame->flags & FRAME_INTERRUPTED,
	};
	const location *l;
	int err;

	if (i == HASH_NONE)
		return -EBADMSG;
	index = hash__get(&r->made, i, frame->flags);
	if (index != HASH_NONE) {
		*ret = index;
		return 0;
	}
	l = r->m->location[i];
	if (l->mapping_id) {
		m = hash__get(&r->mappings, l->mapping_id, 0);
		if (m == HASH_NONE)
			return -EBADMSG;
		module = &r->modules.items[m];
		new.module = module->index;
	}
	new.pc = l->address;
	/* Not profile__add_location(): others tell by lines what we tell by addresses. */
	err = vector_push(&r->p->locations, new);
	if (err)
		return err;
	*ret = r->p->locations.count - 1;
	err = read_lines(r, l, module, frame, *ret);
	return err ? err : hash__set(&r->made, i, frame->flags, *ret);
}

/* --- comments --- */

static int add_process(struct reader *r, const struct profile_process *process, uint32_t *ret)
{
	int err = vector_push(&r->p->processes, *process);

	if (err)
		return err;
	*ret = r->p->processes.count - 1;
	if (hash__get(&r->processes, process->pid, (uintptr_t)process->comm) != HASH_NONE)
		return 0; /* samples name it by its number */
	return hash__set(&r->processes, process->pid, (uintptr_t)process->comm, *ret);
}

static int read_process(struct reader *r, struct json_object *object)
{
	struct profile_process process;
	struct json_object *history;
	uint32_t index;
	int err = fields__read_process(object, r->p, &process);

	if (!err && json_object_object_get_ex(object, PPROF_HISTORY, &history) &&
	    json_object_is_type(history, json_type_string))
		err = history__read(r->p, json_object_get_string(history), &process.history);
	return err ? err : add_process(r, &process, &index);
}

/* Call @read for each comment of this kind; their number into *@nr. 0 or what @read returned. */
static int for_each_comment(struct reader *r, const char *kind, size_t *nr,
			    int (*read)(struct reader *r, struct json_object *object))
{
	struct json_tokener *tokener = json_tokener_new_ex(COMMENT_DEPTH);
	struct json_object *object, *value;
	size_t i, length;
	const char *text;
	int err = tokener ? 0 : -ENOMEM;

	for (i = 0, *nr = 0; i < r->m->n_comment && !err; i++) {
		text = raw_string(r, r->m->comment[i]);
		length = text ? strnlen(text, COMMENT_LIMIT) : 0;
		if (!length || length == COMMENT_LIMIT || *text != '{')
			continue;
		json_tokener_reset(tokener);
		object = json_tokener_parse_ex(tokener, text, length);
		if (!object && json_tokener_get_error(tokener) == json_tokener_success)
			err = -ENOMEM; /* what begins so is no null */
		if (json_object_object_get_ex(object, PPROF_KIND, &value) &&
		    json_object_is_type(value, json_type_string) &&
		    strcmp(json_object_get_string(value), kind) == 0) {
			++*nr;
			err = read(r, object);
		}
		json_object_put(object);
	}
	if (tokener)
		json_tokener_free(tokener);
	return err;
}

static int read_head(struct reader *r, struct json_object *object)
{
	r->p->seq = 0;
	r->p->final = false;
	return fields__read_head(object, r->p);
}

static int ignore(struct reader *r, struct json_object *object)
{
	(void)r;
	(void)object;
	return 0;
}

/* What the comments say holds for one run: where a tool has merged several, the samples count. */
static int read_comments(struct reader *r)
{
	struct profile *p = r->p;
	size_t nr, nr_heads;
	int err;

	p->time_ms = r->m->time_nanos / 1000000;
	p->elapsed_s = r->m->duration_nanos / 1e9;
	p->seq = 1;
	p->final = true;
	err = for_each_comment(r, PPROF_KIND_HEAD, &nr_heads, ignore);
	if (!err && nr_heads == 1)
		err = for_each_comment(r, PPROF_KIND_HEAD, &nr, read_head);
	if (!err && nr_heads == 1)
		err = for_each_comment(r, PPROF_KIND_PROCESS, &nr, read_process);
	r->nr_stated = p->processes.count;
	if (p->time_ms < 0 || p->time_ms > TIME_LIMIT_MS)
		p->time_ms = 0;
	return err;
}

/* --- samples --- */

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
	const char *text = raw_string(r, i);
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
	int err = raw_string(r, l->key) ? name(r, l->str, &text) : -EBADMSG;

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
	case PPROF_LABEL_TRUNCATED:
		ret->truncated = true;
		return 0;
	case PPROF_LABEL_BROKEN:
		ret->broken = true;
		return 0;
	case PPROF_LABEL_BY_FRAME_POINTER:
		ret->by_frame_pointer = text;
		return 0;
	case PPROF_LABEL_INTERRUPTED:
		ret->interrupted = text;
		return 0;
	case PPROF_LABEL_OFFSETS:
		ret->offsets = text;
		return 0;
	case PPROF_LABEL_BLOCK_ADDR:
	case PPROF_LABEL_BLOCK_BYTES:
	case PPROF_LABEL_BLOCK_AGE:
		return read_block(r, e, r->label_kinds[l->key], l->num);
	case PPROF_LABEL_HISTORY:
		return read_history(r, text, &ret->history);
	default:
		read_wrong_label(r->label_kinds[l->key], l, text, ret);
	}
	return 0; /* somebody else's */
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
		err = find_location(r, s->location_id[i], &r->said.items[i], &r->frames.items[i]);
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
	return add_process(r, &process, ret);
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

static int read_message(struct reader *r)
{
	size_t i;
	int err = prepare_strings(r);

	if (!err)
		err = find_values(r);
	if (!err)
		err = read_mappings(r);
	if (!err)
		err = index_code(r);
	if (!err)
		err = read_comments(r);
	for (i = 0; i < r->m->n_sample && !err; i++)
		err = read_sample(r, r->m->sample[i]);
	if (!err)
		finish_processes(r);
	return err;
}

/* --- the file --- */

int pprof__parse(const void *data, size_t size, struct profile **ret)
{
	CLEANUP(arena_release) struct arena arena = {0};
	ProtobufCAllocator allocator = {arena_alloc, arena_free, &arena};
	CLEANUP(reader_release) struct reader r = {0};
	int err;

	if (size > UNPACKED_LIMIT)
		return -EFBIG;
	r.m = perftools__profiles__profile__unpack(&allocator, size, data);
	if (!r.m)
		return arena.used + ARENA_CHUNK > MESSAGES_LIMIT ? -EFBIG : -EBADMSG;
	r.p = profile__create();
	if (!r.p)
		return -ENOMEM;
	err = read_message(&r);
	if (err)
		return err;
	*ret = TAKE_PTR(r.p);
	return 0;
}

static void cleanup_gzclose(gzFile *f)
{
	if (*f)
		gzclose_r(*f);
}

/* Read to the end of @f, at most @limit bytes. */
static int unpack(gzFile f, size_t limit, char **bytes, size_t *size)
{
	CLEANUP_FREE char *buf = NULL;
	size_t capacity = 0, used = 0;
	int n, err;

	do {
		if (used == capacity) {
			char *grown = realloc(buf, capacity ? capacity * 2 : 65536);

			if (!grown)
				return -ENOMEM;
			buf = grown;
			capacity = capacity ? capacity * 2 : 65536;
		}
		n = gzread(f, buf + used, capacity - used);
		used += n > 0 ? n : 0;
		if (used > limit)
			return -EFBIG;
	} while (n > 0);
	gzerror(f, &err);
	if (err == Z_ERRNO)
		return errno ? -errno : -EIO;
	/* Z_BUF_ERROR: it ends too early. */
	if (n < 0 || err != Z_OK)
		return err == Z_MEM_ERROR ? -ENOMEM : -EBADMSG;
	*bytes = TAKE_PTR(buf);
	*size = used;
	return 0;
}

int pprof__read(int fd, struct profile **ret)
{
	CLEANUP(cleanup_gzclose) gzFile f = NULL;
	CLEANUP_FREE char *bytes = NULL;
	CLEANUP_CLOSE int copy = -1;
	struct stat st;
	size_t size = 0, limit;
	int err;

	if (fstat(fd, &st))
		return -errno;
	limit = UNPACKED_BASE + UNPACKED_RATIO * (size_t)st.st_size;
	if (st.st_size > (off_t)UNPACKED_LIMIT || limit > UNPACKED_LIMIT)
		limit = UNPACKED_LIMIT;
	copy = dup(fd);
	if (copy < 0)
		return -errno;
	f = gzdopen(copy, "r");
	if (!f)
		return -ENOMEM;
	copy = -1; /* it is f's now */
	err = unpack(f, limit, &bytes, &size);
	return err ? err : pprof__parse(bytes, size, ret);
}
