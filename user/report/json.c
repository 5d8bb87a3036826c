// SPDX-License-Identifier: GPL-2.0-or-later

/*
 * One JSON object a line. json-c builds the leaves (a frame, the head of a stack, of a process) and
 * this file writes what holds them as it goes, so that a report of all stacks needs the memory of
 * one and of the frames' texts.
 */

#include "report/json.h"

#include <errno.h>
#include <string.h>

#include "profile/path.h"
#include "report/format.h"
#include "report/hint.h"
#include "report/remedy.h"
#include "report/report.h"
#include "report/stream.h"
#include "util/cleanup.h"
#include "util/utf8.h"

/* An object under construction. The first failure stays in err; everything after is a no-op. */
struct builder {
	struct json_object *object;
	int err;
};

static void builder_release(struct builder *b)
{
	json_object_put(b->object);
}

#define CLEANUP_BUILDER CLEANUP(builder_release)

static struct builder builder_new(void)
{
	struct builder b = {.object = json_object_new_object()};

	b.err = b.object ? 0 : -ENOMEM;
	return b;
}

/* Takes @value, which is NULL where memory was short. @key is a literal. */
static void add(struct builder *b, const char *key, struct json_object *value)
{
	const unsigned int flags = JSON_C_OBJECT_ADD_KEY_IS_NEW | JSON_C_OBJECT_KEY_IS_CONSTANT;

	if (!value)
		b->err = -ENOMEM;
	if (b->err || json_object_object_add_ex(b->object, key, value, flags)) {
		json_object_put(value);
		b->err = -ENOMEM;
	}
}

/* Takes what @inner holds. */
static void add_object(struct builder *b, const char *key, struct builder *inner)
{
	if (inner->err)
		b->err = inner->err;
	else
		add(b, key, TAKE_PTR(inner->object));
}

static void add_null(struct builder *b, const char *key)
{
	if (!b->err && json_object_object_add(b->object, key, NULL))
		b->err = -ENOMEM;
}

static void add_u64(struct builder *b, const char *key, uint64_t n)
{
	add(b, key, json_object_new_uint64(n));
}

/* A sum, or a difference. */
static void add_amount(struct builder *b, const struct profile *p, const char *key, uint64_t n)
{
	add(b, key, p->diff ? json_object_new_int64(n) : json_object_new_uint64(n));
}

static void add_bool(struct builder *b, const char *key, bool on)
{
	add(b, key, json_object_new_boolean(on));
}

/* JSON is UTF-8, names of the target need not be. */
static void add_string(struct builder *b, const char *key, const char *s)
{
	CLEANUP_FREE char *utf8 = utf8__clean(s);

	add(b, key, utf8 ? json_object_new_string(utf8) : NULL);
}

static void add_hex(struct builder *b, const char *key, uint64_t n)
{
	char text[24];

	snprintf(text, sizeof(text), "0x%llx", (unsigned long long)n);
	add(b, key, json_object_new_string(text));
}

static void add_decimal(struct builder *b, const char *key, double x, int decimals)
{
	char text[FORMAT_SIZE];

	add(b, key, json_object_new_double_s(x, format__decimal(text, x, decimals)));
}

static void add_ms(struct builder *b, const char *key, double ms)
{
	add_u64(b, key, ms >= 0 && ms < 1e18 ? ms + 0.5 : 0);
}

static void add_sum(struct builder *b, const struct profile *p, const char *key,
		    const struct profile_sum *sum)
{
	CLEANUP_BUILDER struct builder inner = builder_new();

	add_amount(&inner, p, "blocks", sum->blocks);
	add_amount(&inner, p, "bytes", sum->bytes);
	add_object(b, key, &inner);
}

static void add_error(struct builder *b, const struct profile *p, const struct profile_error *e)
{
	CLEANUP_BUILDER struct builder inner = builder_new();

	if (p->sampling == PROFILE_SAMPLE_ALL)
		return;
	add_decimal(&inner, "blocks", e->blocks, 1);
	add_decimal(&inner, "bytes", e->bytes, 1);
	add_object(b, "standard_error", &inner);
}

