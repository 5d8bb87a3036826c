// SPDX-License-Identifier: GPL-2.0-or-later
#include "probe/probe.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "bpf/memleak.skel.h"
#include "bpf/unwind.h"
#include "probe/link.h"
#include "probe/tables.h"
#include "target/process.h"
#include "util/cleanup.h"
#include "util/log.h"

/* Probes in one file for one process (or for all: pid 0). */
struct attachment {
	pid_t pid;
	uint32_t file;
	VECTOR(int) links;
};

struct probe {
	struct probe_options options;
	enum probe_link link;
	struct memleak *skeleton;
	struct ring_buffer *ring;
	struct link_closer *closer;
	struct files *files;
	struct tables *tables;
	bool tables_stale; /* a process has ended: files may be mapped by nobody now */
	struct mappings mappings;
	VECTOR(struct attachment) attachments;
	struct hash attached;	 /* (pid, file) to attachments */
	struct hash dead_images; /* (image, 0) to 0 */
	struct hash grown;	 /* (pid, 0) to 0: has loaded libraries */
	struct hash exes;	 /* (image, 0) to exe_paths */
	VECTOR(char *) exe_paths;
	struct stat object; /* of options.object */
	int lifecycle[3];   /* links of the tracepoints */
	uint64_t start_ns;
};

/* --- loading --- */

static int print_libbpf(enum libbpf_print_level level, const char *format, va_list args)
{
	char line[2048];

	(void)level;
	if (!log__enabled(LOG_LEVEL_DEBUG))
		return 0;
	vsnprintf(line, sizeof(line), format, args);
	line[strcspn(line, "\n")] = 0;
	log_debug("%s", line);
	return 0;
}

static void configure(struct memleak *s, const struct probe_options *o, bool session)
{
	uint32_t nr_pages, nr_shards;

	tables__sizes(o->max_unwind_memory, &nr_pages, &nr_shards);
	bpf_map__set_max_entries(s->maps.pages, nr_pages);
	bpf_map__set_max_entries(s->maps.shards, nr_shards);
	s->rodata->trace_all = o->all;
	s->rodata->follow_children = o->follow;
	s->rodata->stop_at_libraries = o->traced;
	s->rodata->trace_events = o->trace != NULL;
	s->rodata->has_session = session;
	s->rodata->min_size = o->min_size;
	s->rodata->max_size = o->max_size;
	s->rodata->max_depth = o->stack_depth;
	s->rodata->page_shift = __builtin_ctzl(sysconf(_SC_PAGESIZE));
	s->rodata->own_tgid = getpid();
	bpf_map__set_max_entries(s->maps.blocks, o->max_blocks);
	bpf_map__set_max_entries(s->maps.stacks, o->max_stacks);
}

static void configure_programs(struct memleak *s, enum probe_link link)
{
	uint32_t multi = link == PROBE_LINK_PERF ? 0 : LINK_TRACE_UPROBE_MULTI;
	bool session = link == PROBE_LINK_SESSION;

	bpf_program__set_expected_attach_type(s->progs.probe_session, LINK_TRACE_UPROBE_SESSION);
	bpf_program__set_expected_attach_type(s->progs.probe_entry, multi);
	bpf_program__set_expected_attach_type(s->progs.probe_return, multi);
	bpf_program__set_expected_attach_type(s->progs.probe_free, multi);
	bpf_program__set_expected_attach_type(s->progs.probe_libraries, multi);
	bpf_program__set_autoload(s->progs.probe_session, session);
	bpf_program__set_autoload(s->progs.probe_entry, !session);
	bpf_program__set_autoload(s->progs.probe_return, !session);
}

/* Load for one kind of link; -ENOTSUP where the kernel does not have it. */
static int try_load(struct probe *p, enum probe_link link)
{
	struct memleak *s = memleak__open();
	int err;

	if (!s)
		return -errno;
	configure(s, &p->options, link == PROBE_LINK_SESSION);
	configure_programs(s, link);
	err = memleak__load(s);
	if (!err && link == PROBE_LINK_SESSION &&
	    !link__is_supported(bpf_program__fd(s->progs.probe_session), LINK_TRACE_UPROBE_SESSION))
		err = -ENOTSUP;
	if (!err && link == PROBE_LINK_MULTI &&
	    !link__is_supported(bpf_program__fd(s->progs.probe_entry), LINK_TRACE_UPROBE_MULTI))
		err = -ENOTSUP;
	if (err) {
		memleak__destroy(s);
		return err;
	}
	p->skeleton = s;
	p->link = link;
	return 0;
}

