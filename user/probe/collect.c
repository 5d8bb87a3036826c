// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Terms: a *group* is the blocks of one image that share stack and family (and what a leak check
 * said); groups become the entries of a profile. The blocks table is read while programs go on:
 * sums of processes come from their counters, which are exact at every moment; groups are what the
 * pass met.
 *
 * An image that ended is collected once: its groups are kept here, its blocks leave the kernel's
 * table.
 */
#include "probe/collect.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "probe/batch.h"
#include "probe/stacks.h"
#include "util/cleanup.h"

/* What blocks add up to: weighed, see bpf/sample.h. */
struct weighed {
	uint64_t blocks; /* in 1/SAMPLE_WEIGHT_ONE */
	uint64_t bytes;
	double blocks_variance, bytes_variance;
};

struct group {
	uint32_t image;
	uint8_t family;
	uint8_t verdict; /* enum profile_verdict; NONE where no check ran */
	bool cycle;
	uint32_t type; /* in collector.types; PROFILE_NONE: unknown */
	uint64_t stack;
	struct weighed all, old;       /* `old`: of the age asked for */
	uint64_t oldest_ns, newest_ns; /* of those */
};

/* A block's address, kept where blocks are listed. */
struct listed {
	uint32_t group;
	struct profile_block block;
};

/* What one image allocated with one stack, freed or not. */
struct site {
	struct memleak_site_key key;
	struct memleak_site sum;
};

/* A process that ended. */
struct past {
	struct memleak_process process;
	VECTOR(struct group) groups;
	VECTOR(struct site) sites;
	VECTOR(struct listed) listed; /* by its own groups */
	bool reported;
	bool checked; /* a leak check ran at its end */
	double pause_ms;
};

/* What a group held at the last report. */
struct before {
	uint64_t bytes;
	uint64_t seq;
};

typedef VECTOR(struct before) before_list;

struct collector {
	struct probe *probe;
	struct probe_tables t;
	uint64_t seq;
	uint64_t last_ns; /* time of the last report; 0: none */
	VECTOR(struct past) pasts;
	before_list before;
	struct hash before_index; /* (stack, image and family) to before */
	before_list process_before;
	struct hash process_index; /* (image, 0) to process_before */
	struct stacks *stacks;
	VECTOR(struct snapshot *) snapshots; /* at most one of an image */
	struct profile *strings;	     /* only for its interned strings: the types' names */
	VECTOR(const char *) types;
	struct hash type_index; /* (address of the interned name, 0) to types */
};

/* One pass. */
struct pass {
	const struct collect_options *options;
	uint64_t now_ns;
	VECTOR(struct memleak_process) running;
	VECTOR(struct group) groups;
	struct hash group_index;
	VECTOR(struct listed) listed;
	VECTOR(struct memleak_block_key) dead;
	VECTOR(struct site) sites; /* of images that go on */
	VECTOR(struct memleak_site_key) dead_sites;
	struct hash ended; /* (image, 0) to pasts */
	struct hash shown; /* (image, 0) to snapshots: in place of the tables */
};

static void release_pass(struct pass *s)
{
	vector_release(&s->running);
	vector_release(&s->groups);
	hash__release(&s->group_index);
	vector_release(&s->listed);
	vector_release(&s->dead);
	vector_release(&s->sites);
	vector_release(&s->dead_sites);
	hash__release(&s->ended);
	hash__release(&s->shown);
}

int collector__create(struct probe *p, struct collector **ret)
{
	struct collector *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->strings = profile__create();
	if (!c->strings || stacks__create(&c->stacks)) {
		profile__destroy(c->strings);
		free(c);
		return -ENOMEM;
	}
	c->probe = p;
	*ret = c;
	return 0;
}

void collector__destroy(struct collector *c)
{
	size_t i;

	if (!c)
		return;
	for (i = 0; i < c->pasts.count; i++) {
		vector_release(&c->pasts.items[i].groups);
		vector_release(&c->pasts.items[i].sites);
		vector_release(&c->pasts.items[i].listed);
	}
	vector_release(&c->pasts);
	vector_release(&c->before);
	hash__release(&c->before_index);
	vector_release(&c->process_before);
	hash__release(&c->process_index);
	stacks__destroy(c->stacks);
	for (i = 0; i < c->snapshots.count; i++)
		snapshot__destroy(c->snapshots.items[i]);
	vector_release(&c->snapshots);
	profile__destroy(c->strings);
	vector_release(&c->types);
	hash__release(&c->type_index);
	free(c);
}

