// SPDX-License-Identifier: GPL-2.0-or-later
#include "report/tree.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "report/format.h"
#include "util/cleanup.h"

static const struct profile_line nameless;

static const struct profile_line *line_of(const struct profile_location *l, uint32_t line)
{
	return line < l->nr_lines ? &l->lines[line] : &nameless;
}

static bool has_name(const struct profile_line *line)
{
	return line->symbol && *line->symbol;
}

static int number_frame(struct tree *t, struct tree_frame f, uint32_t *ret)
{
	const struct profile_location *l = &t->p->locations.items[f.location];
	const struct profile_line *line = line_of(l, f.line);
	/* Names are interned. */
	uint64_t a = has_name(line) ? (uintptr_t)line->symbol : l->pc;
	uint64_t b = (uint64_t)l->module << 1 | has_name(line);
	uint32_t i = t->merge ? hash__get(&t->by_name, a, b) : HASH_NONE;
	int err = 0;

	if (i == HASH_NONE) {
		i = t->frames.count;
		err = vector_push(&t->frames, f);
		if (!err && t->merge)
			err = hash__set(&t->by_name, a, b, i);
	}
	*ret = i;
	return err;
}

/* Frames have no numbers before they are met. */
static int prepare_frames(struct tree *t)
{
	const struct profile *p = t->p;
	uint32_t i, n = 0;
	int err = vector_reserve(&t->frames, TREE_LINES);

	t->first = calloc(p->locations.count + 1, sizeof(*t->first));
	if (err || !t->first)
		return -ENOMEM;
	memset(t->frames.items, 0, TREE_LINES * sizeof(*t->frames.items));
	t->frames.count = TREE_LINES;
	for (i = 0; i < p->locations.count; i++) {
		t->first[i] = n;
		n += p->locations.items[i].nr_lines ? p->locations.items[i].nr_lines : 1;
	}
	t->first[i] = n;
	t->numbers = malloc((n + 1) * sizeof(*t->numbers));
	if (!t->numbers)
		return -ENOMEM;
	for (i = 0; i < n; i++)
		t->numbers[i] = PROFILE_NONE;
	return 0;
}

int tree__init(struct tree *t, const struct profile *p, bool merge)
{
	int err;

	*t = (struct tree){.p = p, .merge = merge};
	err = prepare_frames(t);
	if (!err)
		err = vector_push(&t->nodes, (struct tree_node){.parent = PROFILE_NONE});
	if (err)
		tree__release(t);
	return err;
}

void tree__release(struct tree *t)
{
	vector_release(&t->frames);
	vector_release(&t->nodes);
	free(t->first);
	free(t->numbers);
	hash__release(&t->index);
	hash__release(&t->by_name);
	*t = (struct tree){0};
}

int tree__child(struct tree *t, uint32_t parent, uint32_t frame, uint32_t *ret)
{
	uint32_t i = hash__get(&t->index, parent, frame);
	int err = 0;

	if (i == HASH_NONE) {
		i = t->nodes.count;
		err = vector_push(&t->nodes, (struct tree_node){parent, frame});
		if (!err)
			err = hash__set(&t->index, parent, frame, i);
	}
	*ret = i;
	return err;
}

/* Go from @node to the callee that is this line of a location. */
static int add_line(struct tree *t, uint32_t location, uint32_t line, uint32_t *node)
{
	uint32_t *number = &t->numbers[t->first[location] + line];
	int err = 0;

	if (*number == PROFILE_NONE)
		err = number_frame(t, (struct tree_frame){location, line}, number);
	return err ? err : tree__child(t, *node, *number, node);
}

int tree__add_stack(struct tree *t, uint32_t parent, uint32_t stack, uint32_t *ret)
{
	const struct profile *p = t->p;
	const struct profile_stack *s = stack < p->stacks.count ? &p->stacks.items[stack] : NULL;
	uint32_t node = parent, i, k;
	int err = 0;

	if (s && s->truncated)
		err = tree__child(t, node, TREE_TRUNCATED, &node);
	else if (s && s->broken)
		err = tree__child(t, node, TREE_BROKEN, &node);
	else if (!s || !s->count)
		err = tree__child(t, node, TREE_NO_STACK, &node);
	for (i = s ? s->count : 0; i-- > 0 && !err;) {
		uint32_t l = p->frames.items[s->first + i];

		for (k = t->first[l + 1]; k-- > t->first[l] && !err;)
			err = add_line(t, l, k - t->first[l], &node);
	}
	if (!err)
		*ret = node;
	return err;
}

const struct profile_location *tree__location(const struct tree *t, uint32_t frame,
					      const struct profile_line **line)
{
	const struct profile_location *l;

	if (frame < TREE_LINES || frame >= t->frames.count)
		return NULL;
	l = &t->p->locations.items[t->frames.items[frame].location];
	*line = line_of(l, t->frames.items[frame].line);
	return l;
}

char *tree__name(const struct tree *t, uint32_t frame)
{
	static const char *const lacks[] = {
		[TREE_NO_STACK] = "[no stack]",
		[TREE_TRUNCATED] = "[truncated]",
		[TREE_BROKEN] = "[broken]",
	};
	const struct profile_line *line;
	const struct profile_location *l = tree__location(t, frame, &line);
	const char *path;
	char *name;

	if (!l)
		return strdup(frame < TREE_LINES ? lacks[frame] : "");
	if (has_name(line))
		return strdup(line->symbol);
	path = l->module < t->p->modules.count ? t->p->modules.items[l->module].path : "";
	return asprintf(&name, "%s+0x%" PRIx64, format__basename(path), l->pc) < 0 ? NULL : name;
}
