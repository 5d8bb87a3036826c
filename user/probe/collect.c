// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Terms: a *group* is the blocks of one image that share stack and family (and what a leak check
 * said); groups become the entries of a profile. The blocks table is read while programs go on:
 * sums of processes come from their counters, which are exact at every moment; groups are what the
 * pass met.
 *
 * An image that ended is collected once: its groups are kept (collect_past.c), its blocks leave the
 * kernel's table.
 */
#include "probe/collect.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "probe/batch.h"
#include "probe/collect_pass.h"
#include "probe/deferred.h"
#include "util/clock.h"

int collector__create(struct probe *p, bool history, struct collector **ret)
{
	struct collector *c = calloc(1, sizeof(*c));

	int err;

	if (!c)
		return -ENOMEM;
	err = stacks__create(&c->stacks);
	if (!err)
		err = barrier__create(&c->barrier);
	if (err) {
		collector__destroy(c);
		return err;
	}
	c->probe = p;
	probe__tables(p, &c->t);
	collector__expect_stacks(c);
	recall__init(&c->groups, sizeof(uint64_t));
	recall__init(&c->wholes, sizeof(uint64_t));
	recall__init(&c->processes, sizeof(uint64_t));
	recall__init(&c->trends, sizeof(struct trend));
	c->history = history;
	*ret = c;
	return 0;
}

void collector__destroy(struct collector *c)
{
	size_t i;

	if (!c)
		return;
	for (i = 0; i < c->pasts.count; i++)
		free(c->pasts.items[i]);
	vector_release(&c->pasts);
	for (i = 0; i < c->paths.count; i++)
		path__destroy(c->paths.items[i]);
	vector_release(&c->paths);
	recall__release(&c->groups);
	recall__release(&c->wholes);
	recall__release(&c->processes);
	recall__release(&c->trends);
	stacks__destroy(c->stacks);
	barrier__destroy(c->barrier);
	for (i = 0; i < c->snapshots.count; i++)
		snapshot__destroy(c->snapshots.items[i]);
	vector_release(&c->snapshots);
	strings__release(&c->types);
	timeline__release(&c->timeline);
	hash__release(&c->head_types);
	free(c);
}

/* --- reading the maps --- */

/* Mappings and resources are not sampled. */
static const struct sample everything = {.rate = 1};

static int read_running(void *context, const void *key, const void *value)
{
	struct reading *r = context;
	struct memleak_process p = *(const struct memleak_process *)value;

	(void)key;
	if (!p.cells) /* or it has freed more than that */
		pass__raise_peak(&p, p.alloc_bytes - p.free_bytes);
	return p.shares ? 0 : vector_push(&r->pass->running, p);
}

static int read_ended(void *context, const void *key, const void *value)
{
	struct reading *r = context;
	struct pass *s = r->pass;
	struct traced t = {.process = *(const struct memleak_process *)value};
	int err = vector_push(&s->pasts.processes, t);

	(void)key;
	return err ? err : hash__set(&s->ended, t.process.image, 0, s->pasts.processes.count - 1);
}

int collector__add_live(struct collector *c, struct pass *s, const struct memleak_block_key *key,
			const struct memleak_block *b)
{
	struct group like = {
		.image = key->image, .stack = b->stack, .family = b->family, .type = PROFILE_NONE};
	struct sample sample = probe__sample_of(&c->t, b);
	uint32_t group;
	int err;

	if (probe__is_resource(&c->t, b->family))
		sample = everything;
	err = pass__find_group(s, &like, &group);
	return err ? err : pass__add_block(s, group, sample, key->addr, b->size, b->time_ns);
}

