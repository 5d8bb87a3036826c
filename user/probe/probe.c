// SPDX-License-Identifier: GPL-2.0-or-later
#include "probe/batch.h"
#include "probe/probe_private.h"
#include "probe/trails.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bpf/unwind.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"

static void cleanup_object(struct object **o)
{
	object__destroy(*o);
}

/* Tell the kernel side of the cgroup. */
static int set_cgroup(struct probe *p)
{
	uint32_t zero = 0, fd;

	if (!p->cgroup)
		return 0;
	fd = cgroup__fd(p->cgroup);
	return bpf_map_update_elem(bpf_map__fd(p->skeleton->maps.cgroups), &zero, &fd, BPF_ANY)
		       ? -errno
		       : 0;
}

static int check_object(struct probe *p)
{
	const char *path = p->options.object;
	CLEANUP(cleanup_object) struct object *o = NULL;
	CLEANUP(allocator__release) struct allocator a = {0};
	CLEANUP_CLOSE int fd = -1;
	int err;

	if (!path)
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &p->object)) {
		err = -errno;
		log_error("cannot open '%s': %s", path, strerror(-err));
		return err;
	}
	if (!S_ISREG(p->object.st_mode)) {
		log_error("'%s' is not a regular file: -O takes a program or a shared library",
			  path);
		return -EINVAL;
	}
	err = inspect(p->options.sandbox, TAKE_FD(fd), path, &p->search, &o, &a);
	if (err)
		return err;
	if (!o->machine) {
		log_error(
			"'%s' is not an ELF file, or a damaged one: -O takes a program or a shared "
			"library",
			path);
		return -EINVAL;
	}
	if (!a.functions.count) {
		log_error("no allocation function found in '%s'%s", path,
			  p->options.symbols_prefix ? " under that --symbols-prefix" : "");
		return -ENOENT;
	}
	return 0;
}

static int create_tables(struct probe *p)
{
	struct memleak *s = p->skeleton;
	struct tables_maps maps = {
		.tables_fd = bpf_map__fd(s->maps.tables),
		.pages_fd = bpf_map__fd(s->maps.pages),
		.rules_fd = bpf_map__fd(s->maps.rules),
		.shards_fd = bpf_map__fd(s->maps.shards),
		.nr_pages = bpf_map__max_entries(s->maps.pages),
		.nr_shards = bpf_map__max_entries(s->maps.shards),
	};

	return tables__create(&maps, &p->tables);
}

int probe__create(const struct probe_options *options, struct probe **ret)
{
	struct probe *p = calloc(1, sizeof(*p));
	size_t i;
	int err;

	if (!p)
		return -ENOMEM;
	p->options = *options;
	p->search = (struct allocator_search){
		.prefix = options->symbols_prefix,
		.rows = options->rows,
		.nr_rows = options->nr_rows,
		.no_sites = options->no_sites,
	};
	for (i = 0; i < ARRAY_SIZE(p->lifecycle); i++)
		p->lifecycle[i] = -1;
	err = check_object(p);
	if (!err && options->cgroup)
		err = cgroup__open(options->cgroup, &p->cgroup);
	if (!err)
		err = loader__load(options, &p->blocks, &p->skeleton, &p->link);
	if (!err)
		err = set_cgroup(p);
	if (!err)
		err = loader__watch_processes(p->skeleton, p->lifecycle);
	if (!err)
		err = attachments__create(p->skeleton, p->link, &p->options, &p->attachments);
	if (!err)
		err = files__create(options->sandbox, &p->search, &p->files);
	if (!err)
		err = create_tables(p);
	if (!err)
		err = probe__learn_vdso(p);
	if (!err) {
		p->ring = ring_buffer__new(bpf_map__fd(p->skeleton->maps.events),
					   probe__handle_event, p, NULL);
		err = p->ring ? 0 : -errno;
	}
	if (!err)
		err = ring_buffer__add(p->ring, bpf_map__fd(p->skeleton->maps.trails),
				       probe__handle_trail, p);
	if (err) {
		probe__destroy(p);
		return err;
	}
	log_info("uprobes through %s links", loader__link_name(p->link));
	*ret = p;
	return 0;
}

static int leave(void *context, const void *key, const void *value)
{
	(void)key;
	trails__leave(context, value);
	return 0;
}

/* Processes have what only this tool could make something of. */
static void leave_processes(const struct probe *p)
{
	struct deferred_tool tool = probe__tool(p);

	batch__read(tool.processes_fd, sizeof(uint32_t), sizeof(struct memleak_process), leave,
		    &tool);
}

