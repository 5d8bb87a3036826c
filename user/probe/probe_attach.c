// SPDX-License-Identifier: GPL-2.0-or-later
#include "probe/probe_private.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "probe/deferred.h"
#include "probe/trails.h"
#include "target/preload.h"
#include "target/process.h"
#include "util/cleanup.h"
#include "util/log.h"

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

static bool same_functions(const struct allocator *a, const struct allocator *b)
{
	size_t i;

	for (i = 0; i < a->functions.count && i < b->functions.count; i++)
		if (a->functions.items[i].offset != b->functions.items[i].offset ||
		    a->functions.items[i].call != b->functions.items[i].call)
			return false;
	return a->functions.count == b->functions.count && a->sites.count == b->sites.count;
}

/* The number under which file @id is probed already: it was changed since, and got another one. 0:
 * none. */
static uint32_t find_twin(const struct probe *p, pid_t pid, uint32_t id, const struct file *file)
{
	struct stat own, st;
	uint32_t i;

	if (fstat(file->object->fd, &own))
		return 0;
	for (i = 1; i <= p->skeleton->data->last_file; i++) {
		const struct file *f = files__get(p->files, i);

		if (i != id && f && attachments__since(p->attachments, pid, i) &&
		    fstat(f->object->fd, &st) == 0 && st.st_ino == own.st_ino &&
		    st.st_dev == own.st_dev)
			return i;
	}
	return 0;
}

