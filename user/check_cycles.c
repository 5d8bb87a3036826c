// SPDX-License-Identifier: GPL-2.0-or-later
#include "check_cycles.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/hash.h"

/* The control blocks of libstdc++'s shared_ptr: the class that they count for is the first argument
 * of the template. */
#define COUNTER	    "std::_Sp_counted_"
#define MAX_CLASSES 4 /* that are named of one cycle */

/* A class by its name in a type's. */
struct class_name {
	const char *start;
	size_t length;
};

/* The cycles that have control blocks. */
struct cycle {
	struct class_name classes[MAX_CLASSES]; /* by name, no two the same */
	uint32_t nr;
};

struct naming {
	struct snapshot *snapshot;
	VECTOR(struct cycle) cycles;
	struct hash by_number; /* (the judge's number, 0) to cycles */
	struct hash by_text;   /* (hash of it, length) to snapshot's cycles */
};

static void release_naming(struct naming *n)
{
	vector_release(&n->cycles);
	hash__release(&n->by_number);
	hash__release(&n->by_text);
}

/* The class that a control block of @type counts for; of length 0 where it is none. */
static struct class_name counted_class(const char *type)
{
	struct class_name name = {0};
	int depth = 0;
	size_t n;

	if (strncmp(type, COUNTER, strlen(COUNTER)) != 0)
		return name;
	name.start = strchr(type, '<');
	if (!name.start)
		return name;
	name.start++;
	for (n = 0; name.start[n] && (depth || (name.start[n] != ',' && name.start[n] != '>')); n++)
		depth += (name.start[n] == '<') - (name.start[n] == '>');
	while (n && (name.start[n - 1] == '*' || name.start[n - 1] == ' '))
		n--;
	name.length = n;
	return name;
}

static int compare_names(const struct class_name *a, const struct class_name *b)
{
	size_t shorter = a->length < b->length ? a->length : b->length;
	int c = strncmp(a->start, b->start, shorter);

	return c ? c : (a->length > b->length) - (a->length < b->length);
}

static void add_class(struct cycle *c, struct class_name name)
{
	uint32_t i = 0;

	while (i < c->nr && compare_names(&c->classes[i], &name) < 0)
		i++;
	if (i < c->nr && compare_names(&c->classes[i], &name) == 0)
		return;
	if (c->nr == MAX_CLASSES)
		return;
	memmove(&c->classes[i + 1], &c->classes[i], (c->nr - i) * sizeof(name));
	c->classes[i] = name;
	c->nr++;
}

static int meet(struct naming *n, const struct snapshot_block *b, uint32_t number)
{
	struct class_name name = counted_class(n->snapshot->types.items[b->type]);
	uint32_t i = hash__get(&n->by_number, number, 0);
	int err = 0;

	if (!name.length)
		return 0;
	if (i == HASH_NONE) {
		i = n->cycles.count;
		err = vector_push(&n->cycles, (struct cycle){0});
		if (!err)
			err = hash__set(&n->by_number, number, 0, i);
	}
	if (!err)
		add_class(&n->cycles.items[i], name);
	return err;
}

/* "Child, Parent", owned by the caller; NULL without memory. */
static char *list_classes(const struct cycle *c)
{
	size_t size = 1, used = 0;
	char *text;
	uint32_t i;

	for (i = 0; i < c->nr; i++)
		size += c->classes[i].length + 2;
	text = malloc(size);
	if (!text)
		return NULL;
	for (i = 0; i < c->nr; i++) {
		if (i) {
			memcpy(text + used, ", ", 2);
			used += 2;
		}
		memcpy(text + used, c->classes[i].start, c->classes[i].length);
		used += c->classes[i].length;
	}
	text[used] = '\0';
	return text;
}

/* Number of the cycle's classes in the snapshot's list, from 1, into *@ret. 0 or -ENOMEM. */
static int intern(struct naming *n, const struct cycle *c, uint16_t *ret)
{
	CLEANUP_FREE char *text = list_classes(c);
	struct snapshot *s = n->snapshot;
	uint64_t key;
	size_t length;
	uint32_t i;
	int err;

	if (!text)
		return -ENOMEM;
	length = strlen(text);
	key = hash__bytes(text, length);
	i = hash__get(&n->by_text, key, length);
	if (i == HASH_NONE && s->cycles.count < UINT16_MAX - 1) {
		i = s->cycles.count;
		err = vector_push(&s->cycles, text);
		if (err)
			return err;
		TAKE_PTR(text);
		err = hash__set(&n->by_text, key, length, i);
		if (err)
			return err;
	}
	*ret = i == HASH_NONE ? 0 : i + 1;
	return 0;
}

static int give_names(struct naming *n, const struct judge_verdict *verdicts)
{
	CLEANUP_FREE uint16_t *numbers = calloc(n->cycles.count + 1, sizeof(*numbers));
	struct snapshot *s = n->snapshot;
	size_t i;
	int err = numbers ? 0 : -ENOMEM;

	for (i = 0; i < n->cycles.count && !err; i++)
		err = intern(n, &n->cycles.items[i], &numbers[i]);
	for (i = 0; i < s->nr && n->cycles.count && !err; i++) {
		uint32_t cycle = verdicts[i].cycle ? hash__get(&n->by_number, verdicts[i].cycle, 0)
						   : HASH_NONE;

		if (cycle != HASH_NONE)
			s->blocks.items[s->items[i].index].classes = numbers[cycle];
	}
	return err;
}

int cycles__name(struct snapshot *s, const struct judge_verdict *verdicts)
{
	CLEANUP(release_naming) struct naming n = {.snapshot = s};
	size_t i;
	int err = 0;

	for (i = 0; i < s->nr && !err; i++) {
		const struct snapshot_block *b = &s->blocks.items[s->items[i].index];

		if (verdicts[i].cycle && b->type < s->types.count)
			err = meet(&n, b, verdicts[i].cycle);
	}
	return err ? err : give_names(&n, verdicts);
}
