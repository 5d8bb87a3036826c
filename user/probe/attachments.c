// SPDX-License-Identifier: GPL-2.0-or-later
#include "probe/attachments.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bpf/memleak.skel.h"
#include "probe/loader.h"
#include "probe/places.h"
#include "probe/sites.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/hash.h"
#include "util/log.h"

/* Probes in one file for one process (or for all: pid 0). */
struct attachment {
	pid_t pid;
	uint32_t image; /* that it ran then */
	uint32_t file;
	bool behind;	   /* libmemleak.so: what that tells of is not probed */
	bool hooked;	   /* by its sites */
	bool deferring;	   /* ... which may defer frees */
	uint64_t since_ns; /* CLOCK_MONOTONIC */
	VECTOR(int) links;
};

struct attachments {
	struct memleak *skeleton;
	struct memleak *parts[LOADER_PARTS]; /* NULL: nothing needed it so far */
	enum probe_link link;
	const struct probe_options *options;
	struct sites sites;
	struct link_closer *closer;
	VECTOR(struct attachment) list;
	struct hash index; /* (pid, file) to list */
	struct hash told;  /* files whose places were logged */
	bool has_gaps;
};

int attachments__create(struct memleak *skeleton, enum probe_link link,
			const struct probe_options *options, struct attachments **ret)
{
	CLEANUP_FREE struct attachments *a = calloc(1, sizeof(*a));
	int err;

	if (!a)
		return -ENOMEM;
	a->skeleton = skeleton;
	a->link = link;
	a->options = options;
	a->sites.options = options;
	a->sites.arguments_fd = bpf_map__fd(skeleton->maps.site_arguments);
	a->sites.nops = placement__nops();
	err = link_closer__create(&a->closer);
	if (err)
		return err;
	*ret = TAKE_PTR(a);
	return 0;
}

static void close_attachment(struct attachments *all, struct attachment *a)
{
	size_t i;

	for (i = 0; i < a->links.count; i++)
		link_closer__close(all->closer, a->links.items[i]);
	vector_release(&a->links);
}

void attachments__destroy(struct attachments *a)
{
	size_t i;

	if (!a)
		return;
	for (i = 0; i < a->list.count; i++)
		close_attachment(a, &a->list.items[i]);
	vector_release(&a->list);
	sites__release(&a->sites);
	hash__release(&a->index);
	hash__release(&a->told);
	link_closer__destroy(a->closer);
	for (i = 0; i < LOADER_PARTS; i++)
		memleak__destroy(a->parts[i]);
	free(a);
}

/* Log where the probes of a file go, once a file. */
static int tell_places(struct attachments *all, uint32_t id, const struct file *file,
		       const struct placements *placements)
{
	if (hash__get(&all->told, id, 0) != HASH_NONE)
		return 0;
	if (placements__log(placements, file))
		all->has_gaps = true;
	return hash__set(&all->told, id, 0, 0);
}

static int keep_link(struct attachment *a, int fd)
{
	int err = fd < 0 ? fd : vector_push(&a->links, fd);

	if (err && fd >= 0)
		close(fd);
	return err;
}

static int link_perf(struct attachment *a, const struct bpf_program *prog,
		     const struct link_request *r, bool at_return)
{
	uint32_t i;
	int err = 0;

	for (i = 0; i < r->count && !err; i++)
		err = keep_link(a, link__perf(prog, r, i, at_return));
	return err;
}

/* Link the allocating functions at entry and return. Return first: an entry without a return would
 * leave a call in flight. */
static int link_allocs(struct attachments *all, struct attachment *a, const struct link_request *r)
{
	struct memleak *s = all->skeleton;
	int err;

	if (!r->count)
		return 0;
	if (all->link == PROBE_LINK_SESSION)
		return keep_link(a, link__multi(bpf_program__fd(s->progs.probe_session),
						LINK_TRACE_UPROBE_SESSION, r, false));
	if (all->link == PROBE_LINK_PERF) {
		err = link_perf(a, s->progs.probe_return, r, true);
		return err ? err : link_perf(a, s->progs.probe_entry, r, false);
	}
	err = keep_link(a, link__multi(bpf_program__fd(s->progs.probe_return),
				       LINK_TRACE_UPROBE_MULTI, r, true));
	if (err)
		return err;
	return keep_link(a, link__multi(bpf_program__fd(s->progs.probe_entry),
					LINK_TRACE_UPROBE_MULTI, r, false));
}

/* Link @prog to entries alone. */
static int link_entries(struct attachments *all, struct attachment *a,
			const struct bpf_program *prog, const struct link_request *r)
{
	if (!r->count)
		return 0;
	if (all->link == PROBE_LINK_PERF)
		return link_perf(a, prog, r, false);
	return keep_link(a, link__multi(bpf_program__fd(prog), LINK_TRACE_UPROBE_MULTI, r, false));
}

