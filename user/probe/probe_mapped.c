// SPDX-License-Identifier: GPL-2.0-or-later
#include "probe/probe_private.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "target/process.h"
#include "util/cleanup.h"
#include "util/log.h"

/* No kernel's vDSO is longer. */
#define VDSO_PAGES 8

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

int probe__learn_mapping(struct probe *p, const struct memleak_vma *vma)
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

/*
 * The kernel maps the same code into every 64-bit process, vdso(7): learn it from our own. Without
 * it, walks through it would go by frame pointer, which it has not.
 */
int probe__learn_vdso(struct probe *p)
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

int probe__list_mappings(struct probe *p, pid_t pid, vma_list *ret)
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

void vma_list__release(vma_list *list)
{
	vector_release(list);
}

int probe__free_tables(struct probe *p)
{
	CLEANUP(vma_list__release) vma_list vmas = {0};
	CLEANUP(hash__release) struct hash mapped = {0};
	uint32_t id;
	size_t i;
	int err = 0;

	if (!p->tables_stale)
		return 0;
	p->tables_stale = false;
	err = probe__list_mappings(p, 0, &vmas);
	for (i = 0; i < vmas.count && !err; i++)
		err = hash__set(&mapped, vmas.items[i].mapping.file, 0, 0);
	for (id = MEMLEAK_FILE_VDSO + 1; id <= p->skeleton->data->last_file && !err; id++)
		if (hash__get(&mapped, id, 0) == HASH_NONE)
			tables__free(p->tables, id);
	return err;
}

int probe__note_exe(struct probe *p, uint32_t image, pid_t pid)
{
	CLEANUP_FREE char *path = process__exe(pid);
	uint32_t i;
	int err;

	if (!path)
		return 0;
	err = strings__add(&p->exe_paths, path, &i);
	return err ? err : hash__set(&p->exes, image, 0, i);
}

const char *probe__image_exe(const struct probe *p, uint32_t image)
{
	uint32_t i = hash__get(&p->exes, image, 0);

	return i == HASH_NONE ? NULL : p->exe_paths.list.items[i];
}