/* Writing */

/* The object's text, which belongs to it; NULL where memory was short. */
static const char *object_text(struct builder *b, size_t *length)
{
	const int flags = JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE;

	return b->err ? NULL : json_object_to_json_string_length(b->object, flags, length);
}

/* Write the object of @b; with @open_key without its end, so that the items of an array named so
 * can follow. */
static void write_object(struct stream *out, struct builder *b, const char *open_key)
{
	size_t length;
	const char *text = object_text(b, &length);

	if (!text) {
		out->err = out->err ? out->err : -ENOMEM;
		return;
	}
	stream__write(out, text, length - !!open_key);
	if (open_key)
		stream__print(out, ",\"%s\":[", open_key);
}

/* Profile to objects */

static struct builder sampling_object(const struct profile *p)
{
	static const struct {
		const char *mode, *value_key;
	} modes[] = {
		[PROFILE_SAMPLE_ALL] = {"all", NULL},
		[PROFILE_SAMPLE_RATE] = {"rate", "n"},
		[PROFILE_SAMPLE_BYTES] = {"bytes", "mean"},
	};
	struct builder b = builder_new();

	add_string(&b, "mode", modes[p->sampling].mode);
	if (modes[p->sampling].value_key)
		add_u64(&b, modes[p->sampling].value_key, p->sampling_value);
	return b;
}

static struct builder losses_object(const struct profile_losses *l)
{
	struct builder b = builder_new();

	add_u64(&b, "blocks", l->blocks);
	add_u64(&b, "frees", l->frees);
	add_u64(&b, "stacks", l->stacks);
	add_u64(&b, "truncated_stacks", l->truncated_stacks);
	add_u64(&b, "broken_stacks", l->broken_stacks);
	add_u64(&b, "events", l->events);
	add_u64(&b, "sites", l->sites);
	add_u64(&b, "wrong_frees", l->wrong_frees);
	add_u64(&b, "unread_files", l->unread_files);
	add_u64(&b, "no_memory", l->no_memory);
	add_u64(&b, "stacks_no_memory", l->stacks_no_memory);
	add_u64(&b, "unreadable", l->unreadable);
	add_u64(&b, "late", l->late);
	add_decimal(&b, "late_ms", l->late_ms, 1);
	return b;
}

static struct builder report_object(const struct profile *p)
{
	CLEANUP_BUILDER struct builder sampling = sampling_object(p);
	CLEANUP_BUILDER struct builder losses = losses_object(&p->losses);
	struct builder b = builder_new();
	char time[FORMAT_SIZE];

	add_string(&b, "schema", "memleak-bpf/1");
	add_string(&b, "time", format__iso_time(time, p->time_ms));
	add_u64(&b, "seq", p->seq);
	add_bool(&b, "final", p->final);
	if (p->diff)
		add_bool(&b, "diff", true);
	if (p->diagnosed)
		add_bool(&b, "diagnosed", true);
	add_decimal(&b, "elapsed_s", p->elapsed_s, 3);
	add_object(&b, "sampling", &sampling);
	add_object(&b, "losses", &losses);
	return b;
}

static void add_leaks(struct builder *b, const struct profile *p,
		      const struct profile_process *process)
{
	CLEANUP_BUILDER struct builder leaks = builder_new();
	enum profile_verdict v;

	if (!process->checked)
		return;
	for (v = PROFILE_VERDICT_DEFINITE; v < PROFILE_VERDICTS; v++)
		add_sum(&leaks, p, profile__verdict_name(v), &process->leaks[v]);
	add_sum(&leaks, p, "suppressed", &process->suppressed);
	add_object(b, "leaks", &leaks);
	add_decimal(b, "pause_ms", process->pause_ms, 3);
	if (process->judge_ms)
		add_decimal(b, "judge_ms", process->judge_ms, 3);
}

static struct builder process_object(const struct profile *p, const struct profile_process *process)
{
	CLEANUP_BUILDER struct builder peak = builder_new();
	struct builder b = builder_new();

