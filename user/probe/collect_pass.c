// SPDX-License-Identifier: GPL-2.0-or-later
#include "probe/collect_pass.h"

void pass__release(struct pass *s)
{
	size_t i;

	for (i = 0; i < s->has.groups.count; i++)
		path__destroy(s->has.groups.items[i].path);
	gathered__release(&s->has);
	pasts__release(&s->pasts);
	vector_release(&s->running);
	hash__release(&s->group_index);
	vector_release(&s->dead);
	vector_release(&s->dead_sites);
	vector_release(&s->dead_wrongs);
	hash__release(&s->ended);
	hash__release(&s->shown);
	vector_release(&s->deferring);
	hash__release(&s->deferring_index);
	vector_release(&s->cells);
	hash__release(&s->deferred);
	vector_release(&s->postponed);
	hash__release(&s->needed);
}

int pass__find_group(struct pass *s, const struct group *like, uint32_t *ret)
{
	uint64_t b = pass__group_key(like);
	uint32_t i = hash__get(&s->group_index, like->stack, b);
	int err;

	if (i == HASH_NONE) {
		err = vector_push(&s->has.groups, *like);
		if (err)
			return err;
		i = s->has.groups.count - 1;
		err = hash__set(&s->group_index, like->stack, b, i);
		if (err)
			return err;
	}
	*ret = i;
	return 0;
}

static void add_weighed(struct weighed *sum, struct sample sample, uint64_t size)
{
	struct sample_weight w = sample_weigh(sample, size);
	double weight = (double)w.blocks / SAMPLE_WEIGHT_ONE; /* 1 / p */
	double variance = weight * weight - weight;	      /* (1 - p) / p^2 */

	sum->blocks += w.blocks;
	sum->bytes += w.bytes;
	sum->blocks_variance += variance;
	sum->bytes_variance += variance * size * size;
}

/* Below 1 s, 2 s, 4 s ... */
static unsigned int age_class(const struct pass *s, uint64_t time_ns)
{
	uint64_t seconds = pass__age_ms(s, time_ns) / 1000;

	return seconds ? 64 - __builtin_clzll(seconds) : 0;
}

int pass__add_block(struct pass *s, uint32_t group, struct sample sample, uint64_t addr,
		    uint64_t size, uint64_t time_ns)
{
	struct group *g = &s->has.groups.items[group];
	bool ended = hash__get(&s->ended, g->image, 0) != HASH_NONE;
	struct listed l = {.group = group, .addr = addr, .bytes = size, .time_ns = time_ns};

	add_weighed(&g->all, sample, size);
	g->alive += time_ns <= s->now_ns;
	g->known += time_ns <= s->last_ns;
	g->ages |= 1ULL << age_class(s, time_ns);
	if (!ended && s->now_ns < time_ns + s->options->older_ns)
		return 0;
	if (!g->old.blocks || time_ns < g->oldest_ns)
		g->oldest_ns = time_ns;
	if (!g->old.blocks || time_ns > g->newest_ns)
		g->newest_ns = time_ns;
	add_weighed(&g->old, sample, size);
	if (!s->options->blocks)
		return 0;
	return vector_push(&s->has.listed, l);
}

uint32_t collector__type_number(struct collector *c, const char *name)
{
	uint32_t i;

	return strings__add(&c->types, name, &i) ? PROFILE_NONE : i;
}
