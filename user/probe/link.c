// SPDX-License-Identifier: GPL-2.0-or-later
#include "probe/link.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/capability.h"
#include "util/cleanup.h"

#define FLAG_RETURN 1 /* BPF_F_UPROBE_MULTI_RETURN */

/* The part of union bpf_attr that BPF_LINK_CREATE reads for these types. */
struct link_create {
	uint32_t prog_fd;
	uint32_t target_fd;
	uint32_t attach_type;
	uint32_t flags;
	uint64_t path;
	uint64_t offsets;
	uint64_t ref_ctr_offsets;
	uint64_t cookies;
	uint32_t count;
	uint32_t multi_flags;
	uint32_t pid;
	uint32_t pad;
};

static int create(int prog_fd, uint32_t type, const char *path, const struct link_request *r,
		  bool at_return)
{
	struct link_create attr = {
		.prog_fd = prog_fd,
		.attach_type = type,
		.path = (uintptr_t)path,
		.offsets = (uintptr_t)r->offsets,
		.ref_ctr_offsets = (uintptr_t)r->semaphores,
		.cookies = (uintptr_t)r->cookies,
		.count = r->count,
		.multi_flags = at_return ? FLAG_RETURN : 0,
		.pid = r->pid,
	};
	int fd = syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));

	return fd < 0 ? -errno : fd;
}

int link__multi(int prog_fd, uint32_t type, const struct link_request *r, bool at_return)
{
	char path[64];

	/* Names the very file, also if it was deleted or lies in another mount namespace. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", r->file_fd);
	return create(prog_fd, type, path, r, at_return);
}

bool link__is_supported(int prog_fd, uint32_t type)
{
	uint64_t zero = 0;
	struct link_request r = {.offsets = &zero, .cookies = &zero, .count = 1};

	/* A kernel that knows the type looks at the path next: a directory is no file to probe. */
	return create(prog_fd, type, "/", &r, false) == -EBADF;
}

int link__perf(const struct bpf_program *prog, const struct link_request *r, uint32_t index,
	       bool at_return)
{
	DECLARE_LIBBPF_OPTS(bpf_uprobe_opts, opts, .retprobe = at_return,
			    .bpf_cookie = r->cookies[index],
			    .ref_ctr_offset = r->semaphores ? r->semaphores[index] : 0);
	struct bpf_link *link;
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", getpid(), r->file_fd);
	link = bpf_program__attach_uprobe_opts(prog, r->pid ? r->pid : -1, path, r->offsets[index],
					       &opts);
	if (!link)
		return -errno;
	fd = dup(bpf_link__fd(link));
	if (fd < 0)
		fd = -errno;
	bpf_link__destroy(link);
	return fd;
}

/* --- the closer --- */

/* Closing waits for a grace period of RCU, which those who wait at the same time share. */
#define CLOSERS	     16
#define CLOSER_STACK (64 << 10)

struct link_closer {
	pthread_t threads[CLOSERS];
	size_t nr_threads;
	int pipe[2]; /* descriptors to close travel through it */
};

static void *run_closer(void *context)
{
	struct link_closer *c = context;
	int fd;

	/* It needs none; what the main thread gives up later would stay here. */
	(void)capability__drop_all();
	while (read(c->pipe[0], &fd, sizeof(fd)) == sizeof(fd))
		close(fd);
	return NULL;
}

/* At least one thread, or -errno. */
static int start_closers(struct link_closer *c)
{
	pthread_attr_t attr;
	int err = 0;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, CLOSER_STACK);
	while (c->nr_threads < CLOSERS && !err) {
		err = pthread_create(&c->threads[c->nr_threads], &attr, run_closer, c);
		if (!err)
			c->nr_threads++;
	}
	pthread_attr_destroy(&attr);
	return c->nr_threads ? 0 : -err;
}

int link_closer__create(struct link_closer **ret)
{
	CLEANUP_FREE struct link_closer *c = calloc(1, sizeof(*c));
	sigset_t all, before;
	int err;

	if (!c)
		return -ENOMEM;
	if (pipe2(c->pipe, O_CLOEXEC))
		return -errno;
	/* Signals are the main thread's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = start_closers(c);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (err) {
		close(c->pipe[0]);
		close(c->pipe[1]);
		return err;
	}
	*ret = TAKE_PTR(c);
	return 0;
}

void link_closer__close(struct link_closer *c, int fd)
{
	if (write(c->pipe[1], &fd, sizeof(fd)) != sizeof(fd))
		close(fd);
}

void link_closer__destroy(struct link_closer *c)
{
	if (!c)
		return;
	close(c->pipe[1]);
	while (c->nr_threads)
		pthread_join(c->threads[--c->nr_threads], NULL);
	close(c->pipe[0]);
	free(c);
}
