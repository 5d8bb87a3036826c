// SPDX-License-Identifier: GPL-2.0-or-later
#include "probe/tables.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bpf/unwind.h"
#include "unwind/rules.h"
#include "unwind/table.h"
#include "util/cleanup.h"
#include "util/vector.h"

static_assert(UNWIND_RESULTS <= MEMLEAK_WALK_RESULTS, "a counter for every result of a walk");

/* A shard that was made. Rows are handed out from the front; when no file has any left, all of it
 * is free again. */
struct shard {
	uint32_t *rows; /* mapped */
	uint32_t used, live;
};

/* A run of slots in the array of pages. */
struct run {
	uint32_t first, n;
};

/* What a file has in a shard. */
struct share {
	uint32_t shard, rows;
};

struct holding {
	bool loaded;
	struct run pages;
	VECTOR(struct share) shares;
};

struct tables {
	struct tables_maps maps;
	struct memleak_table *tables; /* mapped */
	struct unwind_page *pages;    /* mapped */
	struct unwind_rule *rules;    /* mapped */
	struct rule_set *rule_set;
	size_t nr_rules; /* copied so far */
	VECTOR(struct shard) shards;
	VECTOR(struct run) free_pages;
	uint32_t next_page;		 /* none from here on was ever used */
	VECTOR(struct holding) holdings; /* by file number */
	uint64_t no_room;
};

/* One part in 32 of the memory for pages suits real files: some 4 to 8 rows of 4 bytes a page. */
#define PAGES_PART 32

void tables__sizes(uint64_t bytes, uint32_t *nr_pages, uint32_t *nr_shards)
{
	uint64_t pages = bytes / PAGES_PART / sizeof(struct unwind_page);
	uint64_t shards = (bytes - bytes / PAGES_PART) / sizeof(struct unwind_shard);

	*nr_pages = pages ? pages : 1;
	*nr_shards = shards ? shards : 1;
}

static size_t page_round(size_t n)
{
	size_t page = sysconf(_SC_PAGESIZE);

	return (n + page - 1) / page * page;
}

static int map_array(int fd, size_t size, void **ret)
{
	void *p = mmap(NULL, page_round(size), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		return -errno;
	*ret = p;
	return 0;
}

static void unmap_array(void *p, size_t size)
{
	if (p)
		munmap(p, page_round(size));
}

/* Copy the rules that the set has got since the last time. */
static void publish_rules(struct tables *t)
{
	size_t nr;
	const struct unwind_rule *rules = rule_set__rules(t->rule_set, &nr);

	memcpy(t->rules + t->nr_rules, rules + t->nr_rules, (nr - t->nr_rules) * sizeof(*rules));
	t->nr_rules = nr;
}

int tables__create(const struct tables_maps *maps, struct tables **ret)
{
	struct tables *t = calloc(1, sizeof(*t));
	int err;

	if (!t)
		return -ENOMEM;
	t->maps = *maps;
	err = map_array(maps->tables_fd, (MEMLEAK_MAX_FILES + 1) * sizeof(*t->tables),
			(void **)&t->tables);
	if (!err)
		err = map_array(maps->pages_fd, maps->nr_pages * sizeof(*t->pages),
				(void **)&t->pages);
	if (!err)
		err = map_array(maps->rules_fd, UNWIND_MAX_RULES * sizeof(*t->rules),
				(void **)&t->rules);
	if (!err)
		err = rule_set__create(&t->rule_set);
	if (err) {
		tables__destroy(t);
		return err;
	}
	publish_rules(t);
	*ret = t;
	return 0;
}

void tables__destroy(struct tables *t)
{
	size_t i;

	if (!t)
		return;
	unmap_array(t->tables, (MEMLEAK_MAX_FILES + 1) * sizeof(*t->tables));
	unmap_array(t->pages, t->maps.nr_pages * sizeof(*t->pages));
	unmap_array(t->rules, UNWIND_MAX_RULES * sizeof(*t->rules));
	for (i = 0; i < t->shards.count; i++)
		unmap_array(t->shards.items[i].rows, sizeof(struct unwind_shard));
	for (i = 0; i < t->holdings.count; i++)
		vector_release(&t->holdings.items[i].shares);
	vector_release(&t->shards);
	vector_release(&t->holdings);
	vector_release(&t->free_pages);
	rule_set__destroy(t->rule_set);
	free(t);
}

/* --- room --- */

/* A run of @n page slots; -ENOSPC. */
static int take_pages(struct tables *t, uint32_t n, struct run *ret)
{
	size_t i;

	for (i = 0; i < t->free_pages.count; i++) {
		struct run *r = &t->free_pages.items[i];

		if (r->n < n)
			continue;
		*ret = (struct run){.first = r->first, .n = n};
		r->first += n;
		r->n -= n;
		if (!r->n)
			*r = t->free_pages.items[--t->free_pages.count];
		return 0;
	}
	if (n > t->maps.nr_pages - t->next_page)
		return -ENOSPC;
	*ret = (struct run){.first = t->next_page, .n = n};
	t->next_page += n;
	return 0;
}

/* Without memory for the list the run stays unused: a loss of room, of nothing else. */
static void give_pages(struct tables *t, struct run r)
{
	size_t i;

	if (!r.n)
		return;
	if (r.first + r.n == t->next_page) {
		t->next_page = r.first;
		return;
	}
	for (i = 0; i < t->free_pages.count; i++) {
		struct run *f = &t->free_pages.items[i];

		if (f->first + f->n == r.first) {
			f->n += r.n;
			return;
		}
		if (r.first + r.n == f->first) {
			f->first = r.first;
			f->n += r.n;
			return;
		}
	}
	(void)vector_push(&t->free_pages, r);
}

static int make_shard(struct tables *t, uint32_t *ret)
{
	DECLARE_LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
	CLEANUP_CLOSE int fd = -1;
	struct shard s = {0};
	uint32_t index = t->shards.count;
	int err;

	if (index == t->maps.nr_shards)
		return -ENOSPC;
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "shard", sizeof(uint32_t),
			    sizeof(struct unwind_shard), 1, &opts);
	if (fd < 0)
		return -errno;
	err = map_array(fd, sizeof(struct unwind_shard), (void **)&s.rows);
	if (!err)
		err = vector_push(&t->shards, s);
	if (!err && bpf_map_update_elem(t->maps.shards_fd, &index, &fd, BPF_ANY)) {
		err = -errno;
		t->shards.count--;
	}
	if (err) {
		unmap_array(s.rows, sizeof(struct unwind_shard));
		return err;
	}
	*ret = index;
	return 0;
}

