/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_BENCH_PROBES_H
#define MEMLEAK_BENCH_PROBES_H

/* The benchmark's own probes on malloc and free. */

#include <stdbool.h>
#include <stdint.h>

enum probes_kind {
	PROBES_NONE,
	PROBES_ENTRY,	  /* empty, malloc and free, entries */
	PROBES_SESSION,	  /* empty, entry and return of malloc, entry of free */
	PROBES_STACKID,	  /* bpf_get_stackid at the return of malloc */
	PROBES_STACK_20,  /* bpf_get_stack, at most 20 frames */
	PROBES_STACK_127, /* the same, at most 127 */
	PROBES_KINDS
};

/* Where probes on malloc and free can stand. */
enum probes_where {
	PROBES_CHOSEN, /* on the instructions that the tool chooses */
	PROBES_FIRST,  /* on the functions' first */
	PROBES_WHERES
};

/* File offsets. */
struct probes_places {
	uint64_t malloc, free;
};

/* Find both in the C library open at @fd, with the tool's own code: 0, -ENOENT or -errno. */
int probes__find_places(int fd, const char *path, struct probes_places ret[PROBES_WHERES]);

struct probes;

/* Load the programs; 0 or -errno. */
int probes__create(struct probes **ret);

/* Take all probes out; NULL is accepted. */
void probes__destroy(struct probes *p);

/* Place probes of @kind for whoever maps the file @fd; 0 or -errno. */
int probes__attach(struct probes *p, enum probes_kind kind, int fd,
		   const struct probes_places *places);

/* Whether entry and return are one session link; otherwise they are a link each. */
bool probes__have_session(const struct probes *p);

#endif
