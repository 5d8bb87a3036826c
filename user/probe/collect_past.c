// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Processes that ended: the final report lists them all, with what they held, and there may be very
 * many by then. But for the next report nobody looks at them before, so they are kept packed: much
 * of it is zero, or as it is in others.
 */
#include "probe/collect_pass.h"

#include <stdlib.h>

/* The vectors of @p, for packed__create and packed__open. */
#define PASTS_VECTORS(p)                                                                           \
	{                                                                                          \
		PACKED_VECTOR(&(p)->processes), PACKED_VECTOR(&(p)->has.groups),                   \
			PACKED_VECTOR(&(p)->has.sites), PACKED_VECTOR(&(p)->has.wrongs),           \
			PACKED_VECTOR(&(p)->has.listed),                                           \
	}

void gathered__release(struct gathered *g)
{
	vector_release(&g->groups);
	vector_release(&g->sites);
	vector_release(&g->wrongs);
	vector_release(&g->listed);
}

void pasts__release(struct pasts *p)
{
	vector_release(&p->processes);
	gathered__release(&p->has);
}

/* The group goes to those of processes that ended; so does what is owned. 0 or -ENOMEM. */
static int move_group(struct collector *c, struct group *from, struct gathered *to)
{
	int err = vector_push(&to->groups, *from);

	if (!err && from->path)
		err = vector_push(&c->paths, from->path);
	if (!err)
		from->path = NULL;
	return err;
}

/* Sites and wrongs are where they belong: the groups, and the blocks of these. */
static int move_groups(struct collector *c, struct pass *s)
{
	CLEANUP_FREE uint32_t *moved = calloc(s->has.groups.count + 1, sizeof(*moved));
	struct gathered *to = &s->pasts.has;
	size_t i;
	int err = 0;

	if (!moved)
		return -ENOMEM;
	for (i = 0; i < s->has.groups.count && !err; i++) {
		struct group *g = &s->has.groups.items[i];

		moved[i] = HASH_NONE;
		if (hash__get(&s->ended, g->image, 0) == HASH_NONE)
			continue;
		moved[i] = to->groups.count;
		err = move_group(c, g, to);
	}
	for (i = 0; i < s->has.listed.count && !err; i++) {
		struct listed l = s->has.listed.items[i];

		l.group = moved[l.group];
		if (l.group != HASH_NONE)
			err = vector_push(&to->listed, l);
	}
	return err;
}

static int pin_group(struct collector *c, const struct group *g)
{
	int err = stacks__pin(c->stacks, c->t.stacks_fd, g->stack);
	uint32_t i;

	for (i = 0; g->path && i < g->path->nr_steps && !err; i++)
		err = stacks__pin(c->stacks, c->t.stacks_fd, g->path->steps[i].stack);
	return err;
}

static int pin_wrong(struct collector *c, const struct wrong *w)
{
	const uint64_t stacks[] = {w->key.alloc_stack, w->key.free_stack, w->record.first_stack};
	size_t i;
	int err = 0;

	for (i = 0; i < ARRAY_SIZE(stacks) && !err; i++)
		err = stacks__pin(c->stacks, c->t.stacks_fd, stacks[i]);
	return err;
}

/* Nobody looks into what is packed to see which stacks it needs. */
static int pin_stacks(struct collector *c, const struct gathered *g)
{
	size_t i;
	int err = 0;

	for (i = 0; i < g->groups.count && !err; i++)
		err = pin_group(c, &g->groups.items[i]);
	for (i = 0; i < g->sites.count && !err; i++)
		err = stacks__pin(c->stacks, c->t.stacks_fd, g->sites.items[i].key.stack);
	for (i = 0; i < g->wrongs.count && !err; i++)
		err = pin_wrong(c, &g->wrongs.items[i]);
	return err;
}

int collector__keep_pasts(struct collector *c, struct pass *s)
{
	const struct packed_vector vectors[] = PASTS_VECTORS(&s->pasts);
	struct packed *packed;
	size_t i;
	int err;

	if (!s->pasts.processes.count)
		return 0;
	for (i = 0; i < s->pasts.processes.count; i++) {
		struct traced *t = &s->pasts.processes.items[i];

		t->exe = probe__image_exe(c->probe, t->process.image);
	}
	err = move_groups(c, s);
	if (!err)
		err = pin_stacks(c, &s->pasts.has);
	if (!err)
		err = vector_reserve(&c->pasts, c->pasts.count + 1);
	if (!err)
		err = packed__create(vectors, ARRAY_SIZE(vectors), &packed);
	if (!err)
		c->pasts.items[c->pasts.count++] = packed;
	return err;
}

int collector__open_pasts(const struct collector *c, size_t i, struct pasts *ret)
{
	const struct packed_vector vectors[] = PASTS_VECTORS(ret);

	*ret = (struct pasts){0};
	return packed__open(c->pasts.items[i], vectors, ARRAY_SIZE(vectors));
}
