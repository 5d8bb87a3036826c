/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_PROBE_LINK_H
#define MEMLEAK_PROBE_LINK_H

/*
 * Links of BPF programs to uprobes. The multi kinds go through bpf(2) itself, since libbpf has them
 * only from 1.3 (multi) and 1.6 (session) on.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct bpf_program;

/* The kernel's names and numbers, from include/uapi/linux/bpf.h. */
#define LINK_TRACE_UPROBE_MULTI	  48 /* Linux 6.6 */
#define LINK_TRACE_UPROBE_SESSION 57 /* Linux 6.13 */

/* One file's probes. */
struct link_request {
	int file_fd;
	pid_t pid;		 /* of a process; 0: all */
	const uint64_t *offsets; /* of the probed instructions in the file */
	const uint64_t *cookies;
	const uint64_t *semaphores; /* file offsets of counters to raise (0: none); NULL: none */
	uint32_t count;
};

/*
 * Link @prog_fd, loaded with expected attach type @type (one of the two above), to all of the
 * request's places; with @at_return (multi only), to the returns of the functions that start there.
 * A descriptor, which holds the probes until it is closed; or -errno: one place that the kernel
 * refuses fails the whole link.
 */
int link__multi(int prog_fd, uint32_t type, const struct link_request *r, bool at_return);

/* Whether the kernel has links of @type for @prog_fd. */
bool link__is_supported(int prog_fd, uint32_t type);

/* The same through one perf event per place and process (any kernel): link the @index-th place. A
 * descriptor or -errno. */
int link__perf(const struct bpf_program *prog, const struct link_request *r, uint32_t index,
	       bool at_return);

/*
 * Closing a link takes the kernel many milliseconds: threads of its own do it. 0 and *@ret, or
 * -errno.
 */
struct link_closer;
int link_closer__create(struct link_closer **ret);

/* Close @fd soon; at once where the closer is too busy. */
void link_closer__close(struct link_closer *c, int fd);

/* Wait until all is closed, and free; NULL is accepted. */
void link_closer__destroy(struct link_closer *c);

#endif
