/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_PROBE_TABLES_H
#define MEMLEAK_PROBE_TABLES_H

/*
 * The unwind tables of files in the kernel's maps: compiled once for all processes that map the
 * file, published when complete, freed when nobody maps it any more, all within one bound of
 * memory.
 */

#include <stdbool.h>
#include <stdint.h>

#include "bpf/memleak.h"

struct tables;
struct unwind_table;

/* The maps' descriptors, borrowed, and how large the loader made them. */
struct tables_maps {
	int tables_fd, pages_fd, rules_fd, shards_fd;
	uint32_t nr_pages, nr_shards;
};

struct tables_stats {
	uint64_t files, rows, bytes; /* held now; bytes of shards and pages in use */
	uint64_t no_room;	     /* files whose table found no room */
};

/* How many pages and shards @bytes of memory are worth; at least one of each. */
void tables__sizes(uint64_t bytes, uint32_t *nr_pages, uint32_t *nr_shards);

/* 0 or -errno. */
int tables__create(const struct tables_maps *maps, struct tables **ret);
void tables__destroy(struct tables *t);

/* A file, and who compiles its table: 0, -ENOMEM, -errno. */
struct tables_source {
	int fd;
	const char *path;
	int (*compile)(void *context, int fd, const char *path, struct unwind_table **ret);
	void *context;
};

/*
 * Compile the ELF file @source and publish its table as that of file @id; nothing where it is there
 * already. A file without unwind information, or one that is damaged, gets an empty table: walks
 * through it go by frame pointer. 0, -ENOSPC (no room: counted, walks say so), -ENOMEM, -errno.
 */
int tables__load(struct tables *t, uint32_t id, const struct tables_source *source);

/* Nobody maps file @id now, or it could not be opened: free what it holds. The kernel side
 * announces it anew when a walk meets it again. */
void tables__free(struct tables *t, uint32_t id);

/* Whether tables__load was done for @id. */
bool tables__has(const struct tables *t, uint32_t id);

void tables__stats(const struct tables *t, struct tables_stats *ret);

#endif
