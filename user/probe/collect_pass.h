/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_PROBE_COLLECT_PASS_H
#define MEMLEAK_PROBE_COLLECT_PASS_H

/*
 * The collector as its files share it: collect.c reads the kernel's tables into a pass,
 * collect_deferred.c knows what they do not, collect_snapshot.c puts what a leak check saw in their
 * place, collect_wrong.c has the wrong
 * frees, collect_past.c keeps what there is to tell of processes that ended, collect_stacks.c
 * clears the table of stacks, collect_build.c makes a profile of it all.
 */

#include "probe/barrier.h"
#include "probe/collect.h"
#include "probe/deferred.h"
#include "probe/path.h"
#include "probe/recall.h"
#include "probe/stacks.h"
#include "probe/timeline.h"
#include "probe/trend.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/hash.h"
#include "util/packed.h"
#include "util/strings.h"
#include "util/vector.h"

/* What blocks add up to: weighed, see bpf/sample.h. */
struct weighed {
	uint64_t blocks; /* in 1/SAMPLE_WEIGHT_ONE */
	uint64_t bytes;
	double blocks_variance, bytes_variance;
};

struct group {
	uint32_t image;
	uint8_t family;
	uint8_t verdict; /* enum profile_verdict; NONE where no check ran */
	bool cycle;
	uint8_t pad;
	uint32_t type;		/* in collector.types; PROFILE_NONE: unknown */
	uint32_t cycle_classes; /* in collector.types, from 1; 0: none */
	uint64_t stack;
	struct weighed all, old;       /* `old`: of the age asked for */
	uint64_t oldest_ns, newest_ns; /* of those */
	struct path *path;	       /* owned by its pass, or by the collector; NULL: none */
	uint64_t alive, known;	       /* blocks, as trend_look has them */
	uint64_t ages;		       /* a bit for each age class that has blocks */
};

/* A block's address, kept where blocks are listed. */
struct listed {
	uint32_t group;
	uint32_t pad;
	uint64_t addr, bytes, time_ns;
};

/* What one image allocated with one stack, freed or not. */
struct site {
	struct memleak_site_key key;
	struct memleak_site sum;
};

/* Wrong frees at one place. */
struct wrong {
	struct memleak_wrong_key key;
	struct memleak_wrong record;
};

typedef VECTOR(struct wrong) wrong_list;

/* What the tables say of images. */
struct gathered {
	VECTOR(struct group) groups;
	VECTOR(struct site) sites;
	wrong_list wrongs;
	VECTOR(struct listed) listed; /* by these groups */
};

/* A process, and what else is known of it. */
struct traced {
	struct memleak_process process;
	const char *exe; /* its program, where the process does not say; NULL: unknown */
	bool checked;	 /* what it has is what a leak check saw */
	uint8_t pad[7];
	double pause_ms, judge_ms;
};

/* Processes that ended in one pass. */
struct pasts {
	VECTOR(struct traced) processes;
	struct gathered has;
};

struct collector {
	struct probe *probe;
	struct probe_tables t;
	uint64_t seq;
	uint64_t last_ns;	       /* time of the last report; 0: none */
	VECTOR(struct packed *) pasts; /* one for each pass that met some */
	size_t nr_reported;	       /* of these */
	VECTOR(struct path *) paths;   /* of their groups; owned */
	/* Bytes of the report before, and trends: by (stack, image and family). */
	struct recall groups;
	struct recall wholes;	 /* whatever a leak check said */
	struct recall processes; /* by (image, 0) */
	struct recall trends;
	struct stacks *stacks;
	struct barrier *barrier;
	uint64_t stacks_removed; /* from the kernel's table, so far */
	uint32_t stacks_left;	 /* there, the last time */
	bool stacks_pending;	 /* some were removed since the last pass that looked at them */
	bool stacks_in_use;	 /* nearly all were needed the last time */
	VECTOR(struct snapshot *) snapshots; /* at most one of an image */
	struct strings types;
	bool history;
	struct timeline timeline;
	struct hash head_types; /* (first word, image) of a block freed wrongly to types */
};

/* A process that defers frees, and what of its heap the pass has met. */
struct deferring {
	uint32_t running; /* number in pass.running */
	uint32_t pad;
	uint64_t blocks, bytes;		/* weighed, as in a process */
	uint64_t new_blocks, new_bytes; /* those of them that are new */
	struct deferred_numbers numbers;
};

/* A block that may be freed while the pass goes on, without a trace in the table; or which is new,
 * and may come into it. */
struct postponed {
	struct memleak_block_key key;
	struct memleak_block block;
};

/* One pass. */
struct pass {
	const struct collect_options *options;
	uint64_t now_ns, last_ns; /* of this report and the one before (0: none) */
	VECTOR(struct memleak_process) running;
	struct gathered has;	 /* sites and wrongs: of images that go on */
	struct hash group_index; /* to has.groups */
	struct pasts pasts;
	VECTOR(struct memleak_block_key) dead;
	VECTOR(struct memleak_site_key) dead_sites;
	VECTOR(struct memleak_wrong_key) dead_wrongs;
	struct hash ended; /* (image, 0) to pasts.processes */
	struct hash shown; /* (image, 0) to snapshots: in place of the tables */
	VECTOR(struct deferring) deferring;
	struct hash deferring_index;	     /* (image, 0) to these */
	VECTOR(struct deferred_block) cells; /* what is in them */
	struct hash deferred;		     /* (address, image) to these */
	uint64_t deferred_ns;		     /* read then */
	VECTOR(struct postponed) postponed;
	bool clears; /* it finds out which stacks are needed */
	struct hash needed;
};

