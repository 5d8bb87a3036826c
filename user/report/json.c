// SPDX-License-Identifier: GPL-2.0-or-later

/*
 * One JSON object a line. json-c builds the leaves (a frame, the head of a stack, of a process) and
 * this file writes what holds them as it goes, so that a report of all stacks needs the memory of
 * one and of the frames' texts.
 */

#include "report/json.h"

#include <string.h>

#include "profile/path.h"
#include "report/format.h"
#include "report/hint.h"
#include "report/json_builder.h"
#include "report/remedy.h"
#include "report/report.h"
#include "report/stream.h"
#include "util/cleanup.h"

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
	struct builder b = builder__new();

	builder__add_string(&b, "mode", modes[p->sampling].mode);
	if (modes[p->sampling].value_key)
		builder__add_u64(&b, modes[p->sampling].value_key, p->sampling_value);
	return b;
}

static struct builder losses_object(const struct profile_losses *l)
{
	struct builder b = builder__new();

	builder__add_u64(&b, "blocks", l->blocks);
	builder__add_u64(&b, "frees", l->frees);
	builder__add_u64(&b, "stacks", l->stacks);
	builder__add_u64(&b, "truncated_stacks", l->truncated_stacks);
	builder__add_u64(&b, "broken_stacks", l->broken_stacks);
	builder__add_u64(&b, "events", l->events);
	builder__add_u64(&b, "sites", l->sites);
	builder__add_u64(&b, "wrong_frees", l->wrong_frees);
	builder__add_u64(&b, "unread_files", l->unread_files);
	builder__add_u64(&b, "no_memory", l->no_memory);
	builder__add_u64(&b, "stacks_no_memory", l->stacks_no_memory);
	builder__add_u64(&b, "unreadable", l->unreadable);
	builder__add_u64(&b, "late", l->late);
	builder__add_decimal(&b, "late_ms", l->late_ms, 1);
	return b;
}

static struct builder report_object(const struct profile *p)
{
	CLEANUP_BUILDER struct builder sampling = sampling_object(p);
	CLEANUP_BUILDER struct builder losses = losses_object(&p->losses);
	struct builder b = builder__new();
	char time[FORMAT_SIZE];

	builder__add_string(&b, "schema", "memleak-bpf/1");
	builder__add_string(&b, "time", format__iso_time(time, p->time_ms));
	builder__add_u64(&b, "seq", p->seq);
	builder__add_bool(&b, "final", p->final);
	if (p->diff)
		builder__add_bool(&b, "diff", true);
	if (p->diagnosed)
		builder__add_bool(&b, "diagnosed", true);
	builder__add_decimal(&b, "elapsed_s", p->elapsed_s, 3);
	builder__add_object(&b, "sampling", &sampling);
	builder__add_object(&b, "losses", &losses);
	return b;
}

static void add_leaks(struct builder *b, const struct profile *p,
		      const struct profile_process *process)
{
	CLEANUP_BUILDER struct builder leaks = builder__new();
	enum profile_verdict v;

	if (!process->checked)
		return;
	for (v = PROFILE_VERDICT_DEFINITE; v < PROFILE_VERDICTS; v++)
		builder__add_sum(&leaks, p, profile__verdict_name(v), &process->leaks[v]);
	builder__add_sum(&leaks, p, "suppressed", &process->suppressed);
	builder__add_object(b, "leaks", &leaks);
	builder__add_decimal(b, "pause_ms", process->pause_ms, 3);
	if (process->judge_ms)
		builder__add_decimal(b, "judge_ms", process->judge_ms, 3);
}

static struct builder process_object(const struct profile *p, const struct profile_process *process)
{
	CLEANUP_BUILDER struct builder peak = builder__new();
	struct builder b = builder__new();

	builder__add_u64(&b, "pid", process->pid);
	builder__add_string(&b, "comm", process->comm);
	if (process->exe)
		builder__add_string(&b, "exe", process->exe);
	else
		builder__add_null(&b, "exe");
	builder__add_bool(&b, "running", process->running);
	builder__add_amount(&b, p, "allocs", process->allocs);
	builder__add_amount(&b, p, "frees", process->frees);
	builder__add_amount(&b, p, "alloc_bytes", process->alloc_bytes);
	builder__add_sum(&b, p, "outstanding", &process->outstanding);
	builder__add_error(&b, p, &process->error);
	builder__add_amount(&peak, p, "bytes", process->peak_bytes);
	builder__add_decimal(&peak, "at_s", process->peak_at_s, 3);
	builder__add_object(&b, "peak", &peak);
	builder__add_sum(&b, p, "mmap", &process->mmap);
	if (process->resources)
		builder__add_amount(&b, p, "resources", process->resources);
	add_leaks(&b, p, process);
	return b;
}

static struct builder frame_object(const struct profile *p, const struct profile_location *location,
				   const struct profile_line *line)
{
	const struct profile_module *module =
		location->module < p->modules.count ? &p->modules.items[location->module] : NULL;
	struct builder b = builder__new();

	builder__add_hex(&b, "pc", location->pc);
	if (line->symbol && *line->symbol) {
		builder__add_string(&b, "symbol", line->symbol);
		builder__add_u64(&b, "offset", line->offset);
	} else {
		builder__add_null(&b, "symbol");
	}
	if (module)
		builder__add_string(&b, "module", module->path);
	else
		builder__add_null(&b, "module");
	if (module && module->build_id)
		builder__add_string(&b, "build_id", module->build_id);
	if (line->file && *line->file)
		builder__add_string(&b, "file", line->file);
	if (line->file && *line->file && line->line)
		builder__add_u64(&b, "line", line->line);
	builder__add_bool(&b, "inlined", line->inlined);
	if (location->by_frame_pointer)
		builder__add_bool(&b, "by_frame_pointer", true);
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
		const char *one = builder__text(&frame, &length);
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
		CLEANUP_BUILDER struct builder object = builder__new();

		builder__add_hex(&object, "addr", block->addr);
		builder__add_u64(&object, "bytes", block->bytes);
		builder__add_ms(&object, "age_ms", block->age_ms);
		if (i)
			stream__write(out, ",", 1);
		builder__write(out, &object, NULL);
	}
}