static int read_block(void *context, const void *key, const void *value)
{
	struct reading *r = context;
	const struct memleak_block_key *k = key;
	const struct memleak_block *b = value;
	struct pass *s = r->pass;
	bool ended = hash__get(&s->ended, k->image, 0) != HASH_NONE;
	bool resource = probe__is_resource(&r->collector->t, b->family), counts = true;
	int err;

	if (ended || hash__get(r->collector->t.replaced_images, k->image, 0) != HASH_NONE) {
		err = vector_push(&s->dead, *k);
		if (err || !ended)
			return err; /* of a program that another one has replaced */
	}
	if (!resource && hash__get(&s->shown, k->image, 0) != HASH_NONE)
		return pass__need_stack(s, b->stack); /* the block: by its snapshot */
	err = resource ? 0 : collector__look_at_deferred(r->collector, s, k, b, &counts);
	if (err)
		return err;
	return counts ? collector__add_live(r->collector, s, k, b) : pass__need_stack(s, b->stack);
}

static int read_site(void *context, const void *key, const void *value)
{
	struct reading *r = context;
	struct site site = {.key = *(const struct memleak_site_key *)key,
			    .sum = *(const struct memleak_site *)value};
	uint32_t past = hash__get(&r->pass->ended, site.key.image, 0);
	int err;

	if (past == HASH_NONE &&
	    hash__get(r->collector->t.replaced_images, site.key.image, 0) == HASH_NONE)
		return vector_push(&r->pass->has.sites, site);
	err = vector_push(&r->pass->dead_sites, site.key);
	if (err || past == HASH_NONE)
		return err; /* of a program that another one has replaced */
	return vector_push(&r->pass->pasts.has.sites, site);
}

static int read_mappings(struct collector *c, struct pass *s)
{
	const struct mappings *m = c->t.mappings;
	uint32_t group;
	size_t i;
	int err;

	for (i = 0; i < m->list.count; i++) {
		const struct mapping *x = &m->list.items[i];
		struct group like = {.image = x->image,
				     .stack = x->stack,
				     .family = MEMLEAK_FAMILY_MMAP,
				     .type = PROFILE_NONE};

		if (hash__get(&s->ended, x->image, 0) == HASH_NONE &&
		    hash__get(c->t.replaced_images, x->image, 0) != HASH_NONE)
			continue;
		err = pass__find_group(s, &like, &group);
		if (!err)
			err = pass__add_block(s, group, everything, x->start,
					      x->asked_end - x->start, x->time_ns);
		if (err)
			return err;
	}
	return 0;
}

/*
 * The blocks of images that are over leave the kernel's table. An image that ends during the pass
 * is none of them: it is in the next one's `ended`, with all its blocks and mappings.
 */
static int drop_dead(struct collector *c, struct pass *s)
{
	size_t n = s->pasts.processes.count, i;
	CLEANUP_FREE uint32_t *ended = calloc(n + 1, sizeof(*ended));

	if (!ended)
		return -ENOMEM;
	for (i = 0; i < s->dead.count; i++) {
		int err = probe__drop_block(c->probe, &s->dead.items[i]);

		if (err)
			return err;
	}
	for (i = 0; i < s->dead_sites.count; i++)
		if (bpf_map_delete_elem(c->t.sites_fd, &s->dead_sites.items[i]) && errno != ENOENT)
			return -errno;
	for (i = 0; i < n; i++) {
		ended[i] = s->pasts.processes.items[i].process.image;
		if (bpf_map_delete_elem(c->t.ended_fd, &ended[i]) && errno != ENOENT)
			return -errno;
	}
	probe__forget_images(c->probe, ended, n);
	return collector__drop_wrongs(c, s);
}

static int read_tables(struct collector *c, struct pass *s)
{
	struct reading r = {.collector = c, .pass = s};
	int err;

	probe__tables(c->probe, &c->t);
	err = collector__begin_clearing(c, s);
	if (err)
		return err;
	/* Running ones first: who ends in between is met in `ended`, and not twice. */
	err = batch__read(c->t.processes_fd, sizeof(uint32_t), sizeof(struct memleak_process),
			  read_running, &r);
	if (!err)
		err = batch__read(c->t.ended_fd, sizeof(uint32_t), sizeof(struct memleak_process),
				  read_ended, &r);
	if (!err)
		err = probe__consume(c->probe);
	if (!err)
		err = collector__choose_snapshots(c, s);
	if (!err)
		err = collector__begin_deferred(c, s);
	s->now_ns = clock__monotonic_ns();
	if (!err)
		err = blocks__read(c->t.blocks, read_block, &r);
	if (!err)
		err = collector__end_deferred(c, s);
	if (!err && c->t.sites_fd >= 0)
		err = batch__read(c->t.sites_fd, sizeof(struct memleak_site_key),
				  sizeof(struct memleak_site), read_site, &r);
	if (!err)
		err = collector__read_wrongs(c, s);
	if (!err)
		err = collector__add_snapshots(c, s);
	if (!err)
		err = read_mappings(c, s);
	if (!err)
		err = collector__keep_pasts(c, s);
	if (!err)
		err = drop_dead(c, s);
	if (!err)
		err = collector__clear_stacks(c, s);
	return err;
}

