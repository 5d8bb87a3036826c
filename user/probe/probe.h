/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_PROBE_PROBE_H
#define MEMLEAK_PROBE_PROBE_H

/*
 * The kernel side, as user space drives it: load the programs, place the probes into the allocation
 * functions of processes, hear of new files and processes. The only user of the skeleton.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "bpf/memleak.h"
#include "bpf/sample.h"
#include "probe/deferred.h"
#include "probe/blocks.h"
#include "probe/files.h"
#include "probe/late.h"
#include "probe/mappings.h"
#include "util/hash.h"
#include "util/vector.h"

struct probe;

/* How the probes are linked; AUTO takes the best that the kernel has. */
enum probe_link { PROBE_LINK_AUTO, PROBE_LINK_SESSION, PROBE_LINK_MULTI, PROBE_LINK_PERF };

/* A family of functions that the user defined; number MEMLEAK_FAMILY_USER is the first. */
struct probe_family {
	const char *name;
	bool resource;
};

/* An event of --trace. */
typedef void probe_trace_fn(void *context, const struct memleak_event *event);

struct sandbox;
struct unwind_table;

/* Compile the unwind table of the file behind @fd at @path. 0 or -errno. */
typedef int probe_compile_fn(void *context, int fd, const char *path, struct unwind_table **ret);

struct probe_options {
	enum probe_link link;
	bool all;	    /* every process of the machine */
	const char *cgroup; /* with `all`: only of this cgroup v2 and those below it; NULL: no */
	bool follow;	    /* children of followed processes */
	bool families;	    /* tell new[] from new, for one more trap per new[] */
	bool diagnose;	    /* look for wrong frees, for a trap more per new and some per delete */
	bool guard;	    /* ... also for frees of what is no block: nothing is left out */
	bool sites;	    /* count what each stack has allocated, freed or not */
	uint64_t min_size, max_size;
	struct sample sample;
	bool drawn; /* processes draw their samples themselves: they are run with `sample.mean` */
	uint32_t max_blocks, max_stacks, stack_depth;
	uint64_t max_unwind_memory; /* bytes, for the unwind tables of all files */
	bool no_sites;		    /* probe functions alone */
	const char *object; /* look for allocation functions in this file alone; NULL: all */
	const char *symbols_prefix;	  /* NULL: none */
	const struct allocator_row *rows; /* the user's functions, borrowed like the families */
	size_t nr_rows;
	const struct probe_family *families_defined;
	size_t nr_families_defined;
	probe_trace_fn *trace; /* NULL: no events for blocks */
	probe_compile_fn *compile;
	struct sandbox *sandbox; /* reads files */
	void *context;		 /* of both */
};

/* Load everything; nothing is probed yet. 0, or -errno after the lines that say why and what to do.
 */
int probe__create(const struct probe_options *options, struct probe **ret);

/* Take every probe out and free everything; NULL is accepted. */
void probe__destroy(struct probe *p);

/*
 * Follow the process @pid: probe the allocation functions of what it has mapped by now. Harmless
 * where it is followed already: then only what is new is probed. @starts: it is at its first
 * instruction. 0; -EAGAIN where the program's loader is mapped and its libraries are yet to come,
 * as they are at the start, even if there was something to probe (musl's loader is its C library);
 * or -errno. @why (of @size bytes) then says why in words: no allocation function found, a 32-bit
 * program ...
 */
int probe__attach(struct probe *p, pid_t pid, bool starts, char *why, size_t size);

/*
 * @pid is another process than the one that had this pid before; or a thread of it other than its
 * first has called exec, and is the process now. Probes that were placed for it are bound to the
 * thread that is gone. Drop them; probe__attach places them anew. 0 or -ENOMEM.
 */
int probe__renew(struct probe *p, pid_t pid);

/*
 * Processes are traced by ptrace from now on, or no longer: those that load libraries are stopped
 * by MEMLEAK_SIGNAL_LIBRARIES, for probe__signalled.
 */
void probe__set_traced(struct probe *p, bool traced);

/*
 * Thread @tid would get MEMLEAK_SIGNAL_LIBRARIES: true if the kernel side sent it to show that
 * libraries were loaded. Then the process must not get it, and probe__attach has to look at it
 * again.
 */