	add_u64(&b, "pid", process->pid);
	add_string(&b, "comm", process->comm);
	if (process->exe)
		add_string(&b, "exe", process->exe);
	else
		add_null(&b, "exe");
	add_bool(&b, "running", process->running);
	add_amount(&b, p, "allocs", process->allocs);
	add_amount(&b, p, "frees", process->frees);
	add_amount(&b, p, "alloc_bytes", process->alloc_bytes);
	add_sum(&b, p, "outstanding", &process->outstanding);
	add_error(&b, p, &process->error);
	add_amount(&peak, p, "bytes", process->peak_bytes);
	add_decimal(&peak, "at_s", process->peak_at_s, 3);
	add_object(&b, "peak", &peak);
	add_sum(&b, p, "mmap", &process->mmap);
	if (process->resources)
		add_amount(&b, p, "resources", process->resources);
	add_leaks(&b, p, process);
	return b;
}

static struct builder frame_object(const struct profile *p, const struct profile_location *location,
				   const struct profile_line *line)
{
	const struct profile_module *module =
		location->module < p->modules.count ? &p->modules.items[location->module] : NULL;
	struct builder b = builder_new();

	add_hex(&b, "pc", location->pc);
	if (line->symbol && *line->symbol) {
		add_string(&b, "symbol", line->symbol);
		add_u64(&b, "offset", line->offset);
	} else {
		add_null(&b, "symbol");
	}
	if (module)
		add_string(&b, "module", module->path);
	else
		add_null(&b, "module");
	if (module && module->build_id)
		add_string(&b, "build_id", module->build_id);
	if (line->file && *line->file)
		add_string(&b, "file", line->file);
	if (line->file && *line->file && line->line)
		add_u64(&b, "line", line->line);
	add_bool(&b, "inlined", line->inlined);
	if (location->by_frame_pointer)
		add_bool(&b, "by_frame_pointer", true);
	return b;
}

/*
 * The text of each location's frames, made when it is first needed: most stacks share most of their
 * locations.
 */
struct frames {
	const struct profile *profile;
	char **text; /* by location; NULL: not needed yet */
};

static void frames_release(struct frames *f)
{
	size_t i;

	for (i = 0; f->text && i < f->profile->locations.count; i++)
		free(f->text[i]);
	free(f->text);
}

/* "{...}", one for each line, with commas between them; owned by @f. NULL where memory was short.
 */
static const char *frames_text(struct frames *f, uint32_t index)
{
	static const struct profile_line nameless = {0};
	const struct profile_location *location = &f->profile->locations.items[index];
	CLEANUP_FREE char *text = NULL;
	size_t n = 0;
	uint32_t l;

	if (f->text[index])
		return f->text[index];
	for (l = 0; !l || l < location->nr_lines; l++) {
		const struct profile_line *line =
			location->nr_lines ? &location->lines[l] : &nameless;
		CLEANUP_BUILDER struct builder frame = frame_object(f->profile, location, line);
		size_t length;
		const char *one = object_text(&frame, &length);
		char *longer = one ? realloc(text, n + length + 2) : NULL;

		if (!longer)
			return NULL;
		text = longer;
		n += sprintf(text + n, "%s%s", l ? "," : "", one);
	}
	f->text[index] = TAKE_PTR(text);
	return f->text[index];
}

static void write_frames(struct stream *out, struct frames *f, const struct profile_stack *stack)
{
	uint32_t i;

	for (i = 0; stack && i < stack->count && !out->err; i++) {
		const char *text = frames_text(f, f->profile->frames.items[stack->first + i]);

		if (!text) {
			out->err = -ENOMEM;
			return;
		}
		if (i)
			stream__write(out, ",", 1);
		stream__write(out, text, strlen(text));
	}
}