/* The return instructions of functions that may throw, before the entries. */
static int link_returns(struct attachments *all, struct attachment *a, const struct file *file)
{
	const calls_returns *returns = &file->allocator.returns;
	CLEANUP_FREE uint64_t *cookies = calloc(returns->count + 1, sizeof(*cookies));
	struct link_request r = {
		.file_fd = file->object->fd,
		.pid = a->pid,
		.offsets = returns->items,
		.cookies = cookies,
		.count = returns->count,
	};

	if (!returns->count)
		return 0;
	if (!cookies)
		return -ENOMEM;
	return link_entries(all, a, all->parts[LOADER_RETURNS]->progs.probe_plain_return, &r);
}

static bool is_asked_for(const struct attachments *all, enum places_part part)
{
	if (part == PLACES_NEW_ARRAY)
		return all->options->families || all->options->diagnose;
	return part != PLACES_OPERATORS || all->options->diagnose;
}

static int link_sites(struct attachments *all, struct attachment *a, const struct file *file,
		      const struct share *share, enum notes_kind kind,
		      const struct bpf_program *program)
{
	CLEANUP(places__release) struct places places = {0};
	struct link_request r = {.file_fd = file->object->fd, .pid = a->pid};
	int err = sites__choose(&all->sites, file, share, kind, &places);

	if (err)
		return err;
	r.offsets = places.offsets.items;
	r.cookies = places.cookies.items;
	r.semaphores = places.semaphores.items;
	r.count = places.offsets.count;
	return link_entries(all, a, program, &r);
}

/* What realloc's failure takes back must not be missed; allocations come last. */
static int link_all_sites(struct attachments *all, struct attachment *a, const struct file *file,
			  const struct share *share)
{
	const struct memleak *s = all->parts[LOADER_SITES];
	int err = link_sites(all, a, file, share, NOTES_FREE, s->progs.probe_site_free);

	if (!err)
		err = link_sites(all, a, file, share, NOTES_RESTORE, s->progs.probe_site_restore);
	if (!err)
		err = link_sites(all, a, file, share, NOTES_MAP, s->progs.probe_site_map);
	if (err)
		return err;
	if (a->deferring)
		return link_sites(all, a, file, share, NOTES_PUT,
				  all->parts[LOADER_SITE_PUT]->progs.probe_site_put);
	return link_sites(all, a, file, share, NOTES_ALLOC,
			  all->parts[LOADER_SITE_ALLOC]->progs.probe_site_alloc);
}

/* Others tell of the heap by now: frees of @a are to be told at once. The library sees that by the
 * other site, while it goes on to tell of all that it has deferred. */
static int end_deferring(struct attachments *all, struct attachment *a, const struct file *file,
			 const struct share *share)
{
	int err = link_sites(all, a, file, share, NOTES_ALLOC,
			     all->parts[LOADER_SITES]->progs.probe_site_nothing);

	if (err) {
		all->has_gaps = true;
		return err;
	}
	a->deferring = false;
	log_info("the sites of %s tell of each free at once from now on", file->object->path);
	return 0;
}

static bool needs_returns(const struct allocator *a)
{
	size_t i;

	for (i = 0; i < a->functions.count; i++)
		if (a->functions.items[i].may_throw ||
		    a->functions.items[i].call == MEMLEAK_CALL_RELEASE)
			return true;
	return a->returns.count;
}

static int load_part(struct attachments *all, enum loader_part part)
{
	if (all->parts[part])
		return 0;
	return loader__load_part(all->options, all->link, all->skeleton, part, &all->parts[part]);
}

static int load_parts(struct attachments *all, const struct attachment *a, const struct file *file,
		      const struct share *share)
{
	int err = needs_returns(&file->allocator) ? load_part(all, LOADER_RETURNS) : 0;

	if (!err && share->sites)
		err = load_part(all, LOADER_SITES);
	if (!err && share->sites)
		err = load_part(all, a->deferring ? LOADER_SITE_PUT : LOADER_SITE_ALLOC);
	return err;
}

/* Frees first: a block whose free goes unseen would be a leak that is none. */
static int link_file(struct attachments *all, struct attachment *a, const struct file *file,
		     const struct share *share)
{
	CLEANUP(placements__release) struct placements placements = {0};
	int err = load_parts(all, a, file, share);
	const struct memleak *returns = all->parts[LOADER_RETURNS];
	const struct bpf_program *const entry_programs[PLACES_PARTS] = {
		[PLACES_FREES] = all->skeleton->progs.probe_free,
		[PLACES_RELEASES] = returns ? returns->progs.probe_release : NULL,
		[PLACES_MAY_THROW] = returns ? returns->progs.probe_plain_entry : NULL,
		[PLACES_NEW_ARRAY] = all->skeleton->progs.probe_operator,
		[PLACES_OPERATORS] = all->skeleton->progs.probe_operator,
		[PLACES_LIBRARIES] = all->skeleton->progs.probe_libraries,
	};
	enum places_part part;

	if (!err)
		err = placements__choose(file, all->sites.nops, &placements);
	if (!err)
		err = tell_places(all, a->file, file, &placements);
	if (!err)
		err = link_returns(all, a, file);
	for (part = 0; part < PLACES_PARTS && !err; part++) {
		CLEANUP(places__release) struct places places = {0};
		struct link_request r = {.file_fd = file->object->fd, .pid = a->pid};

		err = places__choose(&places, file, &placements, share, part);
		if (err)
			break;
		r.offsets = places.offsets.items;
		r.cookies = places.cookies.items;
		r.count = places.offsets.count;
		if (part == PLACES_ALLOCS)
			err = link_allocs(all, a, &r);
		else if (is_asked_for(all, part))
			err = link_entries(all, a, entry_programs[part], &r);
	}
	if (!err && share->sites)
		err = link_all_sites(all, a, file, share);
	return err;
}

