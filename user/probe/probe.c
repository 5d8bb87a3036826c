// SPDX-License-Identifier: GPL-2.0-or-later
#include "probe/probe.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "bpf/memleak.skel.h"
#include "bpf/unwind.h"
#include "probe/attachments.h"
#include "probe/loader.h"
#include "probe/tables.h"
#include "target/cgroup.h"
#include "target/inspect.h"
#include "target/process.h"
#include "util/cleanup.h"
#include "util/log.h"

/* No kernel's vDSO is longer. */
#define VDSO_PAGES 8

/* A process that has loaded libraries, or another program. */
struct grown {
	pid_t pid;
	uint64_t since_ns; /* what is new in it can run from then on */
};

struct probe {
	struct probe_options options;
	enum probe_link link;
	struct memleak *skeleton;
	struct ring_buffer *ring;
	struct files *files;
	struct tables *tables;
	bool tables_stale; /* a process has ended: files may be mapped by nobody now */
	struct mappings mappings;
	struct attachments *attachments;
	struct hash replaced_images; /* (image, 0) to 0 */
	size_t nr_exits;	     /* since probe__forget_images */
	VECTOR(struct grown) grown;
	struct hash grown_index; /* (pid, 0) to these */
	struct late late;
	struct hash go_told; /* (file, 0): said that it is half of a Go program */
	struct hash exes;    /* (image, 0) to exe_paths */
	VECTOR(char *) exe_paths;
	struct allocator_search search;
	struct cgroup *cgroup;		 /* NULL: none */
	struct stat object;		 /* of options.object */
	int lifecycle[LOADER_LIFECYCLE]; /* links of the tracepoints */
	uint64_t start_ns;
};

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
		log_error("'%s' is not a regular file: -O takes a program or a shared library",
			  path);
		return -EINVAL;
	}
	err = inspect(p->options.sandbox, fd, path, &p->search, &o, &a);
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

/* --- events --- */