static const char *link_name(enum probe_link link)
{
	static const char *const names[] = {"auto", "session", "multi", "perf"};

	return names[link];
}

static int explain_load_failure(int err)
{
	if ((err == -EPERM || err == -EACCES) && process__explain_capabilities())
		return err;
	if (access("/sys/kernel/btf/vmlinux", R_OK))
		log_error("this kernel has no BTF (/sys/kernel/btf/vmlinux is missing): it needs "
			  "CONFIG_DEBUG_INFO_BTF=y and BPF");
	else if (access("/sys/bus/event_source/devices/uprobe", F_OK))
		log_error("this kernel has no uprobes: it needs CONFIG_UPROBE_EVENTS=y");
	else if (err == -EPERM || err == -EACCES)
		log_error("the kernel refuses BPF here (%s): a container's seccomp profile or kernel "
			  "lockdown may forbid bpf(2)", strerror(-err));
	else if (err == -ENOMEM)
		log_error("no memory for the kernel's tables: try a smaller --max-blocks");
	else
		log_error("cannot load the BPF programs (%s): Linux 6.1 or newer is needed; -vv shows "
			  "what the kernel says", strerror(-err));
	return err;
}

static int load(struct probe *p)
{
	enum probe_link link;
	int err;

	libbpf_set_print(print_libbpf);
	if (p->options.link != PROBE_LINK_AUTO) {
		err = try_load(p, p->options.link);
		if (err == -ENOTSUP)
			log_error("this kernel has no %s links for uprobes",
				  link_name(p->options.link));
		else if (err)
			explain_load_failure(err);
		return err;
	}
	for (link = PROBE_LINK_SESSION; link <= PROBE_LINK_PERF; link++) {
		err = try_load(p, link);
		if (!err)
			return 0;
		if (err == -EPERM || err == -ENOMEM)
			break;
	}
	return explain_load_failure(err);
}

static int attach_lifecycle(struct probe *p)
{
	struct bpf_program *programs[] = {p->skeleton->progs.on_fork, p->skeleton->progs.on_exec,
					  p->skeleton->progs.on_exit};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(programs); i++) {
		/* By the name of the program's section, "tp_btf/...". */
		p->lifecycle[i] = bpf_raw_tracepoint_open(NULL, bpf_program__fd(programs[i]));
		if (p->lifecycle[i] < 0) {
			int err = -errno;

			log_error("cannot watch the start and the end of processes: %s",
				  strerror(-err));
			return err;
		}
	}
	return 0;
}

static void cleanup_object(struct object **o)
{
	object__destroy(*o);
}

static int check_object(struct probe *p)
{
	const char *path = p->options.object;
	CLEANUP(cleanup_object) struct object *o = NULL;
	CLEANUP(allocator__release) struct allocator a = {0};
	int err, fd;

	if (!path)
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &p->object)) {
		err = -errno;
		log_error("cannot open '%s': %s", path, strerror(-err));
		return err;
	}
	if (!S_ISREG(p->object.st_mode)) {
		close(fd);
		log_error("'%s' is not a regular file: -O takes a program or a shared library", path);
		return -EINVAL;
	}
	err = object__create(fd, path, &o);
	if (!err)
		err = allocator__find(o, p->options.symbols_prefix, &a);
	if (err)
		return err;
	if (!o->machine) {
		log_error("'%s' is not an ELF file, or a damaged one: -O takes a program or a shared "
			  "library", path);
		return -EINVAL;
	}
	if (!a.functions.count) {
		log_error("no allocation function found in '%s'%s", path,
			  p->options.symbols_prefix ? " under that --symbols-prefix" : "");
		return -ENOENT;
	}
	return 0;
}

/* --- events --- */

