// SPDX-License-Identifier: GPL-2.0-or-later
#include "probe/loader.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "bpf/memleak.skel.h"
#include "probe/blocks.h"
#include "probe/link.h"
#include "probe/tables.h"
#include "util/cleanup.h"
#include "util/log.h"

static int print_libbpf(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	if (log__enabled(LOG_LEVEL_DEBUG))
		vfprintf(stderr, format, args); /* the verifier's log has thousands of lines */
	return 0;
}

/* Several processes have sites of one stack; the kernel takes no larger table. */
static uint32_t max_sites(uint32_t max_stacks)
{
	const uint32_t limit = 256 << 20, per_stack = 4;

	return max_stacks < limit / per_stack ? max_stacks * per_stack : limit;
}

/* Places of wrong frees; and frees that are remembered, some MiB of them. */
#define MAX_WRONG_FREES 4096
#define MAX_FREED	65536

/* Samples are few: as a power of 2, the buckets for them. */
#define SAMPLED_BUCKET_BITS 10

static bool is_sampled(const struct probe_options *o)
{
	return o->sample.rate != 1 || o->sample.mean;
}

bool loader__is_partial(const struct probe_options *o)
{
	return is_sampled(o) || o->min_size || o->max_size != UINT64_MAX;
}

/* Room for blocks: in buckets that are there from the start, and in a map that grows with them. */
static void configure_blocks(struct memleak *s, uint32_t max_blocks, unsigned int bucket_bits)
{
	s->rodata->max_blocks = max_blocks;
	s->rodata->bucket_bits = bucket_bits;
	bpf_map__set_max_entries(s->maps.buckets, 1U << bucket_bits);
	bpf_map__set_max_entries(s->maps.blocks, max_blocks);
}

static void configure(struct memleak *s, const struct probe_options *o, unsigned int bucket_bits)
{
	uint32_t nr_pages, nr_shards;

	tables__sizes(o->max_unwind_memory, &nr_pages, &nr_shards);
	bpf_map__set_max_entries(s->maps.pages, nr_pages);
	bpf_map__set_max_entries(s->maps.shards, nr_shards);
	s->rodata->trace_all = o->all;
	s->rodata->in_cgroup = o->cgroup != NULL;
	s->rodata->follow_children = o->follow;
	s->rodata->trace_events = o->trace != NULL;
	s->rodata->count_sites = o->sites;
	s->rodata->min_size = o->min_size;
	s->rodata->max_size = o->max_size;
	s->rodata->user_functions = o->nr_families_defined;
	s->rodata->sample_rate = o->sample.rate;
	s->rodata->sample_mean = o->sample.mean;
	s->rodata->max_depth = o->stack_depth;
	s->rodata->diagnose = o->diagnose;
	s->rodata->guard = o->guard;
	/* Else what is known of a block is known here alone: an operator's, or what was freed. */
	s->rodata->knows_new = !o->diagnose && !o->families && !o->sites;
	s->rodata->page_shift = __builtin_ctzl(sysconf(_SC_PAGESIZE));
	s->rodata->own_tgid = getpid();
	configure_blocks(s, o->max_blocks, bucket_bits);
	bpf_map__set_max_entries(s->maps.stacks, o->max_stacks);
	if (o->sites)
		bpf_map__set_max_entries(s->maps.sites, max_sites(o->max_stacks));
	if (o->diagnose)
		bpf_map__set_max_entries(s->maps.wrong_frees, MAX_WRONG_FREES);
	if (o->guard)
		bpf_map__set_max_entries(s->maps.freed, MAX_FREED);
	bpf_map__set_value_size(s->maps.stacks,
				offsetof(struct memleak_stack, frames[o->stack_depth + 1]));
}

static enum loader_part part_of(const struct memleak *s, const struct bpf_program *program)
{
	const struct {
		const struct bpf_program *program;
		enum loader_part part;
	} parts[] = {
		{s->progs.probe_plain_entry, LOADER_RETURNS},
		{s->progs.probe_plain_return, LOADER_RETURNS},
		{s->progs.probe_release, LOADER_RETURNS},
		{s->progs.probe_site_free, LOADER_SITES},
		{s->progs.probe_site_restore, LOADER_SITES},
		{s->progs.probe_site_map, LOADER_SITES},
		{s->progs.probe_site_nothing, LOADER_SITES},
		{s->progs.probe_site_alloc, LOADER_SITE_ALLOC},
		{s->progs.probe_site_put, LOADER_SITE_PUT},
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(parts); i++)
		if (parts[i].program == program)
			return parts[i].part;
	return LOADER_COMMON;
}

static void choose_programs(struct memleak *s, enum loader_part part)
{
	struct bpf_program *program;

	bpf_object__for_each_program(program, s->obj) if (part_of(s, program) != part)
		bpf_program__set_autoload(program, false);
}