/* How many ended images make a sweep between two reports worth while. */
#define SWEEP_IMAGES 256

bool collector__needs_sweep(struct collector *c)
{
	probe__tables(c->probe, &c->t);
	if (c->t.nr_exits + c->t.replaced_images->count >= SWEEP_IMAGES ||
	    (!c->stacks_in_use && collector__stacks_are_many(c)))
		return true;
	collector__expect_stacks(c); /* a late one may have switched it off */
	return false;
}

int collector__sweep(struct collector *c, bool blocks)
{
	struct collect_options o = {.blocks = blocks, .peek = true};
	CLEANUP(pass__release) struct pass s = {.options = &o};
	int err = read_tables(c, &s);

	if (!err)
		collector__drop_snapshots(c, &s);
	return err;
}

struct activity {
	const struct collector *collector;
	uint64_t sum;
};

static int add_activity(void *context, const void *key, const void *value)
{
	struct activity *a = context;
	const struct memleak_process *p = value;
	uint64_t counts[] = {p->image, p->allocs, p->frees, p->end_ns};
	CLEANUP(deferred__release) struct deferred deferred = {0};
	int err = p->end_ns ? 0 : deferred__read(&a->collector->t.tool, p, &deferred);

	(void)key;
	a->sum += hash__bytes(counts, sizeof(counts)) + deferred.numbers.again +
		  hash__bytes(deferred.blocks.items,
			      deferred.blocks.count * sizeof(*deferred.blocks.items));
	return err;
}

int collector__activity(struct collector *c, uint64_t *ret)
{
	struct activity activity = {.collector = c};
	int err;

	probe__tables(c->probe, &c->t);
	err = batch__read(c->t.processes_fd, sizeof(uint32_t), sizeof(struct memleak_process),
			  add_activity, &activity);
	if (!err)
		err = batch__read(c->t.ended_fd, sizeof(uint32_t), sizeof(struct memleak_process),
				  add_activity, &activity);
	if (!err)
		*ret = activity.sum;
	return err;
}

int collector__run(struct collector *c, const struct collect_options *o, struct profile **ret)
{
	CLEANUP(pass__release) struct pass s = {.options = o, .last_ns = c->last_ns};
	int err;

	c->seq++;
	err = read_tables(c, &s);
	if (!err)
		err = collector__build(c, &s, ret);
	if (err)
		return err;
	if (o->peek) {
		c->seq--;
	} else {
		c->last_ns = s.now_ns;
		c->nr_reported = c->pasts.count;
		recall__turn(&c->groups);
		recall__turn(&c->wholes);
		recall__turn(&c->processes);
		recall__turn(&c->trends);
	}
	collector__drop_snapshots(c, &s);
	return 0;
}

bool collector__name_frame(const struct collector *c, uint64_t frame, char *buf, size_t size)
{
	struct probe_tables t;
	const struct file *f;
	uint64_t pc;

	probe__tables(c->probe, &t);
	f = files__get(t.files, MEMLEAK_FRAME_FILE(frame));
	if (!f)
		return false;
	object__offset_to_vaddr(f->object, MEMLEAK_FRAME_OFFSET(frame), &pc);
	snprintf(buf, size, "%s+0x%llx", f->object->path, (unsigned long long)pc);
	return true;
}