/* Probe one file for one process (0: all), which runs @image, unless it has nothing to probe. */
static int attach_file(struct probe *p, pid_t pid, uint32_t image, uint32_t id,
		       const struct share_process *shares)
{
	const struct file *file = files__get(p->files, id);
	struct share share;
	uint32_t twin;
	int err;

	if (!file || !is_wanted(p, file))
		return 0;
	twin = attachments__since(p->attachments, pid, id) ? 0 : find_twin(p, pid, id, file);
	if (twin && same_functions(&files__get(p->files, twin)->allocator, &file->allocator))
		return 0;
	err = twin ? attachments__drop(p->attachments, pid, twin) : 0;
	if (err)
		return err;
	share__choose(shares, id, file, &share);
	err = attachments__add(p->attachments, pid, image, id, file, &share);
	if (attachments__has_gaps(p->attachments))
		__atomic_store_n(&p->skeleton->bss->unguarded, true, __ATOMIC_RELEASE);
	if (err)
		log_warning("cannot probe the allocation functions of %s: %s", file->object->path,
			    strerror(-err));
	return err;
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
	return probe__note_exe(p, process.image, pid);
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

/* Say why nothing is mapped in @pid, as far as we see. */
static int explain_no_mapping(pid_t pid, char *why, size_t size)
{
	char path[64];
	int err = 0, fd;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		err = -errno;
	else
		close(fd);
	if (!err || !process__is_alive(pid)) {
		snprintf(why, size, "no program is mapped: it has just ended");
		return -ESRCH;
	}
	snprintf(why, size, "%s: %s", path, strerror(-err));
	return err;
}

/* Say why @pid cannot be followed although nothing failed: none of its files has a heap. */
static int explain_no_allocator(struct probe *p, pid_t pid, const vma_list *vmas, char *why,
				size_t size)
{
	size_t i;

	if (!vmas->count)
		return explain_no_mapping(pid, why, size);

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
	snprintf(why, size, "its program's file cannot be read");
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

/*
 * Blocks that @pid allocated before libmemleak.so, file @id of its mappings @vmas, was attached to,
 * and before the kernel side was enabled, are in no table here: their like must be told of. So it
 * is, too, when its libraries have changed. 0 or -errno.
 */
static int begin_epoch(struct probe *p, pid_t pid, uint32_t id, const vma_list *vmas)
{
	const struct deferred_tool tool = probe__tool(p);
	const struct file *f = files__get(p->files, id);
	uint64_t code, semaphore;
	size_t i, k;

	for (i = 0; i < vmas->count && vmas->items[i].mapping.file != id; i++)
		;
	for (k = 0; k < f->allocator.sites.count; k++)
		if (f->allocator.sites.items[k].kind == NOTES_PUT)
			break;
	if (i == vmas->count || k == f->allocator.sites.count ||
	    !object__offset_to_vaddr(f->object, vmas->items[i].mapping.offset, &code) ||
	    !object__offset_to_vaddr(f->object, f->allocator.sites.items[k].semaphore, &semaphore))
		return 0; /* one without cells */
	return trails__begin_epoch(&tool, pid, vmas->items[i].mapping.start - code + semaphore);
}

/* probe__attach; what is new in the process can run from @could_ns on (0: not yet). */
static int attach(struct probe *p, pid_t pid, bool starts, uint64_t could_ns, char *why,
		  size_t size)
{
	CLEANUP(vma_list__release) vma_list vmas = {0};
	struct memleak_process process = {0};
	struct share_process shares;
	bool has_heap = false;
	uint32_t exe = 0;
	size_t i;
	int err = probe__list_mappings(p, pid, &vmas);

	for (i = 0; i < vmas.count && !err; i++) {
		err = probe__learn_mapping(p, &vmas.items[i]);
		if (vmas.items[i].is_exe)
			exe = vmas.items[i].mapping.file;
	}
	if (!err)
		err = add_process(p, pid, exe, &process);
	if (err == -ESRCH && p->options.all)
		err = 0; /* it has allocated nothing so far */
	if (err) {
		snprintf(why, size, "%s", strerror(-err));
		return err;
	}
	share__look(p->files, vmas.items, vmas.count, &shares);
	/* Drawn otherwise, some would be drawn for once more. */
	if (shares.hook && p->options.sample.mean)
		shares.drawn = p->options.drawn || preload__mean(pid) == p->options.sample.mean;
	/* What defers frees must not meet others that tell of them. */
	if (shares.hook && !p->options.all) {
		err = attach_file(p, pid, process.image, shares.hook, &shares);
		if (!err)
			err = begin_epoch(p, pid, shares.hook, &vmas);
		if (err) {
			snprintf(why, size, "%s", strerror(-err));
			return err;
		}
	}
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
	if ((starts || !has_heap) && is_loading(p, &vmas)) {
		snprintf(why, size, "its libraries are not mapped yet");
		return -EAGAIN;
	}
	return has_heap ? tell_of_go(p, &vmas) : explain_no_allocator(p, pid, &vmas, why, size);
}

int probe__attach(struct probe *p, pid_t pid, bool starts, char *why, size_t size)
{
	return attach(p, pid, starts, 0, why, size);
}

/* Probe what all processes have mapped, which they could run from @could_ns on (0: not yet). */
static int attach_everywhere(struct probe *p, uint64_t could_ns)
{
	CLEANUP(vma_list__release) vma_list vmas = {0};
	int err = probe__list_mappings(p, 0, &vmas);
	size_t i;

	for (i = 0; i < vmas.count && !err; i++)
		err = probe__learn_mapping(p, &vmas.items[i]);
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

void probe__attach_grown(struct probe *p)
{
	char why[512];
	size_t i;

	for (i = 0; i < p->grown.count; i++) {
		const struct grown *g = &p->grown.items[i];
		size_t had = attachments__count(p->attachments);
		int err = attach(p, g->pid, false, g->since_ns, why, sizeof(why));

		/* If its loader was among what is new, nothing told of what came before that. */
		if (attachments__count(p->attachments) != had)
			err = attach(p, g->pid, false, g->since_ns, why, sizeof(why));
		if (err)
			log_debug("libraries of process %d: %s", g->pid, why);
	}
	p->grown.count = 0;
	hash__release(&p->grown_index);
}

int probe__catch_up(struct probe *p, pid_t pid)
{
	char why[512];
	int err = pid ? attach(p, pid, false, p->start_ns, why, sizeof(why))
		      : attach_everywhere(p, p->start_ns);

	if (pid && err == -ENOMEM)
		log_error("cannot trace process %d: %s", pid, why);
	return err == -ENOMEM ? err : 0;
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