static uint64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

/* --- reading the maps --- */

/* What a reader of a map works on. */
struct reading {
	struct collector *collector;
	struct pass *pass;
};

static int read_running(void *context, const void *key, const void *value)
{
	struct reading *r = context;
	const struct memleak_process *p = value;

	(void)key;
	return p->shares ? 0 : vector_push(&r->pass->running, *p);
}

static int read_ended(void *context, const void *key, const void *value)
{
	struct reading *r = context;
	struct past past = {.process = *(const struct memleak_process *)value};
	int err = vector_push(&r->collector->pasts, past);

	(void)key;
	if (err)
		return err;
	return hash__set(&r->pass->ended, past.process.image, 0, r->collector->pasts.count - 1);
}

/* What tells a group from others of its stack. */
static uint64_t group_key(const struct group *g)
{
	return (uint64_t)g->image << 32 | (uint64_t)(g->type & 0xfffff) << 12 | g->cycle << 11 |
	       g->verdict << 8 | g->family;
}

/* The group with the key of @like, made if it is new. */
static int find_group(struct pass *s, const struct group *like, uint32_t *ret)
{
	uint64_t b = group_key(like);
	uint32_t i = hash__get(&s->group_index, like->stack, b);
	int err;

	if (i == HASH_NONE) {
		err = vector_push(&s->groups, *like);
		if (err)
			return err;
		i = s->groups.count - 1;
		err = hash__set(&s->group_index, like->stack, b, i);
		if (err)
			return err;
	}
	*ret = i;
	return 0;
}

static double age_ms(const struct pass *s, uint64_t time_ns)
{
	return time_ns < s->now_ns ? (s->now_ns - time_ns) / 1e6 : 0;
}

/* Mappings and resources are not sampled. */
static const struct sample everything = {.rate = 1};

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

static uint64_t whole(uint64_t weighed)
{
	return (weighed + SAMPLE_WEIGHT_ONE / 2) / SAMPLE_WEIGHT_ONE;
}

static struct profile_error error_of(const struct weighed *sum)
{
	return (struct profile_error){sqrt(sum->blocks_variance), sqrt(sum->bytes_variance)};
}

/* Add a block or mapping to its group. What ended is shown whatever its age. */
static int add_block(struct pass *s, uint32_t group, struct sample sample, uint64_t addr,
		     uint64_t size, uint64_t time_ns)
{
	struct group *g = &s->groups.items[group];
	bool ended = hash__get(&s->ended, g->image, 0) != HASH_NONE;
	struct listed l = {.group = group};

	add_weighed(&g->all, sample, size);
	if (!ended && s->now_ns < time_ns + s->options->older_ns)
		return 0;
	if (!g->old.blocks || time_ns < g->oldest_ns)
		g->oldest_ns = time_ns;
	if (!g->old.blocks || time_ns > g->newest_ns)
		g->newest_ns = time_ns;
	add_weighed(&g->old, sample, size);
	if (!s->options->blocks)
		return 0;
	l.block = (struct profile_block){.addr = addr, .bytes = size, .age_ms = age_ms(s, time_ns)};
	return vector_push(&s->listed, l);
}

static int read_block(void *context, const void *key, const void *value)
{
	struct reading *r = context;
	const struct memleak_block_key *k = key;
	const struct memleak_block *b = value;
	struct pass *s = r->pass;
	struct sample sample = r->collector->t.sample;
	bool ended = hash__get(&s->ended, k->image, 0) != HASH_NONE;
	struct group like = {
		.image = k->image, .stack = b->stack, .family = b->family, .type = PROFILE_NONE};
	uint32_t group;
	int err;

	if (ended || hash__get(r->collector->t.dead_images, k->image, 0) != HASH_NONE) {
		err = vector_push(&s->dead, *k);
		if (err || !ended)
			return err; /* of a program that another one has replaced */
	}
	if (probe__is_resource(&r->collector->t, b->family))
		sample = everything;
	else if (hash__get(&s->shown, k->image, 0) != HASH_NONE)
		return 0; /* by its snapshot */
	err = find_group(s, &like, &group);
	return err ? err : add_block(s, group, sample, k->addr, b->size, b->time_ns);
}

