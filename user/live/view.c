// SPDX-License-Identifier: GPL-2.0-or-later
#include "live/view.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "live/view_state.h"
#include "util/cleanup.h"

#define SHOWN_BLOCKS 20

int view__create(const struct view_options *o, struct view **ret)
{
	struct view *v = calloc(1, sizeof(*v));

	if (!v)
		return -ENOMEM;
	v->o = *o;
	v->sort = o->sort;
	*ret = v;
	return 0;
}

void view__destroy(struct view *v)
{
	if (!v)
		return;
	profile__destroy(v->profile);
	vector_release(&v->stack_hashes);
	history__release(&v->history);
	hash__release(&v->expanded);
	vector_release(&v->rows);
	free(v);
}

/* --- what is what, from one profile to the next --- */

static uint64_t hash_string(const char *s)
{
	return s ? hash__bytes(s, strlen(s)) : 0;
}

/* A stack is the same where its modules and the places in them are. */
static int hash_stacks(struct view *v)
{
	const struct profile *p = v->profile;
	CLEANUP_FREE uint64_t *modules = calloc(p->modules.count + 1, sizeof(*modules));
	CLEANUP_FREE uint64_t *frames = NULL;
	size_t i, k;
	int err = 0;

	if (!modules)
		return -ENOMEM;
	for (i = 0; i < p->modules.count; i++)
		modules[i] = hash_string(p->modules.items[i].path);
	v->stack_hashes.count = 0;
	for (i = 0; i < p->stacks.count && !err; i++) {
		const struct profile_stack *s = &p->stacks.items[i];

		free(frames);
		frames = calloc(2 * (size_t)s->count + 1, sizeof(*frames));
		if (!frames)
			return -ENOMEM;
		for (k = 0; k < s->count; k++) {
			const struct profile_location *l =
				&p->locations.items[p->frames.items[s->first + k]];

			frames[2 * k] = modules[l->module];
			frames[2 * k + 1] = l->pc;
		}
		err = vector_push(&v->stack_hashes,
				  hash__bytes(frames, 2 * (size_t)s->count * sizeof(*frames)));
	}
	return err;
}

uint64_t view__stack_series(const struct view *v, const struct profile_entry *e)
{
	uint64_t parts[] = {
		v->profile->processes.items[e->process].pid,
		e->stack < v->stack_hashes.count ? v->stack_hashes.items[e->stack] : 0,
		hash_string(e->family),
	};

	return hash__bytes(parts, sizeof(parts));
}

uint64_t view__entry_key(const struct view *v, const struct profile_entry *e)
{
	uint64_t parts[] = {
		view__stack_series(v, e),
		e->verdict,
		hash_string(e->type),
		e->cycle,
	};

	return hash__bytes(parts, sizeof(parts));
}

uint64_t view__process_series(const struct profile_process *process)
{
	return process->pid;
}

static int add_to_history(struct view *v)
{
	const struct profile *p = v->profile;
	size_t i;
	int err = history__begin(&v->history);

	for (i = 0; i < p->processes.count && !err; i++)
		err = history__add(&v->history, view__process_series(&p->processes.items[i]),
				   p->processes.items[i].outstanding.bytes);
	for (i = 0; i < p->entries.count && !err; i++)
		err = history__add(&v->history, view__stack_series(v, &p->entries.items[i]),
				   p->entries.items[i].sum.bytes);
	return err;
}

int view__show(struct view *v, struct profile *p)
{
	int err;

	profile__destroy(v->profile);
	v->profile = p;
	v->rows.count = 0;
	err = hash_stacks(v);
	if (!err)
		err = add_to_history(v);
	if (!err)
		err = profile__sort(p, v->sort);
	if (!err)
		view__update_rows(v);
	return err;
}

void view__note(struct view *v, const char *text)
{
	format__name(v->note, text, FORMAT_NAME_COLUMNS);
}

/* --- rows --- */

static const struct profile_stack *stack_of(const struct view *v, const struct profile_entry *e)
{
	return e->stack < v->profile->stacks.count ? &v->profile->stacks.items[e->stack] : NULL;
}

/* How the stack ends, where it is not its outermost frame. */
static const char *end_of(const struct profile_stack *s)
{
	if (!s || (!s->count && !s->broken))
		return "[no stack was recorded]";
	if (s->truncated)
		return "[cut here, see --stack-depth]";
	return s->broken ? "[the walk ended here]" : NULL;
}