/* --- a file --- */

static void release_holding(struct tables *t, struct holding *h)
{
	size_t i;

	for (i = 0; i < h->shares.count; i++) {
		struct shard *s = &t->shards.items[h->shares.items[i].shard];

		s->live -= h->shares.items[i].rows;
		if (!s->live)
			s->used = 0;
	}
	vector_release(&h->shares);
	give_pages(t, h->pages);
	*h = (struct holding){0};
}

/* Place as many pages as fit into shard @i; the first one that did not. */
static int place_in(struct tables *t, const struct unwind_table *u, uint32_t i, struct holding *h,
		    struct unwind_page *pages, size_t *page)
{
	struct shard *s = &t->shards.items[i];
	uint32_t before = s->used;
	struct share share = {.shard = i};
	int err = vector_reserve(&h->shares, h->shares.count + 1);

	if (err)
		return err;
	*page = unwind_table__place(u, *page, i, s->rows, &s->used, pages);
	share.rows = s->used - before;
	s->live += share.rows;
	if (share.rows)
		h->shares.items[h->shares.count++] = share;
	return 0;
}

/* Into shards that have room, then into new ones. */
static int place(struct tables *t, const struct unwind_table *u, struct holding *h,
		 struct unwind_page *pages)
{
	size_t page = 0;
	uint32_t i = 0;
	int err = 0;

	while (page < u->nr_pages && !err) {
		if (i == t->shards.count)
			err = make_shard(t, &i);
		if (!err)
			err = place_in(t, u, i++, h, pages, &page);
	}
	return err;
}

/* The file's entry becomes visible as a whole: its state is what the kernel side looks at. */
static void publish(struct tables *t, uint32_t id, const struct unwind_table *u, struct run pages)
{
	struct memleak_table *entry = &t->tables[id];

	entry->start = u->start;
	entry->first_page = pages.first;
	entry->nr_pages = pages.n;
	__atomic_store_n(&entry->state, MEMLEAK_TABLE_LOADED, __ATOMIC_RELEASE);
}

static void cleanup_table(struct unwind_table **u)
{
	unwind_table__destroy(*u);
}

static int compile(const struct tables_source *s, struct unwind_table **ret)
{
	int err = s->compile(s->context, s->fd, s->path, ret);

	if (!err || err == -ENOMEM)
		return err;
	/* Damaged, of another machine, deadly: nothing is known of its frames. */
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

int tables__load(struct tables *t, uint32_t id, const struct tables_source *source)
{
	CLEANUP(cleanup_table) struct unwind_table *u = NULL;
	CLEANUP_FREE struct unwind_page *pages = NULL;
	struct holding h = {.loaded = true};
	int err = 0;

	if (tables__has(t, id))
		return 0;
	while (t->holdings.count <= id && !err)
		err = vector_push(&t->holdings, (struct holding){0});
	if (!err)
		err = compile(source, &u);
	if (!err && u->nr_pages)
		err = unwind_table__link(u, t->rule_set);
	if (err)
		return err;
	publish_rules(t);
	pages = calloc(u->nr_pages + 1, sizeof(*pages));
	if (!pages)
		return -ENOMEM;
	err = take_pages(t, u->nr_pages, &h.pages);
	if (!err)
		err = place(t, u, &h, pages);
	if (err) {
		release_holding(t, &h);
		t->no_room++;
		__atomic_store_n(&t->tables[id].state, MEMLEAK_TABLE_NO_ROOM, __ATOMIC_RELEASE);
		t->holdings.items[id].loaded = true;
		return err;
	}
	memcpy(t->pages + h.pages.first, pages, u->nr_pages * sizeof(*pages));
	t->holdings.items[id] = h;
	publish(t, id, u, h.pages);
	return 0;
}

void tables__free(struct tables *t, uint32_t id)
{
	if (id > MEMLEAK_MAX_FILES)
		return;
	__atomic_store_n(&t->tables[id].state, MEMLEAK_TABLE_UNKNOWN, __ATOMIC_RELEASE);
	if (tables__has(t, id))
		release_holding(t, &t->holdings.items[id]);
}

bool tables__has(const struct tables *t, uint32_t id)
{
	return id < t->holdings.count && t->holdings.items[id].loaded;
}

void tables__stats(const struct tables *t, struct tables_stats *ret)
{
	size_t i;

	*ret = (struct tables_stats){.no_room = t->no_room};
	for (i = 0; i < t->holdings.count; i++) {
		ret->files += t->holdings.items[i].loaded;
		ret->bytes += t->holdings.items[i].pages.n * sizeof(struct unwind_page);
	}
	for (i = 0; i < t->shards.count; i++)
		ret->rows += t->shards.items[i].live;
	ret->bytes += t->shards.count * sizeof(struct unwind_shard);
}
