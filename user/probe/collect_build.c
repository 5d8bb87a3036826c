// SPDX-License-Identifier: GPL-2.0-or-later
#include "probe/collect_building.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void release_building(struct building *b)
{
	hash__release(&b->process_of);
	vector_release(&b->entry_of);
	hash__release(&b->site_index);
	vector_release(&b->wholes);
	hash__release(&b->whole_index);
	vector_release(&b->rows);
	profile__destroy(b->profile);
}

static int add_process(struct building *b, const struct traced *t)
{
	struct collector *c = b->collector;
	const struct memleak_process *m = &t->process;
	const struct file *exe = files__get(c->t.files, m->exe);
	const char *path = exe ? exe->object->path : t->exe;
	struct profile_process p = {
		.pid = m->tgid,
		.running = !m->end_ns,
		.allocs = whole(m->allocs),
		.frees = whole(m->frees),
		.alloc_bytes = m->alloc_bytes,
		.peak_bytes = m->peak_bytes,
		.checked = t->checked,
		.pause_ms = t->pause_ms,
		.judge_ms = t->judge_ms,
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
	err = recall__exchange(&c->processes, m->image, 0, p.outstanding.bytes,
			       b->pass->options->peek, &before, &known);
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
	struct collector *c = b->collector;
	uint32_t i = hash__get(&b->pass->shown, m->image, 0);
	struct traced t = {.process = *m, .exe = probe__image_exe(c->probe, m->image)};

	if (i != HASH_NONE) {
		t.checked = true;
		t.pause_ms = c->snapshots.items[i]->pause_ms;
		t.judge_ms = c->snapshots.items[i]->judge_ms;
	}
	return add_process(b, &t);
}

/* What one image allocated with one stack, new or not; NULL where the process is not shown. Stacks
 * of the kernel that differ in the operator new they came through are one here. */
static int find_site(struct building *b, uint32_t image, uint64_t stack, uint8_t family,
		     struct profile_site **ret)
{
	struct collector *c = b->collector;
	struct profile *p = b->profile;
	struct profile_site site = {.process = hash__get(&b->process_of, image, 0)};
	struct stacks_source source = {.stacks_fd = c->t.stacks_fd, .files = c->t.files};
	uint64_t key;
	uint32_t i;
	int err;

	*ret = NULL;
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
	*ret = &p->sites.items[i];
	return 0;
}

static int add_site(struct building *b, uint32_t image, uint64_t stack, uint8_t family,
		    struct profile_sum allocs)
{
	struct profile_site *site;
	int err = find_site(b, image, stack, family, &site);

	if (err || !site)
		return err;
	site->allocs.blocks += allocs.blocks;
	site->allocs.bytes += allocs.bytes;
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
	return (a->time_ns > b->time_ns) - (a->time_ns < b->time_ns);
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
		const struct listed *l = &listed[i];
		uint32_t entry = b->entry_of.items[l->group];

		if (entry == HASH_NONE)
			continue;
		err = vector_push(&p->blocks, (struct profile_block){
						      .addr = l->addr,
						      .bytes = l->bytes,
						      .age_ms = pass__age_ms(b->pass, l->time_ns),
					      });
		if (err)
			return err;
		if (!p->entries.items[entry].nr_blocks++)
			p->entries.items[entry].first_block = p->blocks.count - 1;
	}
	return 0;
}

static int add_wrongs(struct building *b, const struct wrong *wrongs, size_t n)
{
	size_t i;
	int err = 0;

	for (i = 0; i < n && !err; i++) {
		uint32_t process = hash__get(&b->process_of, wrongs[i].key.image, 0);

		if (process != HASH_NONE)
			err = collector__add_wrong(b->collector, &wrongs[i], process, b->profile);
	}
	return err;
}

/* Of what was gathered, all but the groups, whose entries are there: entry_of. */
static int add_gathered(struct building *b, const struct gathered *g)
{
	int err = add_sites(b, g->sites.items, g->sites.count);

	if (!err)
		err = add_mapping_sites(b, g->groups.items, g->groups.count);
	if (!err)
		err = add_wrongs(b, g->wrongs.items, g->wrongs.count);
	return err ? err : add_listed(b, g->listed.items, g->listed.count);
}

/* --- what was outstanding over time --- */

static int add_row(struct building *b, const struct memleak_process *m)
{
	struct timeline_row row = {
		.image = m->image,
		.whole = true,
		.ended = m->end_ns,
		.bytes = m->alloc_bytes - m->free_bytes,
	};

	return b->collector->history ? vector_push(&b->rows, row) : 0;
}

/* Heap alone. */
static int add_group_row(struct building *b, const struct group *g, bool ended)
{
	struct collector *c = b->collector;
	struct timeline_row row = {
		.image = g->image,
		.ended = ended,
		.family = g->family,
		.stack = g->stack,
		.bytes = g->all.bytes,
	};

	if (!c->history || g->family == MEMLEAK_FAMILY_MMAP || probe__is_resource(&c->t, g->family))
		return 0;
	return vector_push(&b->rows, row);
}

static int add_series(void *context, const struct timeline_series *s)
{
	struct building *b = context;
	uint32_t process = hash__get(&b->process_of, s->key.image, 0);
	struct profile_site *site;
	int err;

	if (process == HASH_NONE)
		return 0;
	if (s->key.whole)
		return timeline__copy(s, b->profile, &b->profile->processes.items[process].history);
	err = find_site(b, s->key.image, s->key.stack, s->key.family, &site);
	return err || !site ? err : timeline__copy(s, b->profile, &site->history);
}