bool view__detail(const struct view *v, const struct profile_entry *e, uint32_t n,
		  struct view_detail *ret)
{
	static const struct profile_line nameless = {0};
	const struct profile *p = v->profile;
	const struct profile_stack *s = stack_of(v, e);
	uint32_t i;

	*ret = (struct view_detail){0};
	for (i = 0; s && i < s->count; i++) {
		const struct profile_location *l =
			&p->locations.items[p->frames.items[s->first + i]];
		uint32_t nr = l->nr_lines ? l->nr_lines : 1;

		if (n < nr) {
			ret->location = l;
			ret->line = l->nr_lines ? &l->lines[n] : &nameless;
			return true;
		}
		n -= nr;
	}
	if (end_of(s) && !n--) {
		ret->remark = end_of(s);
		return true;
	}
	if (n < e->nr_blocks && n < SHOWN_BLOCKS) {
		ret->block = &p->blocks.items[e->first_block + n];
		return true;
	}
	if (e->nr_blocks <= SHOWN_BLOCKS || n != SHOWN_BLOCKS)
		return false;
	ret->remark = "... and more blocks";
	return true;
}

uint32_t view__process(const struct view *v)
{
	uint32_t i;

	if (!v->profile || !v->profile->processes.count)
		return PROFILE_NONE;
	for (i = 0; v->pid && i < v->profile->processes.count; i++)
		if (v->profile->processes.items[i].pid == v->pid)
			return i;
	return 0;
}

uint32_t view__pid(const struct view *v)
{
	uint32_t i = view__process(v);

	return i == PROFILE_NONE ? 0 : v->profile->processes.items[i].pid;
}

static bool is_expanded(const struct view *v, const struct profile_entry *e)
{
	return hash__get(&v->expanded, view__stack_series(v, e), 0) != HASH_NONE;
}

static void name_stack(struct view *v, const struct profile_entry *e)
{
	if (v->o.name && stack_of(v, e))
		v->o.name(v->o.context, v->profile, e->stack);
}

/* How well @row is what the cursor is on: its line of the same stack, of the same verdict too. */
static int likeness(const struct view *v, const struct view_row *row)
{
	const struct profile_entry *e = &v->profile->entries.items[row->entry];

	if (row->line > v->cursor_line || view__stack_series(v, e) != v->cursor_stack)
		return 0;
	return 1 + (row->line == v->cursor_line) + 2 * (view__entry_key(v, e) == v->cursor_key);
}

/* Where the cursor's stack is now; without it the cursor stays where it is on the screen. */
static void find_cursor(struct view *v)
{
	int best = 0, like;
	size_t i;

	for (i = 0; v->follows && i < v->rows.count; i++) {
		like = likeness(v, &v->rows.items[i]);
		if (like > best) {
			best = like;
			v->cursor = i;
		}
	}
	if (!best && v->cursor >= v->rows.count)
		v->cursor = v->rows.count ? v->rows.count - 1 : 0;
}

void view__update_rows(struct view *v)
{
	uint32_t i, process = view__process(v), line;
	struct view_detail detail;

	v->rows.count = 0;
	if (process == PROFILE_NONE)
		return;
	for (i = 0; i < v->profile->processes.items[process].nr_entries; i++) {
		uint32_t entry = v->profile->processes.items[process].first_entry + i;
		const struct profile_entry *e = &v->profile->entries.items[entry];

		/* Without memory there are fewer rows. */
		if (vector_push(&v->rows, (struct view_row){entry, 0}))
			break;
		if (!v->expanded.count || !is_expanded(v, e))
			continue;
		name_stack(v, e);
		for (line = 0; view__detail(v, e, line, &detail); line++)
			if (vector_push(&v->rows, (struct view_row){entry, line + 1}))
				break;
	}
	find_cursor(v);
}

/* --- keys --- */

static const struct {
	const char *name;
	enum profile_sort sort;
	int key;
} orders[] = {
	{"bytes", PROFILE_SORT_BYTES, 'b'},
	{"blocks", PROFILE_SORT_BLOCKS, 'n'},
	{"growth", PROFILE_SORT_GROWTH, 'g'},
	{"age", PROFILE_SORT_AGE, 'a'},
};

const char *view__sort_name(enum profile_sort sort)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(orders); i++)
		if (orders[i].sort == sort)
			return orders[i].name;
	return "";
}

static void set_sort(struct view *v, enum profile_sort sort)
{
	v->sort = sort;
	if (!v->profile)
		return;
	if (profile__sort(v->profile, sort))
		view__note(v, "cannot sort: out of memory");
	view__update_rows(v);
}