static void write_blocks(struct stream *out, const struct profile *p, const struct profile_entry *e)
{
	uint32_t i;

	for (i = 0; i < e->nr_blocks && !out->err; i++) {
		const struct profile_block *block = &p->blocks.items[e->first_block + i];
		CLEANUP_BUILDER struct builder object = builder_new();

		add_hex(&object, "addr", block->addr);
		add_u64(&object, "bytes", block->bytes);
		add_ms(&object, "age_ms", block->age_ms);
		if (i)
			stream__write(out, ",", 1);
		write_object(out, &object, NULL);
	}
}

static void add_trend(struct builder *b, const struct profile_entry *e)
{
	CLEANUP_BUILDER struct builder trend = builder_new();
	char hint[HINT_SIZE], time[FORMAT_SIZE];

	if (e->trend == PROFILE_TREND_NONE)
		return;
	add_string(&trend, "kind", profile__trend_name(e->trend));
	if (e->trend_since_ms)
		add_string(&trend, "since", format__iso_time(time, e->trend_since_ms));
	add_u64(&trend, "generations", e->generations);
	add_string(&trend, "hint", hint__text(e, hint));
	add_object(b, "trend", &trend);
}

/* Without its frames and blocks. */
static struct builder entry_object(const struct profile *p, const struct profile_entry *e,
				   const struct profile_stack *stack)
{
	CLEANUP_BUILDER struct builder age = builder_new();
	struct builder b = builder_new();
	char remedy[REMEDY_SIZE];

	add_amount(&b, p, "blocks", e->sum.blocks);
	add_amount(&b, p, "bytes", e->sum.bytes);
	add_error(&b, p, &e->error);
	add_decimal(&b, "growth_bytes_per_s", e->growth_bytes_per_s, 1);
	add_ms(&age, "oldest", e->oldest_ms);
	add_ms(&age, "newest", e->newest_ms);
	add_object(&b, "age_ms", &age);
	add_string(&b, "family", e->family);
	if (e->verdict != PROFILE_VERDICT_NONE) {
		add_string(&b, "verdict", profile__verdict_name(e->verdict));
		add_bool(&b, "cycle", e->cycle);
	}
	if (e->suppressed)
		add_bool(&b, "suppressed", true);
	if (e->type)
		add_string(&b, "type", e->type);
	add_trend(&b, e);
	if (e->path)
		add(&b, "path", path__to_json(p, &p->paths.items[e->path - 1]));
	if (remedy__text(e, remedy))
		add_string(&b, "remedy", remedy);
	if (stack && stack->truncated)
		add_bool(&b, "truncated", true);
	if (stack && stack->broken)
		add_bool(&b, "broken", true);
	return b;
}

static void write_entry(struct stream *out, struct frames *f, const struct profile_entry *e,
			const struct report_options *o)
{
	const struct profile *p = f->profile;
	const struct profile_stack *stack =
		e->stack < p->stacks.count ? &p->stacks.items[e->stack] : NULL;
	CLEANUP_BUILDER struct builder head = entry_object(p, e, stack);

	write_object(out, &head, "frames");
	write_frames(out, f, stack);
	if (o->show_allocs) {
		stream__write(out, "],\"allocs\":[", 12);
		write_blocks(out, p, e);
	}
	stream__write(out, "]}", 2);
}

/* Without its frames. */
static struct builder wrong_free_object(const struct profile_wrong_free *f)
{
	struct builder b = builder_new();
	char remedy[REMEDY_SIZE];

	add_string(&b, "kind", profile__wrong_name(f->kind));
	add_u64(&b, "count", f->count);
	add_hex(&b, "addr", f->addr);
	add_u64(&b, "bytes", f->bytes);
	if (f->type)
		add_string(&b, "type", f->type);
	if (f->alloc_family)
		add_string(&b, "alloc_family", f->alloc_family);
	else
		add_null(&b, "alloc_family");
	add_string(&b, "free_family", f->free_family);
	if (f->kind == PROFILE_WRONG_SIZE)
		add_u64(&b, "deleted_bytes", f->deleted_bytes);
	if (f->suppressed)
		add_bool(&b, "suppressed", true);
	add_string(&b, "remedy", remedy__wrong_free(f, remedy));
	return b;
}