static int read_site(void *context, const void *key, const void *value)
{
	struct reading *r = context;
	struct site site = {.key = *(const struct memleak_site_key *)key,
			    .sum = *(const struct memleak_site *)value};
	uint32_t past = hash__get(&r->pass->ended, site.key.image, 0);
	int err;

	if (past == HASH_NONE &&
	    hash__get(r->collector->t.dead_images, site.key.image, 0) == HASH_NONE)
		return vector_push(&r->pass->sites, site);
	err = vector_push(&r->pass->dead_sites, site.key);
	if (err || past == HASH_NONE)
		return err; /* of a program that another one has replaced */
	return vector_push(&r->collector->pasts.items[past].sites, site);
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
		    hash__get(c->t.dead_images, x->image, 0) != HASH_NONE)
			continue;
		err = find_group(s, &like, &group);
		if (!err)
			err = add_block(s, group, everything, x->start, x->asked_end - x->start,
					x->time_ns);
		if (err)
			return err;
	}
	return 0;
}

/* The blocks of images that are over leave the kernel's table. */
static int drop_dead(struct collector *c, struct pass *s)
{
	size_t i;
	int err;

	for (i = 0; i < s->dead.count; i++)
		if (bpf_map_delete_elem(c->t.blocks_fd, &s->dead.items[i]) && errno != ENOENT)
			return -errno;
	for (i = 0; i < s->dead_sites.count; i++)
		if (bpf_map_delete_elem(c->t.sites_fd, &s->dead_sites.items[i]) && errno != ENOENT)
			return -errno;
	for (i = 0; i < c->pasts.count; i++) {
		uint32_t image = c->pasts.items[i].process.image;

		if (hash__get(&s->ended, image, 0) == HASH_NONE)
			continue;
		if (bpf_map_delete_elem(c->t.ended_fd, &image) && errno != ENOENT)
			return -errno;
	}
	/* Hear of mappings and ends that came before, then forget both. */
	err = probe__consume(c->probe);
	if (err)
		return err;
	probe__forget_dead(c->probe);
	return 0;
}

/* Move the groups of processes that ended, and their blocks, to where they are kept. */
static int keep_pasts(struct collector *c, struct pass *s)
{
	CLEANUP_FREE uint32_t *moved = calloc(s->groups.count + 1, sizeof(*moved));
	size_t i;
	int err = 0;

	if (!moved)
		return -ENOMEM;
	for (i = 0; i < s->groups.count && !err; i++) {
		struct group *g = &s->groups.items[i];
		uint32_t past = hash__get(&s->ended, g->image, 0);

		if (past == HASH_NONE)
			continue;
		moved[i] = c->pasts.items[past].groups.count;
		err = vector_push(&c->pasts.items[past].groups, *g);
	}
	for (i = 0; i < s->listed.count && !err; i++) {
		struct listed l = s->listed.items[i];
		uint32_t past = hash__get(&s->ended, s->groups.items[l.group].image, 0);

		if (past == HASH_NONE)
			continue;
		l.group = moved[l.group];
		err = vector_push(&c->pasts.items[past].listed, l);
	}
	return err;
}

/* --- snapshots --- */

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

/* The number of the type called @name, or PROFILE_NONE without memory: then it is not shown. */
static uint32_t type_number(struct collector *c, const char *name)
{
	const char *interned = profile__intern(c->strings, name);
	uint32_t i;

	if (!interned)
		return PROFILE_NONE;
	i = hash__get(&c->type_index, (uintptr_t)interned, 0);
	if (i != HASH_NONE)
		return i;
	if (vector_push(&c->types, interned))
		return PROFILE_NONE;
	if (hash__set(&c->type_index, (uintptr_t)interned, 0, c->types.count - 1)) {
		c->types.count--;
		return PROFILE_NONE;
	}
	return c->types.count - 1;
}

/* The record of the process of @s in this pass; NULL where there is none. */
static struct memleak_process *find_process(struct collector *c, struct pass *pass,
					    const struct snapshot *s)
{
	uint32_t past = hash__get(&pass->ended, s->process.image, 0);
	size_t i;

	if (past != HASH_NONE)
		return &c->pasts.items[past].process;
	for (i = 0; i < pass->running.count; i++)
		if (pass->running.items[i].image == s->process.image)
			return &pass->running.items[i];
	return NULL;
}

