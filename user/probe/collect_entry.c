// SPDX-License-Identifier: GPL-2.0-or-later
/* From the groups of a pass, and of processes that ended before, to the entries of a profile. */
#include "probe/collect_building.h"

#include <errno.h>
#include <math.h>

static struct profile_error error_of(const struct weighed *sum)
{
	return (struct profile_error){sqrt(sum->blocks_variance), sqrt(sum->bytes_variance)};
}

/* What @r has of the report before, into *@before, and what there is now, which a peek does not
 * note. */
/* The key of a group that no leak check has split. */
static uint64_t whole_key(const struct group *g)
{
	return pass__group_key(
		&(struct group){.image = g->image, .family = g->family, .type = PROFILE_NONE});
}

int building__add_wholes(struct building *b, const struct group *groups, size_t n,
			 const struct hash *ended)
{
	struct collector *c = b->collector;
	size_t i, first = b->wholes.count;
	int err = 0;

	for (i = 0; i < n && !err; i++) {
		const struct group *g = &groups[i];
		struct whole_stack w = {.stack = g->stack, .key = whole_key(g)};
		uint32_t at = hash__get(&b->whole_index, w.stack, w.key);

		if (hash__get(ended, g->image, 0) != HASH_NONE)
			continue;
		if (at == HASH_NONE) {
			at = b->wholes.count;
			err = vector_push(&b->wholes, w);
			if (!err)
				err = hash__set(&b->whole_index, w.stack, w.key, at);
		}
		if (!err)
			b->wholes.items[at].now += g->all.bytes;
	}
	for (i = first; i < b->wholes.count && !err; i++) {
		struct whole_stack *w = &b->wholes.items[i];

		err = recall__exchange(&c->wholes, w->stack, w->key, w->now, b->pass->options->peek,
				       &w->before, &w->known);
	}
	return err;
}

/*
 * What @g held at the report before. Where a leak check ran for one of the two reports alone, the
 * stack's blocks were not split in the same way: then each part has its share of what the stack
 * held.
 */
static int find_before(struct building *b, const struct group *g, double *ret)
{
	struct collector *c = b->collector;
	uint32_t i = hash__get(&b->whole_index, g->stack, whole_key(g));
	const struct whole_stack *w = i == HASH_NONE ? NULL : &b->wholes.items[i];
	bool unsplit = recall__before(&c->groups, g->stack, whole_key(g)) != NULL;
	uint64_t before;
	bool known;
	int err;

	err = recall__exchange(&c->groups, g->stack, pass__group_key(g), g->all.bytes,
			       b->pass->options->peek, &before, &known);
	if (err)
		return err;
	*ret = before;
	if (!known && w && w->known && w->now && (g->verdict == PROFILE_VERDICT_NONE || unsplit))
		*ret = (double)w->before * g->all.bytes / w->now;
	return 0;
}

static void add_to_process(const struct collector *c, struct profile_process *p,
			   const struct group *g)
{
	struct profile_error e = error_of(&g->all);

	if (g->family == MEMLEAK_FAMILY_MMAP) {
		p->mmap.blocks += whole(g->all.blocks);
		p->mmap.bytes += g->all.bytes;
		return;
	}
	if (probe__is_resource(&c->t, g->family)) {
		p->resources += whole(g->all.blocks);
		return;
	}
	p->leaks[g->verdict].blocks += whole(g->all.blocks);
	p->leaks[g->verdict].bytes += g->all.bytes;
	p->error.blocks = hypot(p->error.blocks, e.blocks);
	p->error.bytes = hypot(p->error.bytes, e.bytes);
}

/* What the reports so far say of the blocks of @g, where no check has judged them. */
static int find_trend(struct building *b, const struct group *g, struct profile_entry *e)
{
	struct collector *c = b->collector;
	uint64_t key = pass__group_key(g), since_ns;
	const struct trend *known = recall__before(&c->trends, g->stack, key);
	struct trend_look look = {
		.now_ns = b->pass->now_ns,
		.last_ns = c->last_ns,
		.seq = c->seq,
		.alive = g->alive,
		.old = g->known,
	};
	struct trend trend = known ? *known : (struct trend){0};

	e->generations = __builtin_popcountll(g->ages);
	trend__look(&trend, &look);
	e->trend = trend__judge(&trend, look.now_ns, &since_ns);
	if (e->trend != PROFILE_TREND_NONE && since_ns)
		e->trend_since_ms = b->profile->time_ms - (look.now_ns - since_ns) / 1000000;
	return b->pass->options->peek ? 0 : recall__note(&c->trends, g->stack, key, &trend);
}