bool probe__signalled(struct probe *p, pid_t tid);

/* Whether allocations of @pid are told of by libmemleak.so. */
bool probe__is_hooked(const struct probe *p, pid_t pid);

/* Probe what all processes of the machine have mapped by now. 0 or -errno after saying why. */
int probe__attach_all(struct probe *p);

/* With `all`: how often probes were hit, of processes that are followed and of others. */
uint64_t probe__hits(const struct probe *p);

/* Begin to count; before, the probes do nothing. The start of elapsed times. */
void probe__enable(struct probe *p);

/*
 * Once enabled: probe what @pid (0: with `all`, every process) has loaded while the probes were
 * being placed, which no event told of. 0 or -errno after saying why; a process that has ended is
 * none.
 */
int probe__catch_up(struct probe *p, pid_t pid);

/*
 * The program of @pid, stopped, has not allocated yet: every block of it will have been seen, so
 * that the free of anything else is wrong.
 */
void probe__set_complete(struct probe *p, pid_t pid);

/* Becomes readable when there are events. */
int probe__event_fd(const struct probe *p);

/* Handle all events there are: new files, new processes, mappings. 0 or -errno. */
int probe__consume(struct probe *p);

/* As files__is_unchanged(). */
bool probe__file_is_unchanged(struct probe *p, uint32_t id);

/* What collect reads. */
struct probe_tables {
	const struct blocks *blocks;
	int stacks_fd, processes_fd, ended_fd;
	struct deferred_tool tool;
	const __u64 *nr_stacks; /* that came into the table so far */
	__u64 *stacks_wanted;	/* how many of them make an event; owned by collect */
	__u64 *stacks_cleared;	/* to be counted up when some were taken out; the same */
	uint32_t max_stacks;
	int changes_fd; /* mappable: see probe/changes.h, which owns what follows */
	__u32 *changes_image;
	const __u64 *nr_changes;
	int sites_fd;	     /* -1: they are not counted */
	int wrong_fd;	     /* wrong frees; -1: they are not looked for */
	const __u64 *losses; /* by enum memleak_loss; changing */
	const struct late *late;
	const struct files *files;
	const struct mappings *mappings;
	const struct hash *replaced_images;  /* by (image, 0), by exec: nothing of them counts */
	size_t nr_exits;		     /* of processes, not collected yet */
	const struct probe_family *families; /* those that the user defined */
	size_t nr_families;
	uint64_t start_ns; /* of counting, CLOCK_MONOTONIC */
	struct sample sample;
	bool drawn; /* processes draw their samples themselves: they are run with `sample.mean` */
};
void probe__tables(const struct probe *p, struct probe_tables *ret);

/* What it is to the processes that it follows. */
struct deferred_tool probe__tool(const struct probe *p);

/* What block @b is a sample of. */
static inline struct sample probe__sample_of(const struct probe_tables *t,
					     const struct memleak_block *b)
{
	struct sample s = t->sample;

	s.weight = b->weight;
	return s;
}

/* Whether @family is one of resources, which stand beside the heap. */
bool probe__is_resource(const struct probe_tables *t, uint8_t family);

/* The path of the program of @image as it was when the image was first seen, which stays where it
 * is; NULL where unknown. */
const char *probe__image_exe(const struct probe *p, uint32_t image);

/* Take a block out of the kernel's table. 0, also if it is not there, or -errno. */
int probe__drop_block(struct probe *p, const struct memleak_block_key *key);

/* The @n images @ended have been collected, and the blocks of the replaced ones dropped: drop the
 * mappings of both, and the programs' names. */
void probe__forget_images(struct probe *p, const uint32_t *ended, size_t n);

/* Processes have ended: free the unwind tables of files that nobody maps any more. 0 or -errno. */
int probe__free_tables(struct probe *p);

/* Say with -v how the walks of all stacks ended, and what the unwind tables hold. */
void probe__log_walks(const struct probe *p);

/* Warn of families that the user defined and that no file had a function of. */
void probe__warn_unfound(const struct probe *p);

/* The name of a family; NULL where there is none with this number. */
const char *probe__family_name(const struct probe *p, uint8_t family);

/* "session", "multi" or "perf". */
const char *probe__link_name(const struct probe *p);

#endif