/* Whether what @s says is true of the process as it is shown in this pass. */
static int choose_snapshot(struct collector *c, struct pass *pass, uint32_t index)
{
	const struct snapshot *s = c->snapshots.items[index];
	struct memleak_process *p = find_process(c, pass, s);
	uint32_t past = hash__get(&pass->ended, s->process.image, 0);

	if (!p)
		return 0;
	if (past != HASH_NONE) {
		/* It may have gone on after the check. */
		if (p->allocs != s->process.allocs || p->frees != s->process.frees)
			return 0;
		c->pasts.items[past].checked = true;
		c->pasts.items[past].pause_ms = s->pause_ms;
	} else {
		*p = s->process;
	}
	return hash__set(&pass->shown, s->process.image, 0, index);
}

static int choose_snapshots(struct collector *c, struct pass *pass)
{
	size_t i;
	int err = 0;

	for (i = 0; i < c->snapshots.count && !err; i++)
		err = choose_snapshot(c, pass, i);
	return err;
}

static int add_snapshot(struct collector *c, struct pass *pass, const struct snapshot *s)
{
	CLEANUP_FREE uint32_t *types = calloc(s->types.count + 1, sizeof(*types));
	uint32_t group;
	size_t i;
	int err = 0;

	if (!types)
		return -ENOMEM;
	for (i = 0; i < s->types.count; i++)
		types[i] = type_number(c, s->types.items[i]);
	for (i = 0; i < s->blocks.count && !err; i++) {
		const struct snapshot_block *b = &s->blocks.items[i];
		struct group like = {
			.image = s->process.image,
			.stack = b->block.stack,
			.family = b->block.family,
			.verdict = b->verdict,
			.cycle = b->cycle,
			.type = b->type < s->types.count ? types[b->type] : PROFILE_NONE,
		};

		err = find_group(pass, &like, &group);
		if (!err)
			err = add_block(pass, group, c->t.sample, b->addr, b->block.size,
					b->block.time_ns);
	}
	return err;
}

static int add_snapshots(struct collector *c, struct pass *pass)
{
	size_t i;
	int err = 0;

	for (i = 0; i < c->snapshots.count && !err; i++) {
		const struct snapshot *s = c->snapshots.items[i];

		if (hash__get(&pass->shown, s->process.image, 0) == i)
			err = add_snapshot(c, pass, s);
	}
	return err;
}

/* Each is shown once; those of processes that have not ended yet are kept. */
static void drop_snapshots(struct collector *c, const struct pass *pass)
{
	size_t i, kept = 0;

	for (i = 0; i < c->snapshots.count; i++) {
		struct snapshot *s = c->snapshots.items[i];

		if (s->at_exit && hash__get(&pass->ended, s->process.image, 0) == HASH_NONE)
			c->snapshots.items[kept++] = s;
		else
			snapshot__destroy(s);
	}
	c->snapshots.count = kept;
}

static int read_tables(struct collector *c, struct pass *s)
{
	struct reading r = {.collector = c, .pass = s};
	int err;

	probe__tables(c->probe, &c->t);
	/* Running ones first: who ends in between is met in `ended`, and not twice. */
	err = batch__read(c->t.processes_fd, sizeof(uint32_t), sizeof(struct memleak_process),
			  read_running, &r);
	if (!err)
		err = batch__read(c->t.ended_fd, sizeof(uint32_t), sizeof(struct memleak_process),
				  read_ended, &r);
	if (!err)
		err = probe__consume(c->probe);
	if (!err)
		err = choose_snapshots(c, s);
	s->now_ns = monotonic_ns();
	if (!err)
		err = batch__read(c->t.blocks_fd, sizeof(struct memleak_block_key),
				  sizeof(struct memleak_block), read_block, &r);
	if (!err && c->t.sites_fd >= 0)
		err = batch__read(c->t.sites_fd, sizeof(struct memleak_site_key),
				  sizeof(struct memleak_site), read_site, &r);
	if (!err)
		err = add_snapshots(c, s);
	if (!err)
		err = read_mappings(c, s);
	if (!err)
		err = keep_pasts(c, s);
	if (!err)
		err = drop_dead(c, s);
	return err;
}

int collector__sweep(struct collector *c, bool blocks)
{
	struct collect_options o = {.blocks = blocks};
	CLEANUP(release_pass) struct pass s = {.options = &o};
	int err = read_tables(c, &s);

	if (!err)
		drop_snapshots(c, &s);
	return err;
}

/* --- the profile --- */