static size_t moved(size_t at, size_t count, size_t page, int key)
{
	size_t step = page > 1 ? page - 1 : 1, last = count ? count - 1 : 0;

	switch (key) {
	case VIEW_KEY_UP:
	case 'k':
		return at ? at - 1 : 0;
	case VIEW_KEY_DOWN:
	case 'j':
		return at < last ? at + 1 : last;
	case VIEW_KEY_PAGE_UP:
		return at > step ? at - step : 0;
	case VIEW_KEY_PAGE_DOWN:
		return at + step < last ? at + step : last;
	case VIEW_KEY_HOME:
		return 0;
	case VIEW_KEY_END:
		return last;
	}
	return at;
}

/* The cursor goes with the stack that it is on. */
static void hold_cursor(struct view *v)
{
	const struct profile_entry *e;
	const struct view_row *r;

	if (v->cursor >= v->rows.count)
		return;
	r = &v->rows.items[v->cursor];
	e = &v->profile->entries.items[r->entry];
	v->cursor_key = view__entry_key(v, e);
	v->cursor_stack = view__stack_series(v, e);
	v->cursor_line = r->line;
	v->follows = true;
}

static void move_in_processes(struct view *v, int key)
{
	uint32_t at = view__process(v);

	if (at == PROFILE_NONE)
		return;
	at = moved(at, v->profile->processes.count, v->process_page, key);
	v->pid = v->profile->processes.items[at].pid;
	v->follows = false;
	v->cursor = v->top = 0;
	view__update_rows(v);
}

static void move(struct view *v, int key)
{
	if (v->in_processes) {
		move_in_processes(v, key);
		return;
	}
	v->cursor = moved(v->cursor, v->rows.count, v->page, key);
	/* At the top it stays at the top, whatever comes there. */
	if (v->cursor)
		hold_cursor(v);
	else
		v->follows = false;
}

/* @open: 1 expand, 0 collapse, -1 the other way round. */
static void expand(struct view *v, int open)
{
	uint64_t key;
	bool is_open;

	if (v->cursor >= v->rows.count)
		return;
	hold_cursor(v);
	key = v->cursor_stack;
	is_open = hash__get(&v->expanded, key, 0) != HASH_NONE;
	if (open < 0)
		open = !is_open;
	if (open && hash__set(&v->expanded, key, 0, 0))
		view__note(v, "cannot expand: out of memory");
	if (!open) {
		hash__remove(&v->expanded, key, 0);
		v->cursor_line = 0;
	}
	view__update_rows(v);
}

static void enter(struct view *v, int key)
{
	if (v->in_processes)
		v->in_processes = false;
	else
		expand(v, key == VIEW_KEY_LEFT ? 0 : key == VIEW_KEY_RIGHT ? 1 : -1);
}

static void change_table(struct view *v)
{
	if (v->profile && v->profile->processes.count > 1)
		v->in_processes = !v->in_processes;
	v->pid = view__pid(v);
}

enum view_action view__key(struct view *v, int key)
{
	size_t i;

	v->note[0] = '\0';
	if (v->help) {
		v->help = false;
		return key == 'q' ? VIEW_QUIT : VIEW_NOTHING;
	}
	for (i = 0; i < ARRAY_SIZE(orders); i++)
		if (orders[i].key == key)
			set_sort(v, orders[i].sort);
	switch (key) {
	case 'q':
		return VIEW_QUIT;
	case 'r':
		v->paused = false;
		return VIEW_REFRESH;
	case 'l':
		return view__pid(v) ? VIEW_CHECK : VIEW_NOTHING;
	case 'w':
		return VIEW_SAVE;
	case 'p':
	case ' ':
		v->paused = !v->paused;
		return v->paused ? VIEW_NOTHING : VIEW_REFRESH;
	case 's':
		set_sort(v, (v->sort + 1) % ARRAY_SIZE(orders));
		break;
	case 'h':
	case '?':
		v->help = true;
		break;
	case '\t':
		change_table(v);
		break;
	case '\n':
	case '\r':
	case VIEW_KEY_LEFT:
	case VIEW_KEY_RIGHT:
		enter(v, key);
		break;
	default:
		move(v, key);
	}
	return VIEW_NOTHING;
}

bool view__paused(const struct view *v)
{
	return v->paused;
}

void view__pause(struct view *v, bool paused)
{
	v->paused = paused;
}