/* Compile the table of a file, so that walks find their way through it. */
static int load_table(struct probe *p, uint32_t id)
{
	const struct file *f = files__get(p->files, id);
	int err = f ? tables__load(p->tables, id, f->object->fd) : 0;

	/* What finds no room is counted, and walks say so: the blocks are as exact as before. */
	return err == -ENOSPC ? 0 : err;
}

/* Learn of a mapping's file, if it is new: its name, its allocation functions, its unwind table. */
static int learn_mapping(struct probe *p, const struct memleak_vma *vma)
{
	CLEANUP_FREE char *path = NULL;
	int fd, err;

	if (files__get(p->files, vma->mapping.file))
		return load_table(p, vma->mapping.file);
	fd = process__open_mapping(vma->tgid, vma->mapping.start, vma->mapping.end, &path);
	if (fd == -ENOMEM)
		return fd;
	if (fd < 0) {
		log_debug("cannot open the file mapped at %llx in process %u: %s",
			  (unsigned long long)vma->mapping.start, vma->tgid, strerror(-fd));
		return 0; /* unmapped or ended in between: another process may have it */
	}
	err = files__add(p->files, vma->mapping.file, fd, path);
	return err ? err : load_table(p, vma->mapping.file);
}

static int note_exe(struct probe *p, uint32_t image, pid_t pid)
{
	char *path = process__exe(pid);
	int err;

	if (!path)
		return 0;
	err = vector_push(&p->exe_paths, path);
	if (err) {
		free(path);
		return err;
	}
	return hash__set(&p->exes, image, 0, p->exe_paths.count - 1);
}

static void close_attachment(struct probe *p, struct attachment *a)
{
	size_t i;

	for (i = 0; i < a->links.count; i++)
		link_closer__close(p->closer, a->links.items[i]);
	vector_release(&a->links);
}

/* The process is gone: its links are of no use. */
static int detach(struct probe *p, pid_t pid)
{
	size_t i = 0;
	int err;

	while (i < p->attachments.count) {
		struct attachment *a = &p->attachments.items[i];

		if (a->pid != pid) {
			i++;
			continue;
		}
		close_attachment(p, a);
		hash__remove(&p->attached, a->pid, a->file);
		*a = p->attachments.items[--p->attachments.count];
		if (i < p->attachments.count) {
			err = hash__set(&p->attached, a->pid, a->file, i);
			if (err)
				return err;
		}
	}
	return 0;
}

static int handle_mapping(struct probe *p, const struct memleak_event *e)
{
	struct mapping m = {.image = e->image, .stack = e->stack, .time_ns = e->time_ns};
	int err = 0;

	switch (e->type) {
	case MEMLEAK_EVENT_MMAP:
		m.start = e->addr;
		m.asked_end = e->addr + e->size;
		return mappings__map(&p->mappings, &m);
	case MEMLEAK_EVENT_MUNMAP:
		return mappings__unmap(&p->mappings, e->image, e->addr, e->size, e->tid);
	case MEMLEAK_EVENT_MUNMAP_FAILED:
		return mappings__undo_unmap(&p->mappings, e->tid);
	case MEMLEAK_EVENT_MREMAP:
		m.start = e->addr2;
		m.asked_end = e->addr2 + e->size2;
		err = mappings__unmap(&p->mappings, e->image, e->addr, e->size, e->tid);
		return err ? err : mappings__map(&p->mappings, &m);
	}
	return 0;
}

static int handle_event(void *context, void *data, size_t size)
{
	struct probe *p = context;
	const struct memleak_event *e = data;
	struct memleak_vma vma = {
		.mapping = {.start = e->addr, .end = e->addr + e->size, .file = e->file},
		.tgid = e->tgid,
	};
	int err;

	if (size < sizeof(*e))
		return 0;
	switch (e->type) {
	case MEMLEAK_EVENT_FILE:
		return learn_mapping(p, &vma);
	case MEMLEAK_EVENT_PROCESS:
		/* A static program needs no loader that tells of it. */
		err = p->options.all ? hash__set(&p->grown, e->tgid, 0, 0) : 0;
		return err ? err : note_exe(p, e->image, e->tgid);
	case MEMLEAK_EVENT_LIBRARIES:
		return hash__set(&p->grown, e->tgid, 0, 0);
	case MEMLEAK_EVENT_EXEC:
		return hash__set(&p->dead_images, e->image, 0, 0);
	case MEMLEAK_EVENT_EXIT:
		p->tables_stale = true;
		err = hash__set(&p->dead_images, e->image, 0, 0);
		return err ? err : detach(p, e->tgid);
	case MEMLEAK_EVENT_ALLOC:
	case MEMLEAK_EVENT_FREE:
		p->options.trace(p->options.trace_context, e);
		return 0;
	default:
		return handle_mapping(p, e);
	}
}