/* What @index held at the report before, and what it holds now, which a peek does not keep. */
static int exchange(struct hash *index, before_list *v, uint64_t a, uint64_t b, uint64_t now,
		    uint64_t seq, bool peek, uint64_t *before, bool *known)
{
	uint32_t i = hash__get(index, a, b);
	int err;

	*before = 0;
	*known = i != HASH_NONE && v->items[i].seq + 1 == seq;
	if (peek) {
		*before = *known ? v->items[i].bytes : 0;
		return 0;
	}
	if (i != HASH_NONE) {
		if (*known)
			*before = v->items[i].bytes;
		v->items[i] = (struct before){.bytes = now, .seq = seq};
		return 0;
	}
	err = vector_push(v, ((struct before){.bytes = now, .seq = seq}));
	return err ? err : hash__set(index, a, b, v->count - 1);
}

/* What turns the groups of one pass into entries. */
struct building {
	struct collector *collector;
	const struct pass *pass;
	struct profile *profile;
	struct hash process_of;	   /* (image, 0) to profile.processes */
	VECTOR(uint32_t) entry_of; /* by group; HASH_NONE: none */
	struct hash site_index;	   /* (process and stack, family) to profile.sites */
};

static void release_building(struct building *b)
{
	hash__release(&b->process_of);
	vector_release(&b->entry_of);
	hash__release(&b->site_index);
	profile__destroy(b->profile);
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

static int add_entry(struct building *b, const struct group *g, uint32_t *ret)
{
	struct collector *c = b->collector;
	struct profile *p = b->profile;
	uint32_t process = hash__get(&b->process_of, g->image, 0);
	struct profile_entry e = {.process = process};
	struct stacks_source source = {.stacks_fd = c->t.stacks_fd, .files = c->t.files};
	uint8_t family = g->family;
	uint64_t before;
	bool known;
	double dt = c->last_ns ? (b->pass->now_ns - c->last_ns) / 1e9 : 0;
	int err;

	*ret = HASH_NONE;
	if (process == HASH_NONE)
		return 0; /* it came after the processes were read: next time */
	err = exchange(&c->before_index, &c->before, g->stack, group_key(g), g->all.bytes, c->seq,
		       b->pass->options->peek, &before, &known);
	if (err)
		return err;
	add_to_process(c, &p->processes.items[process], g);
	e.resource = probe__is_resource(&c->t, g->family);
	e.verdict = g->verdict;
	e.cycle = g->cycle;
	e.sum.blocks = whole(g->old.blocks);
	e.sum.bytes = g->old.bytes;
	e.error = error_of(&g->old);
	if (!g->old.blocks)
		return 0;
	if (dt > 0)
		e.growth_bytes_per_s = ((double)g->all.bytes - before) / dt;
	e.oldest_ms = age_ms(b->pass, g->oldest_ns);
	e.newest_ms = age_ms(b->pass, g->newest_ns);
	source.tgid = p->processes.items[process].pid;
	err = stacks__add(c->stacks, &source, g->stack, p, &family, &e.stack);
	if (err)
		return err;
	e.family = profile__intern(p, probe__family_name(c->probe, family));
	if (g->type != PROFILE_NONE)
		e.type = profile__intern(p, c->types.items[g->type]);
	if (!e.family || (g->type != PROFILE_NONE && !e.type))
		return -ENOMEM;
	err = vector_push(&p->entries, e);
	*ret = p->entries.count - 1;
	return err;
}

static int add_process(struct building *b, const struct memleak_process *m, bool checked,
		       double pause_ms)
{
	struct collector *c = b->collector;
	const struct file *exe = files__get(c->t.files, m->exe);
	const char *path = exe ? exe->object->path : probe__image_exe(c->probe, m->image);
	struct profile_process p = {
		.pid = m->tgid,
		.running = !m->end_ns,
		.allocs = whole(m->allocs),
		.frees = whole(m->frees),
		.alloc_bytes = m->alloc_bytes,
		.peak_bytes = m->peak_bytes,
		.checked = checked,
		.pause_ms = pause_ms,
	};
	uint64_t before;
	char comm[sizeof(m->comm) + 1] = "";
	bool known;
	int err;

	memcpy(comm, m->comm, sizeof(m->comm));
	p.comm = profile__intern(b->profile, comm);
	p.exe = profile__intern(b->profile, path);
	if (!p.comm || (path && !p.exe))
		return -ENOMEM;
	p.outstanding.blocks = p.allocs - p.frees;
	p.outstanding.bytes = m->alloc_bytes - m->free_bytes;
	if (m->peak_ns > c->t.start_ns)
		p.peak_at_s = (m->peak_ns - c->t.start_ns) / 1e9;
	err = exchange(&c->process_index, &c->process_before, m->image, 0, p.outstanding.bytes,
		       c->seq, b->pass->options->peek, &before, &known);
	if (err)
		return err;
	p.growth_bytes = c->last_ns ? (int64_t)(p.outstanding.bytes - before) : 0;
	err = vector_push(&b->profile->processes, p);
	if (err)
		return err;
	return hash__set(&b->process_of, m->image, 0, b->profile->processes.count - 1);
}

static int add_running(struct building *b, const struct memleak_process *m)
{
	uint32_t i = hash__get(&b->pass->shown, m->image, 0);

	if (i == HASH_NONE)
		return add_process(b, m, false, 0);
	return add_process(b, m, true, b->collector->snapshots.items[i]->pause_ms);
}

/* Add what one image allocated with one stack. Stacks of the kernel that differ in the operator new
 * they came through are one here. */
static int add_site(struct building *b, uint32_t image, uint64_t stack, uint8_t family,
		    struct profile_sum allocs)
{
	struct collector *c = b->collector;
	struct profile *p = b->profile;
	struct profile_site site = {.process = hash__get(&b->process_of, image, 0)};
	struct stacks_source source = {.stacks_fd = c->t.stacks_fd, .files = c->t.files};
	uint64_t key;
	uint32_t i;
	int err;

	if (site.process == HASH_NONE)
		return 0;
	source.tgid = p->processes.items[site.process].pid;
	err = stacks__add(c->stacks, &source, stack, p, &family, &site.stack);
	if (err)
		return err;
	site.family = profile__intern(p, probe__family_name(c->probe, family));
	if (!site.family)
		return -ENOMEM;
	key = (uint64_t)site.process << 32 | site.stack;
	i = hash__get(&b->site_index, key, (uintptr_t)site.family);
	if (i == HASH_NONE) {
		err = vector_push(&p->sites, site);
		if (!err)
			err = hash__set(&b->site_index, key, (uintptr_t)site.family,
					p->sites.count - 1);
		if (err)
			return err;
		i = p->sites.count - 1;
	}
	p->sites.items[i].allocs.blocks += allocs.blocks;
	p->sites.items[i].allocs.bytes += allocs.bytes;
	return 0;
}

static int add_sites(struct building *b, const struct site *sites, size_t n)
{
	size_t i;
	int err = 0;

	for (i = 0; i < n && !err; i++) {
		const struct site *s = &sites[i];

		err = add_site(b, s->key.image, s->key.stack, s->key.family,
			       (struct profile_sum){whole(s->sum.allocs), s->sum.bytes});
	}
	return err;
}

/* The kernel does not count mappings by stack: what there is of them has to do. */
static int add_mapping_sites(struct building *b, const struct group *groups, size_t n)
{
	size_t i;
	int err = 0;

	if (b->collector->t.sites_fd < 0)
		return 0;
	for (i = 0; i < n && !err; i++)
		if (groups[i].family == MEMLEAK_FAMILY_MMAP)
			err = add_site(b, groups[i].image, groups[i].stack, groups[i].family,
				       (struct profile_sum){whole(groups[i].all.blocks),
							    groups[i].all.bytes});
	return err;
}

static int compare_listed(const void *x, const void *y)
{
	const struct listed *a = x, *b = y;

	if (a->group != b->group)
		return a->group < b->group ? -1 : 1;
	return (a->block.age_ms < b->block.age_ms) - (a->block.age_ms > b->block.age_ms);
}

/* Hand @n listed blocks to the entries of their groups, oldest first. */
static int add_listed(struct building *b, struct listed *listed, size_t n)
{
	struct profile *p = b->profile;
	size_t i;
	int err;

	if (n)
		qsort(listed, n, sizeof(*listed), compare_listed);
	for (i = 0; i < n; i++) {
		uint32_t entry = b->entry_of.items[listed[i].group];

		if (entry == HASH_NONE)
			continue;
		err = vector_push(&p->blocks, listed[i].block);
		if (err)
			return err;
		if (!p->entries.items[entry].nr_blocks++)
			p->entries.items[entry].first_block = p->blocks.count - 1;
	}
	return 0;
}

static int add_past(struct building *b, struct past *past)
{
	uint32_t entry;
	size_t i;
	int err = add_process(b, &past->process, past->checked, past->pause_ms);

	b->entry_of.count = 0;
	for (i = 0; i < past->groups.count && !err; i++) {
		err = add_entry(b, &past->groups.items[i], &entry);
		if (!err)
			err = vector_push(&b->entry_of, entry);
	}
	if (!err)
		err = add_sites(b, past->sites.items, past->sites.count);
	if (!err)
		err = add_mapping_sites(b, past->groups.items, past->groups.count);
	return err ? err : add_listed(b, past->listed.items, past->listed.count);
}

static int add_pasts(struct building *b)
{
	struct collector *c = b->collector;
	size_t i;
	int err;

	for (i = 0; i < c->pasts.count; i++) {
		if (c->pasts.items[i].reported && !b->pass->options->final)
			continue;
		c->pasts.items[i].reported |= !b->pass->options->peek;
		err = add_past(b, &c->pasts.items[i]);
		if (err)
			return err;
	}
	return 0;
}

static void copy_losses(const __u64 *l, struct profile_losses *ret)
{
	*ret = (struct profile_losses){
		.blocks = l[MEMLEAK_LOSS_BLOCK_TABLE] + l[MEMLEAK_LOSS_BLOCK_MEMORY] +
			  l[MEMLEAK_LOSS_BLOCK_THREAD] + l[MEMLEAK_LOSS_BLOCK_POINTER],
		.frees = l[MEMLEAK_LOSS_FREE],
		.stacks = l[MEMLEAK_LOSS_STACK],
		.truncated_stacks = l[MEMLEAK_LOSS_TRUNCATED],
		.broken_stacks = l[MEMLEAK_LOSS_BROKEN],
		.events = l[MEMLEAK_LOSS_EVENT] + l[MEMLEAK_LOSS_PROCESS] + l[MEMLEAK_LOSS_TRACE],
		.sites = l[MEMLEAK_LOSS_SITE],
	};
}

static void fill_head(struct building *b)
{
	struct collector *c = b->collector;
	struct profile *p = b->profile;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	p->time_ms = now.tv_sec * 1000LL + now.tv_nsec / 1000000;
	p->seq = c->seq;
	p->final = b->pass->options->final;
	p->elapsed_s = (b->pass->now_ns - c->t.start_ns) / 1e9;
	if (c->t.sample.mean) {
		p->sampling = PROFILE_SAMPLE_BYTES;
		p->sampling_value = c->t.sample.mean;
	} else if (c->t.sample.rate != 1) {
		p->sampling = PROFILE_SAMPLE_RATE;
		p->sampling_value = c->t.sample.rate;
	}
	copy_losses(c->t.losses, &p->losses);
}

static int build(struct building *b)
{
	const struct pass *s = b->pass;
	uint32_t entry;
	size_t i;
	int err = 0;

	b->profile = profile__create();
	if (!b->profile)
		return -ENOMEM;
	fill_head(b);
	for (i = 0; i < s->running.count && !err; i++)
		if (hash__get(&s->ended, s->running.items[i].image, 0) == HASH_NONE)
			err = add_running(b, &s->running.items[i]);
	for (i = 0; i < s->groups.count && !err; i++) {
		entry = HASH_NONE;
		if (hash__get(&s->ended, s->groups.items[i].image, 0) == HASH_NONE)
			err = add_entry(b, &s->groups.items[i], &entry);
		if (!err)
			err = vector_push(&b->entry_of, entry);
	}
	if (!err)
		err = add_sites(b, s->sites.items, s->sites.count);
	if (!err)
		err = add_mapping_sites(b, s->groups.items, s->groups.count);
	if (!err)
		err = add_listed(b, s->listed.items, s->listed.count);
	return err ? err : add_pasts(b);
}

int collector__run(struct collector *c, const struct collect_options *o, struct profile **ret)
{
	CLEANUP(release_pass) struct pass s = {.options = o};
	CLEANUP(release_building) struct building b = {.collector = c, .pass = &s};
	int err;

	c->seq++;
	err = read_tables(c, &s);
	if (!err)
		err = build(&b);
	if (err)
		return err;
	if (o->peek) {
		c->seq--;
	} else {
		c->last_ns = s.now_ns;
		drop_snapshots(c, &s);
	}
	*ret = TAKE_PTR(b.profile);
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