/* Close the links of the @i-th; the last one takes its place. 0 or -ENOMEM. */
static int remove_at(struct attachments *all, size_t i)
{
	struct attachment *a = &all->list.items[i];

	close_attachment(all, a);
	hash__remove(&all->index, a->pid, a->file);
	*a = all->list.items[--all->list.count];
	return i < all->list.count ? hash__set(&all->index, a->pid, a->file, i) : 0;
}

/* At once, not by the closer: until it is gone, every block would be told of twice. */
static int drop_at(struct attachments *all, size_t i)
{
	struct attachment *a = &all->list.items[i];

	while (a->links.count)
		close(a->links.items[--a->links.count]);
	return remove_at(all, i);
}

static void tell_share(const struct file *file, const struct share *share,
		       const struct attachment *attachment)
{
	const struct allocator *a = &file->allocator;
	const char *where = attachment->pid ? "" : " in every process";
	size_t i, n = 0;

	for (i = 0; i < a->functions.count; i++)
		n += share__is_probed(share, &a->functions.items[i]);
	if (share->sites)
		log_info("attached to the sites of %s%s%s", file->object->path, where,
			 attachment->deferring ? ", which tell of frees with the next allocation"
					       : "");
	if (n || !share->sites)
		log_info("probed %zu functions of %s%s", n, file->object->path, where);
}

int attachments__add(struct attachments *all, pid_t pid, uint32_t image, uint32_t id,
		     const struct file *file, const struct share *share)
{
	struct attachment a = {.pid = pid,
			       .image = image,
			       .file = id,
			       .behind = share__is_behind(share, file),
			       .hooked = share->sites && file->allocator.is_hook,
			       .deferring = sites__may_defer(&all->sites, file, share)};
	uint32_t known = hash__get(&all->index, pid, id);
	int err;

	if (known != HASH_NONE && all->list.items[known].behind == a.behind) {
		struct attachment *old = &all->list.items[known];

		/* Who tells of each free at once will not begin to defer. */
		return old->deferring && !a.deferring ? end_deferring(all, old, file, share) : 0;
	}
	all->has_gaps |= file->allocator.has_gaps;
	if (known != HASH_NONE) {
		a.since_ns = all->list.items[known].since_ns;
		err = drop_at(all, known);
		if (err)
			return err;
	}
	err = link_file(all, &a, file, share);
	if (known == HASH_NONE)
		a.since_ns = clock__monotonic_ns();
	if (!err)
		err = vector_push(&all->list, a);
	if (err) {
		all->has_gaps = true;
		close_attachment(all, &a);
		return err;
	}
	err = hash__set(&all->index, pid, id, all->list.count - 1);
	if (err)
		close_attachment(all, &all->list.items[--all->list.count]);
	else
		tell_share(file, share, &all->list.items[all->list.count - 1]);
	return err;
}

int attachments__remove(struct attachments *all, pid_t pid, uint32_t image)
{
	size_t i = 0;
	int err = 0;

	while (i < all->list.count && !err) {
		if (all->list.items[i].pid == pid && all->list.items[i].image <= image)
			err = remove_at(all, i);
		else
			i++;
	}
	return err;
}

int attachments__drop(struct attachments *all, pid_t pid, uint32_t id)
{
	uint32_t i = hash__get(&all->index, pid, id);

	return i == HASH_NONE ? 0 : drop_at(all, i);
}

bool attachments__is_hooked(const struct attachments *a, pid_t pid)
{
	size_t i;

	for (i = 0; i < a->list.count; i++)
		if (a->list.items[i].pid == pid && a->list.items[i].hooked)
			return true;
	return false;
}

bool attachments__has_gaps(const struct attachments *a)
{
	return a->has_gaps;
}

uint64_t attachments__since(const struct attachments *a, pid_t pid, uint32_t id)
{
	uint32_t i = hash__get(&a->index, pid, id);

	return i == HASH_NONE ? 0 : a->list.items[i].since_ns;
}

size_t attachments__count(const struct attachments *a)
{
	return a->list.count;
}