void probe__destroy(struct probe *p)
{
	size_t i;

	if (!p)
		return;
	attachments__destroy(p->attachments);
	if (p->skeleton)
		leave_processes(p);
	for (i = 0; i < ARRAY_SIZE(p->lifecycle); i++)
		if (p->lifecycle[i] >= 0)
			close(p->lifecycle[i]);
	ring_buffer__free(p->ring);
	tables__destroy(p->tables);
	memleak__destroy(p->skeleton);
	files__destroy(p->files);
	cgroup__close(p->cgroup);
	mappings__release(&p->mappings);
	blocks__close(&p->blocks);
	hash__release(&p->replaced_images);
	hash__release(&p->exes);
	vector_release(&p->grown);
	hash__release(&p->grown_index);
	late__release(&p->late);
	hash__release(&p->go_told);
	strings__release(&p->exe_paths);
	free(p);
}

void probe__enable(struct probe *p)
{
	p->start_ns = clock__monotonic_ns();
	__atomic_store_n(&p->skeleton->bss->enabled, true, __ATOMIC_RELEASE);
}

uint64_t probe__hits(const struct probe *p)
{
	return p->skeleton->bss->hits;
}

/* --- for collect --- */

struct deferred_tool probe__tool(const struct probe *p)
{
	return (struct deferred_tool){
		.processes_fd = bpf_map__fd(p->skeleton->maps.processes),
		.session = p->skeleton->rodata->session,
		.secret = p->skeleton->rodata->trail_secret,
	};
}

void probe__tables(const struct probe *p, struct probe_tables *ret)
{
	*ret = (struct probe_tables){
		.blocks = &p->blocks,
		.stacks_fd = bpf_map__fd(p->skeleton->maps.stacks),
		.nr_stacks = &p->skeleton->bss->nr_stacks,
		.stacks_wanted = &p->skeleton->data->stacks_wanted,
		.stacks_cleared = &p->skeleton->bss->stacks_cleared,
		.max_stacks = p->options.max_stacks,
		.processes_fd = bpf_map__fd(p->skeleton->maps.processes),
		.ended_fd = bpf_map__fd(p->skeleton->maps.ended),
		.tool = probe__tool(p),
		.changes_fd = bpf_map__fd(p->skeleton->maps.changes),
		.changes_image = &p->skeleton->bss->changes_image,
		.nr_changes = &p->skeleton->bss->nr_changes,
		.sites_fd = p->options.sites ? bpf_map__fd(p->skeleton->maps.sites) : -1,
		.wrong_fd = p->options.diagnose ? bpf_map__fd(p->skeleton->maps.wrong_frees) : -1,
		.losses = p->skeleton->bss->losses,
		.late = &p->late,
		.files = p->files,
		.mappings = &p->mappings,
		.replaced_images = &p->replaced_images,
		.nr_exits = p->nr_exits,
		.families = p->options.families_defined,
		.nr_families = p->options.nr_families_defined,
		.start_ns = p->start_ns,
		.sample = p->options.sample,
	};
}

bool probe__file_is_unchanged(struct probe *p, uint32_t id)
{
	return files__is_unchanged(p->files, id);
}

static bool is_resource(const struct probe_family *families, size_t n, uint8_t family)
{
	size_t user = (size_t)family - MEMLEAK_FAMILY_USER;

	return family >= MEMLEAK_FAMILY_USER && user < n && families[user].resource;
}

bool probe__is_resource(const struct probe_tables *t, uint8_t family)
{
	return is_resource(t->families, t->nr_families, family);
}

int probe__drop_block(struct probe *p, const struct memleak_block_key *key)
{
	const struct probe_options *o = &p->options;
	int err = blocks__drop(&p->blocks, key);

	if (err)
		return err == -ENOENT ? 0 : err;
	if (loader__is_partial(o) &&
	    !is_resource(o->families_defined, o->nr_families_defined, key->family))
		__atomic_fetch_sub(&p->skeleton->bss->addresses[MEMLEAK_ADDRESS_SLOT(key->addr)], 1,
				   __ATOMIC_RELEASE);
	return 0;
}

void probe__forget_images(struct probe *p, const uint32_t *ended, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		mappings__drop_image(&p->mappings, ended[i]);
		hash__remove(&p->exes, ended[i], 0);
	}
	for (i = 0; p->replaced_images.slots && i <= p->replaced_images.mask; i++)
		if (p->replaced_images.slots[i].value != HASH_NONE)
			mappings__drop_image(&p->mappings, p->replaced_images.slots[i].a);
	hash__release(&p->replaced_images);
	p->nr_exits = 0;
}