static void write_side(struct stream *out, struct frames *f, const char *key, uint32_t stack)
{
	const struct profile *p = f->profile;

	stream__print(out, "],\"%s\":[", key);
	write_frames(out, f, stack < p->stacks.count ? &p->stacks.items[stack] : NULL);
}

static void write_wrong_frees(struct stream *out, struct frames *f,
			      const struct profile_process *process)
{
	uint32_t i;

	for (i = 0; !out->err && i < process->nr_wrongs; i++) {
		const struct profile_wrong_free *wrong =
			&f->profile->wrong_frees.items[process->first_wrong + i];
		const struct profile_stack *stacks = f->profile->stacks.items;
		CLEANUP_BUILDER struct builder head = wrong_free_object(wrong);

		stream__print(out, "%s", i ? "," : "");
		write_object(out, &head, "alloc_frames");
		if (wrong->alloc_stack < f->profile->stacks.count)
			write_frames(out, f, &stacks[wrong->alloc_stack]);
		write_side(out, f, "free_frames", wrong->free_stack);
		if (wrong->first_free != PROFILE_NONE)
			write_side(out, f, "first_free_frames", wrong->first_free);
		stream__write(out, "]}", 2);
	}
}

static void write_process(struct stream *out, struct frames *f,
			  const struct profile_process *process, const struct report_options *o)
{
	CLEANUP_BUILDER struct builder head = process_object(f->profile, process);
	uint32_t i;

	write_object(out, &head, "stacks");
	for (i = 0; !out->err && i < process->nr_entries && i < o->top; i++) {
		stream__print(out, "%s", i ? "," : "");
		write_entry(out, f, &f->profile->entries.items[process->first_entry + i], o);
	}
	stream__print(out, "],\"errors\":[");
	write_wrong_frees(out, f, process);
	stream__print(out, "]}");
}

static struct json_object *finished(struct builder *b)
{
	return b->err ? NULL : TAKE_PTR(b->object);
}

struct json_object *json__report(const struct profile *p)
{
	CLEANUP_BUILDER struct builder b = report_object(p);

	return finished(&b);
}

struct json_object *json__process(const struct profile *p, const struct profile_process *process)
{
	CLEANUP_BUILDER struct builder b = process_object(p, process);

	return finished(&b);
}

struct json_object *json__wrong_free(const struct profile_wrong_free *f)
{
	CLEANUP_BUILDER struct builder b = wrong_free_object(f);

	return finished(&b);
}

int report__json(const struct profile *p, const struct report_options *o, FILE *out)
{
	CLEANUP_BUILDER struct builder head = report_object(p);
	CLEANUP(frames_release) struct frames frames = {.profile = p};
	struct stream s = {.out = out};
	size_t i;

	frames.text = calloc(p->locations.count + 1, sizeof(*frames.text));
	if (!frames.text)
		return -ENOMEM;

	write_object(&s, &head, "processes");
	for (i = 0; !s.err && i < p->processes.count; i++) {
		stream__print(&s, "%s", i ? "," : "");
		write_process(&s, &frames, &p->processes.items[i], o);
	}
	stream__print(&s, "]}\n");
	return stream__finish(&s);
}

int report__event_json(const struct report_event *e, const struct report_options *o, FILE *out)
{
	CLEANUP_BUILDER struct builder b = builder_new();
	struct stream s = {.out = out};
	char time[FORMAT_SIZE];

	(void)o;
	add_string(&b, "event", e->operation);
	add_string(&b, "time", format__iso_time(time, e->time_ms));
	add_u64(&b, "pid", e->pid);
	add_u64(&b, "tid", e->tid);
	add_string(&b, "comm", e->comm);
	add_string(&b, "family", e->family);
	add_hex(&b, "addr", e->addr);
	add_u64(&b, "bytes", e->bytes);
	if (e->caller)
		add_string(&b, "caller", e->caller);
	write_object(&s, &b, NULL);
	stream__print(&s, "\n");
	return stream__finish(&s);
}