/* What a reader of a map works on. */
struct reading {
	struct collector *collector;
	struct pass *pass;
};

/* How long before the pass @time_ns was. */
static inline double pass__age_ms(const struct pass *s, uint64_t time_ns)
{
	return time_ns < s->now_ns ? (s->now_ns - time_ns) / 1e6 : 0;
}

/* What tells a group from others of its stack. */
static inline uint64_t pass__group_key(const struct group *g)
{
	return (uint64_t)g->image << 32 | (uint64_t)(g->type & 0xfffff) << 12 | g->cycle << 11 |
	       g->verdict << 8 | g->family;
}

/* @p holds @bytes: more than its record says that it ever did, if that was read while the kernel
 * side counted. */
static inline void pass__raise_peak(struct memleak_process *p, uint64_t bytes)
{
	if ((int64_t)bytes > (int64_t)p->peak_bytes) {
		p->peak_bytes = bytes;
		p->peak_ns = clock__monotonic_ns();
	}
}

void pass__release(struct pass *s);

/* The group with the key of @like, made if it is new; its number into *@ret. 0 or -ENOMEM. */
int pass__find_group(struct pass *s, const struct group *like, uint32_t *ret);

/* Add a block or mapping to its group. What ended is shown whatever its age. 0 or -ENOMEM. */
int pass__add_block(struct pass *s, uint32_t group, struct sample sample, uint64_t addr,
		    uint64_t size, uint64_t time_ns);

/* Add a block that the table has to its group. 0 or -ENOMEM. */
int collector__add_live(struct collector *c, struct pass *s, const struct memleak_block_key *key,
			const struct memleak_block *b);

/* Before the table is read: which blocks running processes have freed and not told of, or may have
 * by the end. 0 or -ENOMEM. */
int collector__begin_deferred(struct collector *c, struct pass *s);

/* Meanwhile: *@counts is false for a block of the heap that is free, or of which that is seen at
 * the end. 0 or -ENOMEM. */
int collector__look_at_deferred(struct collector *c, struct pass *s,
				const struct memleak_block_key *key, const struct memleak_block *b,
				bool *counts);

/* When it has been read: add those that are not free, and count what is. 0 or -errno. */
int collector__end_deferred(struct collector *c, struct pass *s);

/* Whether it is time to clear the kernel's table of stacks. */
bool collector__stacks_are_many(const struct collector *c);

/* Have the kernel side say when it is. */
void collector__expect_stacks(const struct collector *c);

/* Where the pass clears the table of stacks: this one is needed. 0 or -ENOMEM. */
int pass__need_stack(struct pass *s, uint64_t stack);

/* Whether the pass, which has read nothing yet, shall clear the table of stacks. 0 or -errno. */
int collector__begin_clearing(struct collector *c, struct pass *s);

/* Where it shall and has read everything: do it. 0 or -errno. */
int collector__clear_stacks(struct collector *c, struct pass *s);

/* Choose the snapshots that hold in this pass: `shown`. Blocks of theirs are not to be added from
 * the tables. 0 or -ENOMEM. */
int collector__choose_snapshots(struct collector *c, struct pass *pass);

/* Add what they have. 0 or -ENOMEM. */
int collector__add_snapshots(struct collector *c, struct pass *pass);

/* Each is shown once, by a report; those of processes whose end was seen, but is not in the tables
 * yet, are kept. */
void collector__drop_snapshots(struct collector *c, const struct pass *pass);

/* The number of the type called @name, or PROFILE_NONE without memory: then it is not shown. */
uint32_t collector__type_number(struct collector *c, const char *name);

/* Read the kernel's table of wrong frees; those of processes that ended move to where they are
 * kept. 0 or -errno. */
int collector__read_wrongs(struct collector *c, struct pass *s);

/* Take those of images that are over out of the kernel's table. 0 or -errno. */
int collector__drop_wrongs(struct collector *c, const struct pass *s);

/* Add @w to @p, as of process number @process there. 0 or -errno. */
int collector__add_wrong(struct collector *c, const struct wrong *w, uint32_t process,
			 struct profile *p);

void gathered__release(struct gathered *g);
void pasts__release(struct pasts *p);

/* Keep what the pass has of processes that ended, until the final report. 0 or -ENOMEM. */
int collector__keep_pasts(struct collector *c, struct pass *pass);

/* What the collector keeps under number @i, below pasts.count, into *@ret, which is the caller's to
 * release also where it fails. 0 or -ENOMEM. */
int collector__open_pasts(const struct collector *c, size_t i, struct pasts *ret);

/* Make a profile of what @s has read; the caller owns it. 0 or -errno. */
int collector__build(struct collector *c, const struct pass *s, struct profile **ret);

#endif