/* How well the kernel side can tell frees of what is not followed. */
static void log_addresses(const struct probe *p)
{
	const __u32 *counts = p->skeleton->bss->addresses;
	uint64_t blocks = 0;
	uint32_t used = 0, i;

	for (i = 0; i < MEMLEAK_ADDRESS_SLOTS; i++) {
		blocks += counts[i];
		used += counts[i] != 0;
	}
	log_info("blocks followed: %llu, in %u of %u slots for addresses",
		 (unsigned long long)blocks, used, MEMLEAK_ADDRESS_SLOTS);
}

void probe__log_walks(const struct probe *p)
{
	static const char *const broken[UNWIND_RESULTS] = {
		[UNWIND_STEPPED] = "endless",
		[UNWIND_NO_MAPPING] = "address in no code",
		[UNWIND_MAPPING_BUSY] = "another thread was changing the address space",
		[UNWIND_NO_TABLE] = "no table yet",
		[UNWIND_NO_ROOM] = "no room for the table (--max-unwind-memory)",
		[UNWIND_NO_ROW] = "code without unwind information",
		[UNWIND_RULE_UNUSABLE] = "unusable unwind information",
		[UNWIND_OTHER_REGISTER] = "counts from another register",
		[UNWIND_FP_LOST] = "frame pointer lost",
		[UNWIND_RA_LOST] = "return address lost",
		[UNWIND_UNREADABLE] = "stack unreadable",
		[UNWIND_BAD_CFA] = "implausible frame",
		[UNWIND_BAD_RA] = "implausible return address",
	};
	const __u64 *walks = p->skeleton->bss->walks;
	uint64_t complete = walks[UNWIND_COMPLETE] + walks[UNWIND_COMPLETE_ZERO], bad = 0;
	struct tables_stats stats;
	size_t i;

	for (i = 0; i < UNWIND_RESULTS; i++)
		bad += broken[i] ? walks[i] : 0;
	log_info("stacks: %llu complete, %llu truncated, %llu broken; %llu with a frame found by "
		 "frame pointer",
		 (unsigned long long)complete, (unsigned long long)walks[UNWIND_TRUNCATED],
		 (unsigned long long)bad,
		 (unsigned long long)p->skeleton->bss->walks_by_frame_pointer);
	for (i = 0; i < UNWIND_RESULTS; i++)
		if (broken[i] && walks[i])
			log_info("stacks broken: %llu: %s", (unsigned long long)walks[i],
				 broken[i]);
	tables__stats(p->tables, &stats);
	log_info("unwind tables: %llu files, %llu rows, %llu KiB; %llu found no room",
		 (unsigned long long)stats.files, (unsigned long long)stats.rows,
		 (unsigned long long)stats.bytes / 1024, (unsigned long long)stats.no_room);
	if (loader__is_partial(&p->options))
		log_addresses(p);
}

static bool is_found(const struct probe *p, uint8_t family)
{
	uint32_t id;
	size_t i;

	for (id = 0; id <= p->skeleton->data->last_file; id++) {
		const struct file *f = files__get(p->files, id);

		for (i = 0; f && i < f->allocator.functions.count; i++)
			if (f->allocator.functions.items[i].family == family)
				return true;
	}
	return false;
}

void probe__warn_unfound(const struct probe *p)
{
	size_t i;

	for (i = 0; i < p->options.nr_families_defined; i++)
		if (!is_found(p, MEMLEAK_FAMILY_USER + i))
			log_warning("no function of the family '%s' was found in any program or "
				    "library: is it inlined, stripped or misspelt?",
				    p->options.families_defined[i].name);
}

const char *probe__family_name(const struct probe *p, uint8_t family)
{
	static const char *const names[] = {
		[MEMLEAK_FAMILY_MALLOC] = "malloc",
		[MEMLEAK_FAMILY_NEW] = "new",
		[MEMLEAK_FAMILY_NEW_ARRAY] = "new[]",
		[MEMLEAK_FAMILY_MMAP] = "mmap",
	};
	size_t user = (size_t)family - MEMLEAK_FAMILY_USER;

	if (family < ARRAY_SIZE(names))
		return names[family];
	if (family < MEMLEAK_FAMILY_USER || user >= p->options.nr_families_defined)
		return NULL;
	return p->options.families_defined[user].name;
}

const char *probe__link_name(const struct probe *p)
{
	return loader__link_name(p->link);
}