static void add_trend(struct builder *b, const struct profile_entry *e)
{
	CLEANUP_BUILDER struct builder trend = builder__new();
	char hint[HINT_SIZE], time[FORMAT_SIZE];

	if (e->trend == PROFILE_TREND_NONE)
		return;
	builder__add_string(&trend, "kind", profile__trend_name(e->trend));
	if (e->trend_since_ms)
		builder__add_string(&trend, "since", format__iso_time(time, e->trend_since_ms));
	builder__add_u64(&trend, "generations", e->generations);
	builder__add_string(&trend, "hint", hint__text(e, hint));
	builder__add_object(b, "trend", &trend);
}

/* Without its frames and blocks. */
static struct builder entry_object(const struct profile *p, const struct profile_entry *e,
				   const struct profile_stack *stack)
{
	CLEANUP_BUILDER struct builder age = builder__new();
	struct builder b = builder__new();
	char remedy[REMEDY_SIZE];

	builder__add_amount(&b, p, "blocks", e->sum.blocks);
	builder__add_amount(&b, p, "bytes", e->sum.bytes);
	builder__add_error(&b, p, &e->error);
	builder__add_decimal(&b, "growth_bytes_per_s", e->growth_bytes_per_s, 1);
	builder__add_ms(&age, "oldest", e->oldest_ms);
	builder__add_ms(&age, "newest", e->newest_ms);
	builder__add_object(&b, "age_ms", &age);
	builder__add_string(&b, "family", e->family);
	if (e->verdict != PROFILE_VERDICT_NONE) {
		builder__add_string(&b, "verdict", profile__verdict_name(e->verdict));
		builder__add_bool(&b, "cycle", e->cycle);
	}
	if (e->suppressed)
		builder__add_bool(&b, "suppressed", true);
	if (e->type)
		builder__add_string(&b, "type", e->type);
	add_trend(&b, e);
	if (e->path)
		builder__add(&b, "path", path__to_json(p, &p->paths.items[e->path - 1]));
	if (remedy__text(e, remedy))
		builder__add_string(&b, "remedy", remedy);
	if (stack && stack->truncated)
		builder__add_bool(&b, "truncated", true);
	if (stack && stack->broken)
		builder__add_bool(&b, "broken", true);
	return b;
}

static void write_entry(struct stream *out, struct frames *f, const struct profile_entry *e,
			const struct report_options *o)
{
	const struct profile *p = f->profile;
	const struct profile_stack *stack =
		e->stack < p->stacks.count ? &p->stacks.items[e->stack] : NULL;
	CLEANUP_BUILDER struct builder head = entry_object(p, e, stack);

	builder__write(out, &head, "frames");
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
	struct builder b = builder__new();
	char remedy[REMEDY_SIZE];

	builder__add_string(&b, "kind", profile__wrong_name(f->kind));
	builder__add_u64(&b, "count", f->count);
	builder__add_hex(&b, "addr", f->addr);
	builder__add_u64(&b, "bytes", f->bytes);
	if (f->type)
		builder__add_string(&b, "type", f->type);
	if (f->alloc_family)
		builder__add_string(&b, "alloc_family", f->alloc_family);
	else
		builder__add_null(&b, "alloc_family");
	builder__add_string(&b, "free_family", f->free_family);
	if (f->kind == PROFILE_WRONG_SIZE)
		builder__add_u64(&b, "deleted_bytes", f->deleted_bytes);
	if (f->suppressed)
		builder__add_bool(&b, "suppressed", true);
	builder__add_string(&b, "remedy", remedy__wrong_free(f, remedy));
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
		builder__write(out, &head, "alloc_frames");
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

	builder__write(out, &head, "stacks");
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

	builder__write(&s, &head, "processes");
	for (i = 0; !s.err && i < p->processes.count; i++) {
		stream__print(&s, "%s", i ? "," : "");
		write_process(&s, &frames, &p->processes.items[i], o);
	}
	stream__print(&s, "]}\n");
	return stream__finish(&s);
}

int report__event_json(const struct report_event *e, const struct report_options *o, FILE *out)
{
	CLEANUP_BUILDER struct builder b = builder__new();
	struct stream s = {.out = out};
	char time[FORMAT_SIZE];

	(void)o;
	builder__add_string(&b, "event", e->operation);
	builder__add_string(&b, "time", format__iso_time(time, e->time_ms));
	builder__add_u64(&b, "pid", e->pid);
	builder__add_u64(&b, "tid", e->tid);
	builder__add_string(&b, "comm", e->comm);
	builder__add_string(&b, "family", e->family);
	builder__add_hex(&b, "addr", e->addr);
	builder__add_u64(&b, "bytes", e->bytes);
	if (e->caller)
		builder__add_string(&b, "caller", e->caller);
	builder__write(&s, &b, NULL);
	stream__print(&s, "\n");
	return stream__finish(&s);
}