static int add_histories(struct building *b)
{
	const struct collect_options *o = b->pass->options;
	struct timeline *t = &b->collector->timeline;
	int err = timeline__add(t, b->profile->elapsed_s, o->peek, b->rows.items, b->rows.count);

	return err || !(o->final || o->peek) ? err : timeline__for_each(t, add_series, b);
}

/* @is_new: they ended since the last report. */
static int add_past(struct building *b, const struct pasts *p, bool is_new)
{
	uint32_t entry;
	size_t i;
	int err = 0;

	for (i = 0; i < p->processes.count && !err; i++) {
		err = add_process(b, &p->processes.items[i]);
		if (!err && is_new)
			err = add_row(b, &p->processes.items[i].process);
	}
	if (!err)
		err = building__add_wholes(b, p->has.groups.items, p->has.groups.count,
					   &(struct hash){0});
	b->entry_of.count = 0;
	for (i = 0; i < p->has.groups.count && !err; i++) {
		err = building__add_entry(b, &p->has.groups.items[i], &entry);
		if (!err)
			err = vector_push(&b->entry_of, entry);
		if (!err && is_new)
			err = add_group_row(b, &p->has.groups.items[i], true);
	}
	return err ? err : add_gathered(b, &p->has);
}

static int add_pasts(struct building *b)
{
	struct collector *c = b->collector;
	size_t i;
	int err = 0;

	for (i = b->pass->options->final ? 0 : c->nr_reported; i < c->pasts.count && !err; i++) {
		CLEANUP(pasts__release) struct pasts p;

		err = collector__open_pasts(c, i, &p);
		if (!err)
			err = add_past(b, &p, i >= c->nr_reported);
	}
	return err;
}

static void copy_losses(const struct probe_tables *t, struct profile_losses *ret)
{
	__u64 l[MEMLEAK_LOSSES];

	memcpy(l, t->losses, sizeof(l)); /* parts of one moment: they go on counting */
	*ret = (struct profile_losses){
		.blocks = l[MEMLEAK_LOSS_BLOCK_TABLE] + l[MEMLEAK_LOSS_BLOCK_MEMORY] +
			  l[MEMLEAK_LOSS_BLOCK_THREAD] + l[MEMLEAK_LOSS_BLOCK_POINTER],
		.frees = l[MEMLEAK_LOSS_FREE] + l[MEMLEAK_LOSS_DEFERRED],
		.stacks = l[MEMLEAK_LOSS_STACK] + l[MEMLEAK_LOSS_STACK_MEMORY],
		.truncated_stacks = l[MEMLEAK_LOSS_TRUNCATED],
		.broken_stacks = l[MEMLEAK_LOSS_BROKEN],
		.events = l[MEMLEAK_LOSS_EVENT] + l[MEMLEAK_LOSS_PROCESS] + l[MEMLEAK_LOSS_TRACE],
		.sites = l[MEMLEAK_LOSS_SITE],
		.wrong_frees = l[MEMLEAK_LOSS_WRONG_FREE],
		.no_memory = l[MEMLEAK_LOSS_BLOCK_MEMORY] + l[MEMLEAK_LOSS_BLOCK_THREAD],
		.stacks_no_memory = l[MEMLEAK_LOSS_STACK_MEMORY],
		.unreadable = l[MEMLEAK_LOSS_BLOCK_POINTER],
		.late = t->late->count,
		.late_ms = t->late->longest_ns / 1e6,
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
	p->diagnosed = c->t.wrong_fd >= 0;
	p->elapsed_s = (b->pass->now_ns - c->t.start_ns) / 1e9;
	if (c->t.sample.mean) {
		p->sampling = PROFILE_SAMPLE_BYTES;
		p->sampling_value = c->t.sample.mean;
	} else if (c->t.sample.rate != 1) {
		p->sampling = PROFILE_SAMPLE_RATE;
		p->sampling_value = c->t.sample.rate;
	}
	copy_losses(&c->t, &p->losses);
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
	for (i = 0; i < s->running.count && !err; i++) {
		if (hash__get(&s->ended, s->running.items[i].image, 0) != HASH_NONE)
			continue;
		err = add_running(b, &s->running.items[i]);
		if (!err)
			err = add_row(b, &s->running.items[i]);
	}
	if (!err)
		err = building__add_wholes(b, s->has.groups.items, s->has.groups.count, &s->ended);
	for (i = 0; i < s->has.groups.count && !err; i++) {
		bool ended = hash__get(&s->ended, s->has.groups.items[i].image, 0) != HASH_NONE;

		entry = HASH_NONE;
		if (!ended)
			err = building__add_entry(b, &s->has.groups.items[i], &entry);
		if (!err && !ended)
			err = add_group_row(b, &s->has.groups.items[i], false);
		if (!err)
			err = vector_push(&b->entry_of, entry);
	}
	if (!err)
		err = add_gathered(b, &s->has);
	if (!err)
		err = add_pasts(b);
	return err || !b->collector->history ? err : add_histories(b);
}

int collector__build(struct collector *c, const struct pass *s, struct profile **ret)
{
	CLEANUP(release_building) struct building b = {.collector = c, .pass = s};
	int err = build(&b);

	if (!err)
		*ret = TAKE_PTR(b.profile);
	return err;
}