static void configure_programs(struct memleak *s, enum probe_link link, bool diagnose)
{
	uint32_t multi = link == PROBE_LINK_PERF ? 0 : LINK_TRACE_UPROBE_MULTI;
	bool session = link == PROBE_LINK_SESSION;

	bpf_program__set_expected_attach_type(s->progs.probe_session, LINK_TRACE_UPROBE_SESSION);
	bpf_program__set_expected_attach_type(s->progs.probe_entry, multi);
	bpf_program__set_expected_attach_type(s->progs.probe_return, multi);
	bpf_program__set_expected_attach_type(s->progs.probe_free, multi);
	bpf_program__set_expected_attach_type(s->progs.probe_operator, multi);
	bpf_program__set_expected_attach_type(s->progs.probe_libraries, multi);
	bpf_program__set_expected_attach_type(s->progs.probe_plain_entry, multi);
	bpf_program__set_expected_attach_type(s->progs.probe_plain_return, multi);
	bpf_program__set_expected_attach_type(s->progs.probe_release, multi);
	bpf_program__set_expected_attach_type(s->progs.wrong_free_uprobe, multi);
	bpf_program__set_expected_attach_type(s->progs.wrong_free_session,
					      LINK_TRACE_UPROBE_SESSION);
	bpf_program__set_autoload(s->progs.wrong_free_uprobe, diagnose);
	bpf_program__set_autoload(s->progs.wrong_free_session, diagnose && session);
	bpf_program__set_expected_attach_type(s->progs.probe_site_alloc, multi);
	bpf_program__set_expected_attach_type(s->progs.probe_site_put, multi);
	bpf_program__set_expected_attach_type(s->progs.probe_site_nothing, multi);
	bpf_program__set_expected_attach_type(s->progs.probe_site_free, multi);
	bpf_program__set_expected_attach_type(s->progs.probe_site_restore, multi);
	bpf_program__set_expected_attach_type(s->progs.probe_site_map, multi);
	bpf_program__set_autoload(s->progs.probe_session, session);
	bpf_program__set_autoload(s->progs.probe_entry, !session);
	bpf_program__set_autoload(s->progs.probe_return, !session);
}

static int connect(const struct bpf_map *programs, const struct bpf_program *program)
{
	uint32_t first = 0, fd = bpf_program__fd(program);

	return bpf_map_update_elem(bpf_map__fd(programs), &first, &fd, BPF_ANY) ? -errno : 0;
}

/* Where the probes' tail calls lead. */
static int connect_programs(struct memleak *s, enum probe_link link)
{
	int err = connect(s->maps.wrong_uprobe_programs, s->progs.wrong_free_uprobe);

	if (!err && link == PROBE_LINK_SESSION)
		err = connect(s->maps.wrong_session_programs, s->progs.wrong_free_session);
	return err;
}

static int choose_secrets(struct memleak *s)
{
	uint32_t session = 0;

	if (getrandom((void *)&s->rodata->trail_secret, sizeof(s->rodata->trail_secret), 0) < 0)
		return -errno;
	while (!session)
		if (getrandom(&session, sizeof(session), 0) < 0)
			return -errno;
	s->rodata->session = session;
	return 0;
}

/* Load for one kind of link and with so many buckets; -ENOTSUP where the kernel does not have the
 * link. */
static int try_buckets(const struct probe_options *o, enum probe_link link,
		       unsigned int bucket_bits, struct blocks *blocks, struct memleak **ret)
{
	struct memleak *s = memleak__open();
	int err;

	if (!s)
		return -errno;
	err = choose_secrets(s);
	if (err) {
		memleak__destroy(s);
		return err;
	}
	configure(s, o, bucket_bits);
	configure_programs(s, link, o->diagnose);
	choose_programs(s, LOADER_COMMON);
	err = memleak__load(s);
	if (!err && o->diagnose)
		err = connect_programs(s, link);
	if (!err && link == PROBE_LINK_SESSION &&
	    !link__is_supported(bpf_program__fd(s->progs.probe_session), LINK_TRACE_UPROBE_SESSION))
		err = -ENOTSUP;
	if (!err && link == PROBE_LINK_MULTI &&
	    !link__is_supported(bpf_program__fd(s->progs.probe_entry), LINK_TRACE_UPROBE_MULTI))
		err = -ENOTSUP;
	if (!err)
		err = blocks__open(blocks, bpf_map__fd(s->maps.blocks),
				   o->guard ? bpf_map__fd(s->maps.freed) : -1,
				   bpf_map__fd(s->maps.buckets), bucket_bits);
	if (err) {
		memleak__destroy(s);
		return err;
	}
	*ret = s;
	return 0;
}