int probe__event_fd(const struct probe *p)
{
	return ring_buffer__epoll_fd(p->ring);
}

/* --- creating --- */

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
	for (i = 0; i < ARRAY_SIZE(p->lifecycle); i++)
		p->lifecycle[i] = -1;
	err = check_object(p);
	if (!err)
		err = load(p);
	if (!err)
		err = attach_lifecycle(p);
	if (!err)
		err = link_closer__create(&p->closer);
	if (!err)
		err = files__create(options->symbols_prefix, &p->files);
	if (!err)
		err = create_tables(p);
	if (!err) {
		p->ring = ring_buffer__new(bpf_map__fd(p->skeleton->maps.events), handle_event, p,
					   NULL);
		err = p->ring ? 0 : -errno;
	}
	if (err) {
		probe__destroy(p);
		return err;
	}
	log_info("uprobes through %s links", link_name(p->link));
	*ret = p;
	return 0;
}

void probe__destroy(struct probe *p)
{
	size_t i;

	if (!p)
		return;
	for (i = 0; i < p->attachments.count; i++)
		close_attachment(p, &p->attachments.items[i]);
	vector_release(&p->attachments);
	link_closer__destroy(p->closer);
	for (i = 0; i < ARRAY_SIZE(p->lifecycle); i++)
		if (p->lifecycle[i] >= 0)
			close(p->lifecycle[i]);
	ring_buffer__free(p->ring);
	tables__destroy(p->tables);
	memleak__destroy(p->skeleton);
	files__destroy(p->files);
	mappings__release(&p->mappings);
	hash__release(&p->attached);
	hash__release(&p->dead_images);
	hash__release(&p->exes);
	hash__release(&p->grown);
	for (i = 0; i < p->exe_paths.count; i++)
		free(p->exe_paths.items[i]);
	vector_release(&p->exe_paths);
	free(p);
}

/* --- attaching --- */

/* What places of one file are asked for. */
struct places {
	VECTOR(uint64_t) offsets;
	VECTOR(uint64_t) cookies;
};

static void release_places(struct places *places)
{
	vector_release(&places->offsets);
	vector_release(&places->cookies);
}

/* What functions one program serves. */
enum part { PART_FREES, PART_ALLOCS, PART_LIBRARIES, PARTS };

static enum part part_of(const struct allocator_function *f)
{
	if (f->call == MEMLEAK_CALL_FREE)
		return PART_FREES;
	return f->call == MEMLEAK_CALL_LIBRARIES ? PART_LIBRARIES : PART_ALLOCS;
}