/* Compile the table of a file, so that walks find their way through it. */
static int load_table(struct probe *p, uint32_t id)
{
	const struct file *f = files__get(p->files, id);
	int err = 0;

	if (f) {
		struct tables_source source = {
			.fd = f->object->fd,
			.path = f->object->path,
			.compile = p->options.compile,
			.context = p->options.context,
		};

		err = tables__load(p->tables, id, &source);
	}
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
		tables__free(p->tables, vma->mapping.file);
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

/* Another program has taken the place of this image, which nothing will show any more. */
static void forget_exe(struct probe *p, uint32_t image)
{
	uint32_t i = hash__get(&p->exes, image, 0);

	if (i == HASH_NONE)
		return;
	free(p->exe_paths.items[i]);
	p->exe_paths.items[i] = NULL;
	hash__remove(&p->exes, image, 0);
}

/* A mapping that an allocator made for itself: its caller is the library that the heap is in, or,
 * where that is the program itself, a function that does nothing else. */
static bool is_internal(struct probe *p, const struct memleak_event *e)
{
	uint32_t id = MEMLEAK_FRAME_FILE(e->frame);
	const struct file *f = files__get(p->files, id);
	uint64_t call = MEMLEAK_FRAME_OFFSET(e->frame) - 1;
	size_t i;

	if (!f || !f->allocator.has_heap)
		return false;
	for (i = 0; i < f->allocator.internals.count; i++)
		if (call >= f->allocator.internals.items[i].start &&
		    call < f->allocator.internals.items[i].end)
			return true;
	return id != e->file;
}

/* The kernel side does not know whose mapping it was. */
static void count_stack_losses(struct probe *p, uint8_t flags)
{
	__u64 *losses = p->skeleton->bss->losses;

	if (flags & MEMLEAK_STACK_TRUNCATED)
		__atomic_fetch_add(&losses[MEMLEAK_LOSS_TRUNCATED], 1, __ATOMIC_RELAXED);
	if (flags & MEMLEAK_STACK_BROKEN)
		__atomic_fetch_add(&losses[MEMLEAK_LOSS_BROKEN], 1, __ATOMIC_RELAXED);
}

static int handle_mapping(struct probe *p, const struct memleak_event *e)
{
	struct mapping m = {.image = e->image, .stack = e->stack, .time_ns = e->time_ns};

	if ((e->type == MEMLEAK_EVENT_MMAP && !is_internal(p, e)) ||
	    e->type == MEMLEAK_EVENT_MREMAP)
		count_stack_losses(p, e->stack_flags);

	switch (e->type) {
	case MEMLEAK_EVENT_MMAP:
		if (is_internal(p, e))
			return 0;
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
		return mappings__move(&p->mappings, e->addr, e->size, &m);
	}
	return 0;
}

static int note_grown(struct probe *p, const struct memleak_event *e)
{
	struct grown g = {.pid = e->tgid, .since_ns = e->time_ns};
	int err;

	if (hash__get(&p->grown_index, e->tgid, 0) != HASH_NONE)
		return 0;
	err = vector_push(&p->grown, g);
	return err ? err : hash__set(&p->grown_index, e->tgid, 0, p->grown.count - 1);
}

static int handle_event(void *context, void *data, size_t size)
{
	struct probe *p = context;
	const struct memleak_event *e = data;
	struct memleak_vma vma = {
		.mapping = {.start = e->addr, .end = e->addr + e->size, .file = e->file},
		.tgid = e->tgid,
	};
	int err = 0;

	if (size < sizeof(*e))
		return 0;
	switch (e->type) {
	case MEMLEAK_EVENT_FILE:
		return learn_mapping(p, &vma);
	case MEMLEAK_EVENT_PROCESS:
		/* A static program has no loader that tells of it. Whom ptrace traces was seen. */
		if (!p->skeleton->bss->stop_at_libraries) {
			err = e->addr ? probe__renew(p, e->tgid) : 0;
			if (!err)
				err = note_grown(p, e);
		}
		return err ? err : note_exe(p, e->image, e->tgid);
	case MEMLEAK_EVENT_LIBRARIES:
		return note_grown(p, e);
	case MEMLEAK_EVENT_EXEC:
		forget_exe(p, e->image);
		return hash__set(&p->replaced_images, e->image, 0, 0);
	case MEMLEAK_EVENT_SHARER_EXIT:
		return attachments__remove(p->attachments, e->tgid, e->image);
	case MEMLEAK_EVENT_EXIT:
		p->tables_stale = true;
		p->nr_exits++;
		return attachments__remove(p->attachments, e->tgid, e->image);
	case MEMLEAK_EVENT_ALLOC:
	case MEMLEAK_EVENT_FREE:
		p->options.trace(p->options.context, e);
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

/*
 * The kernel maps the same code into every 64-bit process, vdso(7): learn it from our own. Without
 * it, walks through it would go by frame pointer, which it has not.
 */
static int learn_vdso(struct probe *p)
{
	const char *image = (const char *)getauxval(AT_SYSINFO_EHDR);
	size_t size = VDSO_PAGES * sysconf(_SC_PAGESIZE);
	struct iovec local = {.iov_len = size}, remote = {.iov_base = (void *)image};
	CLEANUP_FREE char *copy = malloc(size);
	int fd, err;
	ssize_t n;

	if (!copy)
		return -ENOMEM;
	/* How long it is, is nowhere said: as long as it can be read, page by page. */
	local.iov_base = copy;
	remote.iov_len = size;
	n = image ? process_vm_readv(getpid(), &local, 1, &remote, 1, 0) : 0;
	if (n <= 0)
		return 0;
	fd = memfd_create("vdso", MFD_CLOEXEC);
	if (fd < 0 || write(fd, copy, n) != n) {
		err = -errno;
		cleanup_close(&fd);
		return err;
	}
	err = files__add(p->files, MEMLEAK_FILE_VDSO, fd, "[vdso]");
	return err ? err : load_table(p, MEMLEAK_FILE_VDSO);
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
		err = loader__load(options, &p->skeleton, &p->link);
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
		err = learn_vdso(p);
	if (!err) {
		p->ring = ring_buffer__new(bpf_map__fd(p->skeleton->maps.events), handle_event, p,
					   NULL);
		err = p->ring ? 0 : -errno;
	}
	if (err) {
		probe__destroy(p);
		return err;
	}
	log_info("uprobes through %s links", loader__link_name(p->link));
	*ret = p;
	return 0;
}

void probe__destroy(struct probe *p)
{
	size_t i;

	if (!p)
		return;
	attachments__destroy(p->attachments);
	for (i = 0; i < ARRAY_SIZE(p->lifecycle); i++)
		if (p->lifecycle[i] >= 0)
			close(p->lifecycle[i]);
	ring_buffer__free(p->ring);
	tables__destroy(p->tables);
	memleak__destroy(p->skeleton);
	files__destroy(p->files);
	cgroup__close(p->cgroup);
	mappings__release(&p->mappings);
	hash__release(&p->replaced_images);
	hash__release(&p->exes);
	vector_release(&p->grown);
	hash__release(&p->grown_index);
	late__release(&p->late);
	hash__release(&p->go_told);
	for (i = 0; i < p->exe_paths.count; i++)
		free(p->exe_paths.items[i]);
	vector_release(&p->exe_paths);
	free(p);
}

/* --- attaching --- */

static bool is_wanted(const struct probe *p, const struct file *file)
{
	struct stat st;

	if (!file->allocator.functions.count && !file->allocator.sites.count)
		return false;
	if (!p->options.object)
		return true;
	return fstat(file->object->fd, &st) == 0 && st.st_ino == p->object.st_ino &&
	       st.st_dev == p->object.st_dev;
}

/* Probe one file for one process (0: all), which runs @image, unless it has nothing to probe. */
static int attach_file(struct probe *p, pid_t pid, uint32_t image, uint32_t id,
		       const struct share_process *shares)
{
	const struct file *file = files__get(p->files, id);
	struct share share;
	int err;

	if (!file || !is_wanted(p, file))
		return 0;
	share__choose(shares, id, file, &share);
	err = attachments__add(p->attachments, pid, image, id, file, &share);
	if (attachments__has_gaps(p->attachments))
		__atomic_store_n(&p->skeleton->bss->unguarded, true, __ATOMIC_RELEASE);
	if (err)
		log_warning("cannot probe the allocation functions of %s: %s", file->object->path,
			    strerror(-err));
	return err;
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
	/* The kernel side knows every process that has allocated. */
	if (p->options.all)
		return -ESRCH;
	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	f = fopen(path, "re");
	if (f && fgets(process.comm, sizeof(process.comm), f))
		process.comm[strcspn(process.comm, "\n")] = 0;
	process.image = __atomic_add_fetch(&p->skeleton->bss->last_image, 1, __ATOMIC_RELAXED);
	if (bpf_map_update_elem(fd, &tgid, &process, BPF_NOEXIST))
		return -errno;
	/* From here on its exit is seen; it may have been before. */
	if (!process__is_alive(pid)) {
		bpf_map_delete_elem(fd, &tgid);
		return -ESRCH;
	}
	*ret = process;
	return note_exe(p, process.image, pid);
}

/* Leave with the kernel side what @process has mapped, for when it cannot look itself. */
static int note_mappings(struct probe *p, const struct memleak_process *process,
			 const vma_list *vmas)
{
	CLEANUP_FREE struct memleak_mappings *m = calloc(1, sizeof(*m));
	int fd = bpf_map__fd(p->skeleton->maps.image_mappings);
	struct memleak_process now;
	size_t i;

	if (!m)
		return -ENOMEM;
	for (i = 0; i < vmas->count && m->nr < MEMLEAK_MAX_MAPPINGS; i++)
		m->list[m->nr++] = vmas->items[i].mapping;
	/* A full table costs some stacks under contention, which are counted. */
	if (bpf_map_update_elem(fd, &process->image, m, BPF_ANY) && errno != E2BIG)
		return -errno;
	/* Where the image has ended meanwhile nobody would take this away any more. */
	if (bpf_map_lookup_elem(bpf_map__fd(p->skeleton->maps.processes), &process->tgid, &now) ||
	    now.image != process->image)
		bpf_map_delete_elem(fd, &process->image);
	return 0;
}

/* Only the program and its loader are mapped: the libraries, and a heap, are yet to come. */
static bool is_loading(struct probe *p, const vma_list *vmas)
{
	bool has_interpreter = false, has_loader = false, others = false;
	size_t i, k;

	for (i = 0; i < vmas->count; i++) {
		const struct file *f = files__get(p->files, vmas->items[i].mapping.file);
		bool is_loader = false;

		for (k = 0; f && k < f->allocator.functions.count; k++)
			is_loader |= f->allocator.functions.items[k].call == MEMLEAK_CALL_LIBRARIES;
		if (vmas->items[i].is_exe)
			has_interpreter |= f && f->object->has_interpreter;
		else if (!is_loader)
			others = true;
		has_loader |= is_loader;
	}
	return has_interpreter && has_loader && !others;
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
			snprintf(why, size,
				 "%s is a Go program: its allocator cannot be probed "
				 "(Go's own pprof can show its heap)",
				 f->object->path);
			return -ENOTSUP;
		}
		if (f->object->machine && !f->object->is_64bit) {
			snprintf(why, size, "%s is a 32-bit program, which is not supported",
				 f->object->path);
			return -ENOTSUP;
		}
		snprintf(why, size,
			 "no allocation function found in %s and the libraries it has "
			 "mapped%s",
			 f->object->path,
			 p->options.object ? " (-O names a file that it has not mapped)"
					   : "; --symbols-prefix or -O may name them");
		return -ENOENT;
	}
	snprintf(why, size,
		 vmas->count ? "its program's file cannot be read"
			     : "no program is mapped: it has just ended");
	return -ESRCH;
}

/* A Go program with C in it has an allocator that can be probed, and one that cannot: say so once.
 */
static int tell_of_go(struct probe *p, const vma_list *vmas)
{
	size_t i;

	for (i = 0; i < vmas->count; i++) {
		uint32_t id = vmas->items[i].mapping.file;
		const struct file *f = files__get(p->files, id);

		if (!f || !vmas->items[i].is_exe || !f->allocator.is_go ||
		    hash__get(&p->go_told, id, 0) != HASH_NONE)
			continue;
		log_warning("%s is a Go program: what its C code allocates is seen, what Go does "
			    "is not "
			    "(Go's own pprof can show its heap)",
			    f->object->path);
		return hash__set(&p->go_told, id, 0, 0);
	}
	return 0;
}

/* Note that @pid could run functions of file @id from @could_ns on; 0: it could not yet. */
static int note_late(struct probe *p, pid_t pid, uint32_t id, uint64_t could_ns)
{
	const struct file *f = files__get(p->files, id);

	if (!could_ns || !f || !(f->allocator.has_heap || f->allocator.has_rows))
		return 0;
	return late__note(&p->late, pid, id, could_ns,
			  attachments__since(p->attachments, p->options.all ? 0 : pid, id));
}

/* probe__attach; what is new in the process can run from @could_ns on (0: not yet). */
static int attach(struct probe *p, pid_t pid, uint64_t could_ns, char *why, size_t size)
{
	CLEANUP(release_vmas) vma_list vmas = {0};
	struct memleak_process process = {0};
	struct share_process shares;
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
	if (err == -ESRCH && p->options.all)
		err = 0; /* it has allocated nothing so far */
	else if (!err && !process.shares)
		err = note_mappings(p, &process, &vmas);
	if (err) {
		snprintf(why, size, "%s", strerror(-err));
		return err;
	}
	share__look(p->files, vmas.items, vmas.count, &shares);
	for (i = 0; i < vmas.count; i++) {
		const struct file *f = files__get(p->files, vmas.items[i].mapping.file);

		if (!f || !is_wanted(p, f))
			continue;
		err = attach_file(p, p->options.all ? 0 : pid, process.image,
				  vmas.items[i].mapping.file, p->options.all ? NULL : &shares);
		if (!err)
			err = note_late(p, pid, vmas.items[i].mapping.file, could_ns);
		if (err) {
			snprintf(why, size, "%s", strerror(-err));
			return err;
		}
		has_heap |=
			f->allocator.has_heap || f->allocator.has_rows || f->allocator.sites.count;
	}
	if (has_heap)
		return tell_of_go(p, &vmas);
	if (is_loading(p, &vmas)) {
		snprintf(why, size, "its libraries are not mapped yet");
		return -EAGAIN;
	}
	return explain_no_allocator(p, &vmas, why, size);
}

int probe__attach(struct probe *p, pid_t pid, char *why, size_t size)
{
	return attach(p, pid, 0, why, size);
}

/* Probe what all processes have mapped, which they could run from @could_ns on (0: not yet). */
static int attach_everywhere(struct probe *p, uint64_t could_ns)
{
	CLEANUP(release_vmas) vma_list vmas = {0};
	int err = list_mappings(p, 0, &vmas);
	size_t i;

	for (i = 0; i < vmas.count && !err; i++)
		err = learn_mapping(p, &vmas.items[i]);
	/* Only now: this process's own allocations run into the probes too. */
	for (i = 0; i < vmas.count && !err; i++) {
		const struct memleak_vma *vma = &vmas.items[i];

		if ((pid_t)vma->tgid == getpid() ||
		    (p->cgroup && !cgroup__has(p->cgroup, vma->tgid)))
			continue;
		attach_file(p, 0, 0, vma->mapping.file, NULL); /* said there what failed */
		err = note_late(p, vma->tgid, vma->mapping.file, could_ns);
	}
	if (err)
		log_error("cannot list the mappings of the machine's processes: %s",
			  strerror(-err));
	return err;
}

int probe__attach_all(struct probe *p)
{
	int err = attach_everywhere(p, 0);

	if (err)
		return err;
	if (!attachments__count(p->attachments) && !p->cgroup) {
		log_error("no allocation function found in any process");
		return -ENOENT;
	}
	return 0;
}

bool probe__is_hooked(const struct probe *p, pid_t pid)
{
	return attachments__is_hooked(p->attachments, pid);
}

int probe__renew(struct probe *p, pid_t pid)
{
	return attachments__remove(p->attachments, pid, UINT32_MAX);
}

void probe__set_complete(struct probe *p, pid_t pid)
{
	int fd = bpf_map__fd(p->skeleton->maps.processes);
	struct memleak_process process;
	uint32_t tgid = pid;

	/* It is stopped: nobody counts in between. */
	if (bpf_map_lookup_elem(fd, &tgid, &process))
		return;
	process.complete = true;
	bpf_map_update_elem(fd, &tgid, &process, BPF_EXIST);
}

void probe__set_traced(struct probe *p, bool traced)
{
	__atomic_store_n(&p->skeleton->bss->stop_at_libraries, traced, __ATOMIC_RELEASE);
}

bool probe__signalled(struct probe *p, pid_t tid)
{
	uint32_t key = tid;

	return bpf_map_delete_elem(bpf_map__fd(p->skeleton->maps.signalled), &key) == 0;
}

/* Look again at the processes that have loaded libraries. */
static void attach_grown(struct probe *p)
{
	char why[512];
	size_t i;

	for (i = 0; i < p->grown.count; i++) {
		const struct grown *g = &p->grown.items[i];
		size_t had = attachments__count(p->attachments);
		int err = attach(p, g->pid, g->since_ns, why, sizeof(why));

		/* If its loader was among what is new, nothing told of what came before that. */
		if (attachments__count(p->attachments) != had)
			err = attach(p, g->pid, g->since_ns, why, sizeof(why));
		if (err)
			log_debug("libraries of process %d: %s", g->pid, why);
	}
	p->grown.count = 0;
	hash__release(&p->grown_index);
}

int probe__consume(struct probe *p)
{
	int n = ring_buffer__consume(p->ring);

	if (p->grown.count)
		attach_grown(p);
	return n < 0 ? n : 0;
}

int probe__catch_up(struct probe *p, pid_t pid)
{
	char why[512];
	int err = pid ? attach(p, pid, p->start_ns, why, sizeof(why))
		      : attach_everywhere(p, p->start_ns);

	if (pid && err == -ENOMEM)
		log_error("cannot trace process %d: %s", pid, why);
	return err == -ENOMEM ? err : 0;
}

uint64_t probe__hits(const struct probe *p)
{
	return p->skeleton->bss->hits;
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

bool probe__is_resource(const struct probe_tables *t, uint8_t family)
{
	size_t user = (size_t)family - MEMLEAK_FAMILY_USER;

	return family >= MEMLEAK_FAMILY_USER && user < t->nr_families && t->families[user].resource;
}

const char *probe__image_exe(const struct probe *p, uint32_t image)
{
	uint32_t i = hash__get(&p->exes, image, 0);

	return i == HASH_NONE ? NULL : p->exe_paths.items[i];
}

void probe__forget_images(struct probe *p, const uint32_t *ended, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		mappings__drop_image(&p->mappings, ended[i]);
	for (i = 0; p->replaced_images.slots && i <= p->replaced_images.mask; i++)
		if (p->replaced_images.slots[i].value != HASH_NONE)
			mappings__drop_image(&p->mappings, p->replaced_images.slots[i].a);
	hash__release(&p->replaced_images);
	p->nr_exits = 0;
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
	for (id = MEMLEAK_FILE_VDSO + 1; id <= p->skeleton->data->last_file && !err; id++)
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
