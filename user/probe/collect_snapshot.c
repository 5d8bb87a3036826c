// SPDX-License-Identifier: GPL-2.0-or-later
/* What a leak check saw of a process, in the place of what the tables have by now. */
#include "probe/collect_pass.h"

#include <errno.h>
#include <stdlib.h>

#include "probe/snapshot.h"

int collector__show_snapshot(struct collector *c, struct snapshot *s)
{
	size_t i;

	for (i = 0; i < c->snapshots.count; i++) {
		if (c->snapshots.items[i]->process.image != s->process.image)
			continue;
		snapshot__destroy(c->snapshots.items[i]);
		c->snapshots.items[i] = s;
		return 0;
	}
	if (vector_push(&c->snapshots, s)) {
		snapshot__destroy(s);
		return -ENOMEM;
	}
	return 0;
}

static bool has_ended(const struct pass *pass, const struct snapshot *s)
{
	return hash__get(&pass->ended, s->process.image, 0) != HASH_NONE;
}

/* The record of the process of @s in this pass; NULL where there is none. */
static struct memleak_process *find_process(struct pass *pass, const struct snapshot *s)
{
	uint32_t past = hash__get(&pass->ended, s->process.image, 0);
	size_t i;

	if (past != HASH_NONE)
		return &pass->pasts.processes.items[past].process;
	for (i = 0; i < pass->running.count; i++)
		if (pass->running.items[i].image == s->process.image)
			return &pass->running.items[i];
	return NULL;
}

/* Whether what @s says is true of the process as it is shown in this pass. */
static int choose_snapshot(struct collector *c, struct pass *pass, uint32_t index)
{
	const struct snapshot *s = c->snapshots.items[index];
	struct memleak_process *p = find_process(pass, s);
	uint32_t past = hash__get(&pass->ended, s->process.image, 0);

	if (!p)
		return 0;
	if (past != HASH_NONE) {
		struct traced *t = &pass->pasts.processes.items[past];

		/* It may have gone on after the check. */
		if (p->allocs != s->process.allocs || p->frees != s->process.frees)
			return 0;
		t->checked = true;
		t->pause_ms = s->pause_ms;
		t->judge_ms = s->judge_ms;
	} else {
		*p = s->process;
	}
	return hash__set(&pass->shown, s->process.image, 0, index);
}

int collector__choose_snapshots(struct collector *c, struct pass *pass)
{
	size_t i;
	int err = 0;

	for (i = 0; i < c->snapshots.count && !err; i++)
		err = choose_snapshot(c, pass, i);
	return err;
}

/* Hand the paths to the groups that they are of, in terms of the collector's @types. */
static int add_paths(struct pass *pass, struct snapshot *s, const uint32_t *types)
{
	size_t i, k;

	for (i = 0; i < s->paths.count; i++) {
		struct path *path = s->paths.items[i];
		struct group like = {
			.image = s->process.image,
			.stack = path->stack,
			.family = path->family,
			.verdict = PROFILE_VERDICT_REACHABLE,
			.type = PROFILE_NONE,
		};
		uint32_t group;
		int err = pass__find_group(pass, &like, &group);

		if (err)
			return err;
		for (k = 0; k < path->nr_steps; k++)
			if (path->steps[k].type != PROFILE_NONE)
				path->steps[k].type = types[path->steps[k].type];
		path__destroy(pass->has.groups.items[group].path);
		pass->has.groups.items[group].path = path;
		s->paths.items[i] = NULL;
	}
	s->paths.count = 0;
	return 0;
}

static int add_snapshot(struct collector *c, struct pass *pass, struct snapshot *s)
{
	CLEANUP_FREE uint32_t *types = calloc(s->types.count + 1, sizeof(*types));
	CLEANUP_FREE uint32_t *cycles = calloc(s->cycles.count + 1, sizeof(*cycles));
	uint32_t group;
	size_t i;
	int err = 0;

	if (!types || !cycles)
		return -ENOMEM;
	for (i = 0; i < s->types.count; i++)
		types[i] = collector__type_number(c, s->types.items[i]);
	for (i = 0; i < s->cycles.count; i++) /* 0 without memory */
		cycles[i + 1] = collector__type_number(c, s->cycles.items[i]) + 1;
	for (i = 0; i < s->nr && !err; i++) {
		const struct snapshot_block *b = &s->blocks.items[s->items[i].index];
		struct sample sample = probe__sample_of(&c->t, &b->block);
		struct group like = {
			.image = s->process.image,
			.stack = b->block.stack,
			.family = b->block.family,
			.verdict = b->verdict,
			.cycle = b->cycle,
			.type = b->type < s->types.count ? types[b->type] : PROFILE_NONE,
		};

		err = pass__find_group(pass, &like, &group);
		if (err)
			return err;
		/* One stack may be in several cycles: those with classes say more. */
		if (b->classes)
			pass->has.groups.items[group].cycle_classes = cycles[b->classes];
		err = pass__add_block(pass, group, sample, b->addr, b->block.size,
				      b->block.time_ns);
	}
	/* Of what goes on a report to come shows them; what ended is collected once. */
	if (err || (pass->options->peek && !has_ended(pass, s)))
		return err;
	return add_paths(pass, s, types);
}

int collector__add_snapshots(struct collector *c, struct pass *pass)
{
	size_t i;
	int err = 0;

	for (i = 0; i < c->snapshots.count && !err; i++) {
		struct snapshot *s = c->snapshots.items[i];

		if (hash__get(&pass->shown, s->process.image, 0) == i)
			err = add_snapshot(c, pass, s);
	}
	return err;
}

void collector__drop_snapshots(struct collector *c, const struct pass *pass)
{
	size_t i, kept = 0;

	for (i = 0; i < c->snapshots.count; i++) {
		struct snapshot *s = c->snapshots.items[i];

		if (!has_ended(pass, s) && (s->at_exit || pass->options->peek))
			c->snapshots.items[kept++] = s;
		else
			snapshot__destroy(s);
	}
	c->snapshots.count = kept;
}