static int try_load(const struct probe_options *o, enum probe_link link, struct blocks *blocks,
		    struct memleak **ret)
{
	unsigned int most = is_sampled(o) ? SAMPLED_BUCKET_BITS : SLOT_MAX_BUCKET_BITS;
	unsigned int bits = blocks__bucket_bits(o->max_blocks, most);
	int err = try_buckets(o, link, bits, blocks, ret);

	if (err != -ENOMEM || !bits)
		return err;
	log_info("no memory for %u buckets of blocks: each takes its own", 1U << bits);
	return try_buckets(o, link, 0, blocks, ret);
}

const char *loader__link_name(enum probe_link link)
{
	static const char *const names[] = {"auto", "session", "multi", "perf"};

	return names[link];
}

static int explain_load_failure(int err)
{
	if (access("/sys/kernel/btf/vmlinux", R_OK))
		log_error("this kernel has no BTF (/sys/kernel/btf/vmlinux is missing): it needs "
			  "CONFIG_DEBUG_INFO_BTF=y and BPF");
	else if (access("/sys/bus/event_source/devices/uprobe", F_OK))
		log_error("this kernel has no uprobes: it needs CONFIG_UPROBE_EVENTS=y");
	else if (err == -EPERM ||
		 (err == -EACCES && libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_KPROBE, NULL) != 1))
		log_error(
			"the kernel refuses BPF here (%s): a container's seccomp profile or kernel "
			"lockdown may forbid bpf(2)",
			strerror(-err));
	else if (err == -ENOMEM)
		log_error("no memory for the kernel's tables: try a smaller --max-blocks");
	else if (err == -EMFILE)
		log_error("cannot load the BPF programs: %s", strerror(-err));
	else
		log_error("cannot load the BPF programs (%s): Linux 6.1 or newer is needed; -vv "
			  "shows "
			  "what the kernel says",
			  strerror(-err));
	return err;
}

int loader__load(const struct probe_options *o, struct blocks *blocks, struct memleak **skeleton,
		 enum probe_link *link)
{
	int err;

	libbpf_set_print(print_libbpf);
	*link = o->link;
	if (*link != PROBE_LINK_AUTO) {
		err = try_load(o, *link, blocks, skeleton);
		if (err == -ENOTSUP)
			log_error("this kernel has no %s links for uprobes",
				  loader__link_name(*link));
		else if (err)
			explain_load_failure(err);
		return err;
	}
	for (*link = PROBE_LINK_SESSION; *link <= PROBE_LINK_PERF; (*link)++) {
		err = try_load(o, *link, blocks, skeleton);
		if (!err)
			return 0;
		if (err == -EPERM || err == -ENOMEM)
			break;
	}
	return explain_load_failure(err);
}

static int share_maps(const struct memleak *from, const struct memleak *to)
{
	struct bpf_map *map;
	int err;

	bpf_object__for_each_map(map, to->obj)
	{
		const struct bpf_map *shared =
			bpf_object__find_map_by_name(from->obj, bpf_map__name(map));

		err = shared ? bpf_map__reuse_fd(map, bpf_map__fd(shared)) : -ENOENT;
		if (err)
			return err;
	}
	return 0;
}

int loader__load_part(const struct probe_options *o, enum probe_link link,
		      const struct memleak *skeleton, enum loader_part part, struct memleak **ret)
{
	struct memleak *s = memleak__open();
	int err;

	if (!s)
		return -errno;
	configure_programs(s, link, o->diagnose);
	choose_programs(s, part);
	err = share_maps(skeleton, s);
	if (!err)
		err = memleak__load(s);
	if (err) {
		memleak__destroy(s);
		return explain_load_failure(err);
	}
	*ret = s;
	return 0;
}

bool loader__sees_end(void)
{
	struct btf *btf = btf__load_vmlinux_btf();
	bool found = btf && btf__find_by_name_kind(btf, "trace_event_raw_sched_process_exit",
						   BTF_KIND_STRUCT) > 0;

	btf__free(btf);
	return found;
}

int loader__watch_processes(struct memleak *skeleton, int *fds)
{
	struct bpf_program *programs[] = {skeleton->progs.on_fork, skeleton->progs.on_exec,
					  skeleton->progs.on_exit};
	size_t i;

	static_assert(ARRAY_SIZE(programs) == LOADER_LIFECYCLE, "a descriptor each");

	for (i = 0; i < ARRAY_SIZE(programs); i++) {
		/* By the name of the program's section, "tp_btf/...". */
		fds[i] = bpf_raw_tracepoint_open(NULL, bpf_program__fd(programs[i]));
		if (fds[i] < 0) {
			int err = -errno;

			log_error("cannot watch the start and the end of processes: %s",
				  strerror(-err));
			return err;
		}
	}
	return 0;
}
