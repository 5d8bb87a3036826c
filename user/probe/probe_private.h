/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_PROBE_PROBE_PRIVATE_H
#define MEMLEAK_PROBE_PROBE_PRIVATE_H

/*
 * The probe as its files share it: probe.c loads it and hands out what was counted, probe_attach.c
 * places probes into processes, probe_events.c hears what the kernel side tells, probe_mapped.c
 * knows which files processes have mapped.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "bpf/memleak.skel.h"
#include "probe/attachments.h"
#include "probe/loader.h"
#include "probe/probe.h"
#include "probe/tables.h"
#include "target/cgroup.h"
#include "target/inspect.h"
#include "util/strings.h"

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
	struct blocks blocks;
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
	struct strings exe_paths;
	struct allocator_search search;
	struct cgroup *cgroup;		 /* NULL: none */
	struct stat object;		 /* of options.object */
	int lifecycle[LOADER_LIFECYCLE]; /* links of the tracepoints */
	uint64_t start_ns;
};

/* --- probe_attach.c --- */

/* Look again at the processes that have loaded libraries. */
void probe__attach_grown(struct probe *p);

/* --- probe_events.c --- */

/* Of the ring buffers, with the probe as @context. 0 or -errno. */
int probe__handle_event(void *context, void *data, size_t size);
int probe__handle_trail(void *context, void *data, size_t size);

/* --- probe_mapped.c --- */

/* The records of the iterator over mappings. */
typedef VECTOR(struct memleak_vma) vma_list;

void vma_list__release(vma_list *list);

/* What is mapped by @pid, or (0) by every process; *@ret is the caller's to release, also where it
 * fails. 0 or -errno. */
int probe__list_mappings(struct probe *p, pid_t pid, vma_list *ret);

/* Learn of a mapping's file, if it is new: its name, its allocation functions, its unwind table.
 * 0 or -errno. */
int probe__learn_mapping(struct probe *p, const struct memleak_vma *vma);

/* The kernel maps the same code into every 64-bit process, vdso(7): learn it. 0 or -errno. */
int probe__learn_vdso(struct probe *p);

/* @image is run by @pid: keep the path of its program, until nothing will show the image any more:
 * probe__forget_images. 0 or -ENOMEM. */
int probe__note_exe(struct probe *p, uint32_t image, pid_t pid);

#endif