/* The place that asked for the blocks of a stack of the kernel; PROFILE_NONE where it is not known.
 */
static int find_caller(struct building *b, const struct stacks_source *source, uint64_t key,
		       uint8_t *family, uint32_t *ret)
{
	struct profile *p = b->profile;
	uint32_t stack;
	int err = stacks__add(b->collector->stacks, source, key, p, family, &stack);

	if (err)
		return err;
	*ret = p->stacks.items[stack].count ? p->frames.items[p->stacks.items[stack].first]
					    : PROFILE_NONE;
	return 0;
}

static int add_step(struct building *b, const struct stacks_source *source,
		    const struct path_step *from)
{
	struct profile_step step = {
		.addr = from->addr, .bytes = from->bytes, .pointer_at = from->pointer_at};
	uint8_t family = from->family;
	int err = find_caller(b, source, from->stack, &family, &step.location);

	if (err)
		return err;
	step.family = profile__intern(b->profile, probe__family_name(b->collector->probe, family));
	if (from->type != PROFILE_NONE)
		step.type = profile__intern(b->profile, b->collector->types.list.items[from->type]);
	return step.family ? vector_push(&b->profile->steps, step) : -ENOMEM;
}

static int add_path(struct building *b, const struct stacks_source *source, const struct path *from,
		    uint32_t *ret)
{
	struct profile *p = b->profile;
	struct profile_path path = {
		.root = from->root,
		.name = profile__intern(p, from->name[0] ? from->name : NULL),
		.module = profile__intern(p, from->module),
		.module_id = from->module_id,
		.pc = from->pc,
		.offset = from->offset,
		.addr = from->addr,
		.interrupted = from->interrupted,
		.thread = from->thread,
		.omitted = from->omitted,
		.first_step = p->steps.count,
		.nr_steps = from->nr_steps,
	};
	uint32_t i;
	int err = 0;

	if ((from->name[0] && !path.name) || (from->module && !path.module))
		return -ENOMEM;
	for (i = 0; i < from->nr_steps && !err; i++)
		err = add_step(b, source, &from->steps[i]);
	if (!err)
		err = vector_push(&p->paths, path);
	*ret = p->paths.count;
	return err;
}

int building__add_entry(struct building *b, const struct group *g, uint32_t *ret)
{
	struct collector *c = b->collector;
	struct profile *p = b->profile;
	uint32_t process = hash__get(&b->process_of, g->image, 0);
	struct profile_entry e = {.process = process};
	struct stacks_source source = {.stacks_fd = c->t.stacks_fd, .files = c->t.files};
	uint8_t family = g->family;
	double before, dt = c->last_ns ? (b->pass->now_ns - c->last_ns) / 1e9 : 0;
	int err;

	*ret = HASH_NONE;
	if (process == HASH_NONE)
		return 0; /* it came after the processes were read: next time */
	err = find_before(b, g, &before);
	if (err)
		return err;
	add_to_process(c, &p->processes.items[process], g);
	if (g->verdict == PROFILE_VERDICT_NONE && p->processes.items[process].running)
		err = find_trend(b, g, &e);
	if (err)
		return err;
	e.resource = probe__is_resource(&c->t, g->family);
	e.verdict = g->verdict;
	e.cycle = g->cycle;
	e.sum.blocks = whole(g->old.blocks);
	e.sum.bytes = g->old.bytes;
	e.error = error_of(&g->old);
	if (!g->old.blocks)
		return 0;
	if (dt > 0)
		e.growth_bytes_per_s = (g->all.bytes - before) / dt;
	e.oldest_ms = pass__age_ms(b->pass, g->oldest_ns);
	e.newest_ms = pass__age_ms(b->pass, g->newest_ns);
	source.tgid = p->processes.items[process].pid;
	err = stacks__add(c->stacks, &source, g->stack, p, &family, &e.stack);
	if (err)
		return err;
	e.family = profile__intern(p, probe__family_name(c->probe, family));
	if (g->type != PROFILE_NONE)
		e.type = profile__intern(p, c->types.list.items[g->type]);
	if (g->cycle_classes)
		e.cycle_classes = profile__intern(p, c->types.list.items[g->cycle_classes - 1]);
	if (g->path)
		err = add_path(b, &source, g->path, &e.path);
	if (err)
		return err;
	if (!e.family || (g->type != PROFILE_NONE && !e.type) ||
	    (g->cycle_classes && !e.cycle_classes))
		return -ENOMEM;
	err = vector_push(&p->entries, e);
	*ret = p->entries.count - 1;
	return err;
}