static int choose_places(const struct allocator *a, enum part part, struct places *ret)
{
	size_t i;
	int err;

	for (i = 0; i < a->functions.count; i++) {
		const struct allocator_function *f = &a->functions.items[i];

		if (part_of(f) != part)
			continue;
		err = vector_push(&ret->offsets, f->offset);
		if (!err)
			err = vector_push(&ret->cookies, MEMLEAK_COOKIE(f->call, f->family));
		if (err)
			return err;
	}
	return 0;
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
static int link_allocs(struct probe *p, struct attachment *a, const struct link_request *r)
{
	struct memleak *s = p->skeleton;
	int err;

	if (!r->count)
		return 0;
	if (p->link == PROBE_LINK_SESSION)
		return keep_link(a, link__multi(bpf_program__fd(s->progs.probe_session),
						LINK_TRACE_UPROBE_SESSION, r, false));
	if (p->link == PROBE_LINK_PERF) {
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
static int link_entries(struct probe *p, struct attachment *a, const struct bpf_program *prog,
			const struct link_request *r)
{
	if (!r->count)
		return 0;
	if (p->link == PROBE_LINK_PERF)
		return link_perf(a, prog, r, false);
	return keep_link(a, link__multi(bpf_program__fd(prog), LINK_TRACE_UPROBE_MULTI, r, false));
}

/* Frees first: a block whose free goes unseen would be a leak that is none. */
static int link_file(struct probe *p, struct attachment *a, const struct file *file)
{
	enum part part;
	int err = 0;

	for (part = 0; part < PARTS && !err; part++) {
		CLEANUP(release_places) struct places places = {0};
		struct link_request r = {.file_fd = file->object->fd, .pid = a->pid};

		err = choose_places(&file->allocator, part, &places);
		if (err)
			break;
		r.offsets = places.offsets.items;
		r.cookies = places.cookies.items;
		r.count = places.offsets.count;
		if (part == PART_ALLOCS)
			err = link_allocs(p, a, &r);
		else
			err = link_entries(p, a, part == PART_FREES ?
							 p->skeleton->progs.probe_free :
							 p->skeleton->progs.probe_libraries, &r);
	}
	return err;
}

static bool is_wanted(const struct probe *p, const struct file *file)
{
	struct stat st;

	if (!file->allocator.functions.count)
		return false;
	if (!p->options.object)
		return true;
	return fstat(file->object->fd, &st) == 0 && st.st_ino == p->object.st_ino &&
	       st.st_dev == p->object.st_dev;
}

/* Probe one file for one process (0: all), unless it is probed already or has nothing to probe. */
static int attach_file(struct probe *p, pid_t pid, uint32_t id)
{
	const struct file *file = files__get(p->files, id);
	struct attachment a = {.pid = pid, .file = id};
	int err;

	if (!file || !is_wanted(p, file) || hash__get(&p->attached, pid, id) != HASH_NONE)
		return 0;
	err = link_file(p, &a, file);
	if (!err)
		err = vector_push(&p->attachments, a);
	if (!err)
		err = hash__set(&p->attached, pid, id, p->attachments.count - 1);
	if (err) {
		close_attachment(p, &a);
		log_warning("cannot probe the allocation functions of %s: %s", file->object->path,
			    strerror(-err));
		return err;
	}
	log_info("probed %zu functions of %s%s", file->allocator.functions.count,
		 file->object->path, pid ? "" : " in every process");
	return 0;
}

/* The records of the iterator over mappings, of one process or (0) of all. 0 or -errno. */
typedef VECTOR(struct memleak_vma) vma_list;

static int list_mappings(struct probe *p, pid_t pid, vma_list *ret)
{
	union bpf_iter_link_info info = {.task.pid = pid};
	DECLARE_LIBBPF_OPTS(bpf_iter_attach_opts, opts, .link_info = &info,
			    .link_info_len = sizeof(info));
	struct bpf_link *link =
		bpf_program__attach_iter(p->skeleton->progs.list_mappings, pid ? &opts : NULL);
	CLEANUP_CLOSE int fd = -1;
	ssize_t n;
	int err;

	if (!link)
		return -errno;
	fd = bpf_iter_create(bpf_link__fd(link));
	err = fd < 0 ? -errno : 0;
	bpf_link__destroy(link);
	while (!err) {
		err = vector_reserve(ret, ret->count + 512);
		if (err)
			break;
		n = read(fd, &ret->items[ret->count], 512 * sizeof(*ret->items));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		ret->count += n / sizeof(*ret->items);
	}
	return err;
}

static void release_vmas(vma_list *list)
{
	vector_release(list);
}

/* Make the kernel follow @pid; its entry into *@ret. */
static int add_process(struct probe *p, pid_t pid, uint32_t exe, struct memleak_process *ret)
{
	int fd = bpf_map__fd(p->skeleton->maps.processes);
	struct memleak_process process = {.tgid = pid, .exe = exe};
	CLEANUP_FCLOSE FILE *f = NULL;
	uint32_t tgid = pid;
	char path[64];

	if (bpf_map_lookup_elem(fd, &tgid, ret) == 0)
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	f = fopen(path, "re");
	if (f && fgets(process.comm, sizeof(process.comm), f))
		process.comm[strcspn(process.comm, "\n")] = 0;
	process.image = __atomic_add_fetch(&p->skeleton->bss->last_image, 1, __ATOMIC_RELAXED);
	if (bpf_map_update_elem(fd, &tgid, &process, BPF_NOEXIST))
		return -errno;
	*ret = process;
	return note_exe(p, process.image, pid);
}

/* Leave with the kernel side what an image has mapped, for when it cannot look itself. */
static int note_mappings(struct probe *p, uint32_t image, const vma_list *vmas)
{
	CLEANUP_FREE struct memleak_mappings *m = calloc(1, sizeof(*m));
	size_t i;

	if (!m)
		return -ENOMEM;
	for (i = 0; i < vmas->count && m->nr < MEMLEAK_MAX_MAPPINGS; i++)
		m->list[m->nr++] = vmas->items[i].mapping;
	/* A full table costs some stacks under contention, which are counted. */
	if (bpf_map_update_elem(bpf_map__fd(p->skeleton->maps.image_mappings), &image, m,
				BPF_ANY) && errno != E2BIG)
		return -errno;
	return 0;
}

/* Say why @pid cannot be followed although nothing failed: none of its files has a heap. */
static int explain_no_allocator(struct probe *p, const vma_list *vmas, char *why, size_t size)
{
	size_t i;

	for (i = 0; i < vmas->count; i++) {
		const struct file *f = files__get(p->files, vmas->items[i].mapping.file);

		if (!f || !vmas->items[i].is_exe)
			continue;
		if (f->allocator.is_go) {
			snprintf(why, size, "%s is a Go program: its allocator cannot be probed "
				 "(Go's own pprof can show its heap)", f->object->path);
			return -ENOTSUP;
		}
		if (f->object->machine && !f->object->is_64bit) {
			snprintf(why, size, "%s is a 32-bit program, which is not supported",
				 f->object->path);
			return -ENOTSUP;
		}
		snprintf(why, size, "no allocation function found in %s and the libraries it has "
			 "mapped%s", f->object->path,
			 p->options.object ? " (-O names a file that it has not mapped)" :
					     "; --symbols-prefix or -O may name them");
		return -ENOENT;
	}
	snprintf(why, size, "no program is mapped: it has just ended");
	return -ESRCH;
}

int probe__attach(struct probe *p, pid_t pid, char *why, size_t size)
{
	CLEANUP(release_vmas) vma_list vmas = {0};
	struct memleak_process process;
	bool has_heap = false;
	uint32_t exe = 0;
	size_t i;
	int err = list_mappings(p, pid, &vmas);

	for (i = 0; i < vmas.count && !err; i++) {
		err = learn_mapping(p, &vmas.items[i]);
		if (vmas.items[i].is_exe)
			exe = vmas.items[i].mapping.file;
	}
	if (!err)
		err = add_process(p, pid, exe, &process);
	if (!err)
		err = note_mappings(p, process.image, &vmas);
	if (err) {
		snprintf(why, size, "%s", strerror(-err));
		return err;
	}
	if (process.shares)
		return 0;
	for (i = 0; i < vmas.count; i++) {
		const struct file *f = files__get(p->files, vmas.items[i].mapping.file);

		if (!f || !is_wanted(p, f))
			continue;
		err = attach_file(p, p->options.all ? 0 : pid, vmas.items[i].mapping.file);
		if (err) {
			snprintf(why, size, "%s", strerror(-err));
			return err;
		}
		has_heap |= f->allocator.has_heap;
	}
	return has_heap ? 0 : explain_no_allocator(p, &vmas, why, size);
}

int probe__attach_all(struct probe *p)
{
	CLEANUP(release_vmas) vma_list vmas = {0};
	int err = list_mappings(p, 0, &vmas);
	size_t i, probed = 0;

	for (i = 0; i < vmas.count && !err; i++) {
		err = learn_mapping(p, &vmas.items[i]);
		if (!err && (pid_t)vmas.items[i].tgid != getpid())
			attach_file(p, 0, vmas.items[i].mapping.file); /* said there what failed */
	}
	if (err) {
		log_error("cannot list the mappings of the machine's processes: %s", strerror(-err));
		return err;
	}
	for (i = 0; i < p->attachments.count; i++)
		probed += p->attachments.items[i].links.count;
	if (!probed) {
		log_error("no allocation function found in any process");
		return -ENOENT;
	}
	return 0;
}

bool probe__signalled(struct probe *p, pid_t tid, int signal)
{
	uint32_t key = tid;

	return signal == MEMLEAK_SIGNAL_LIBRARIES &&
	       bpf_map_delete_elem(bpf_map__fd(p->skeleton->maps.signalled), &key) == 0;
}

/* Look again at the processes that have loaded libraries. */
static void attach_grown(struct probe *p)
{
	struct hash grown = p->grown;
	char why[512];
	size_t i;

	p->grown = (struct hash){0};
	for (i = 0; grown.slots && i <= grown.mask; i++) {
		pid_t pid = grown.slots[i].a;

		if (grown.slots[i].value != HASH_NONE && probe__attach(p, pid, why, sizeof(why)))
			log_debug("libraries of process %d: %s", pid, why);
	}
	hash__release(&grown);
}

int probe__consume(struct probe *p)
{
	int n = ring_buffer__consume(p->ring);

	if (p->grown.count)
		attach_grown(p);
	return n < 0 ? n : 0;
}

void probe__enable(struct probe *p)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	p->start_ns = now.tv_sec * 1000000000ULL + now.tv_nsec;
	__atomic_store_n(&p->skeleton->bss->enabled, true, __ATOMIC_RELEASE);
}

/* --- for collect --- */

void probe__tables(const struct probe *p, struct probe_tables *ret)
{
	*ret = (struct probe_tables){
		.blocks_fd = bpf_map__fd(p->skeleton->maps.blocks),
		.stacks_fd = bpf_map__fd(p->skeleton->maps.stacks),
		.processes_fd = bpf_map__fd(p->skeleton->maps.processes),
		.ended_fd = bpf_map__fd(p->skeleton->maps.ended),
		.losses = p->skeleton->bss->losses,
		.files = p->files,
		.mappings = &p->mappings,
		.dead_images = &p->dead_images,
		.start_ns = p->start_ns,
	};
}

const char *probe__image_exe(const struct probe *p, uint32_t image)
{
	uint32_t i = hash__get(&p->exes, image, 0);

	return i == HASH_NONE ? NULL : p->exe_paths.items[i];
}

void probe__forget_dead(struct probe *p)
{
	size_t i;

	for (i = 0; p->dead_images.slots && i <= p->dead_images.mask; i++)
		if (p->dead_images.slots[i].value != HASH_NONE)
			mappings__drop_image(&p->mappings, p->dead_images.slots[i].a);
	hash__release(&p->dead_images);
}

int probe__free_tables(struct probe *p)
{
	CLEANUP(release_vmas) vma_list vmas = {0};
	CLEANUP(hash__release) struct hash mapped = {0};
	uint32_t id;
	size_t i;
	int err = 0;

	if (!p->tables_stale)
		return 0;
	p->tables_stale = false;
	err = list_mappings(p, 0, &vmas);
	for (i = 0; i < vmas.count && !err; i++)
		err = hash__set(&mapped, vmas.items[i].mapping.file, 0, 0);
	for (id = 1; id <= p->skeleton->bss->last_file && !err; id++)
		if (hash__get(&mapped, id, 0) == HASH_NONE)
			tables__free(p->tables, id);
	return err;
}

void probe__log_walks(const struct probe *p)
{
	static const char *const broken[UNWIND_RESULTS] = {
		[UNWIND_STEPPED] = "endless",
		[UNWIND_NO_MAPPING] = "address in no code",
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
		 "frame pointer", (unsigned long long)complete,
		 (unsigned long long)walks[UNWIND_TRUNCATED], (unsigned long long)bad,
		 (unsigned long long)p->skeleton->bss->walks_by_frame_pointer);
	for (i = 0; i < UNWIND_RESULTS; i++)
		if (broken[i] && walks[i])
			log_info("stacks broken: %llu: %s", (unsigned long long)walks[i], broken[i]);
	tables__stats(p->tables, &stats);
	log_info("unwind tables: %llu files, %llu rows, %llu KiB; %llu found no room",
		 (unsigned long long)stats.files, (unsigned long long)stats.rows,
		 (unsigned long long)stats.bytes / 1024, (unsigned long long)stats.no_room);
}

const char *probe__link_name(const struct probe *p)
{
	return link_name(p->link);
}
