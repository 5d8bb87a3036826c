/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_PROFILE_PPROF_READER_H
#define MEMLEAK_PROFILE_PPROF_READER_H

/*
 * A saved profile as it is read: pprof_read.c unpacks the file and reads what stands in it once,
 * pprof_read_code.c modules, functions and locations, pprof_read_samples.c samples and their
 * labels.
 *
 * The file may be hostile. What it can cost is bounded: how far it unpacks, the memory of its
 * messages, the length of names and of comments; and nothing is quadratic, however often a string
 * or a location is referred to.
 */

#include <stdbool.h>
#include <stdint.h>

#include "profile/pprof_labels.h"
#include "profile/profile.h"
#include "profile/profile.pb-c.h"
#include "util/hash.h"
#include "util/vector.h"

#define TIME_LIMIT_MS 253402300799999 /* the end of the year 9999 */

/* What labels say about one frame of a sample. */
struct frame {
	uint64_t offset;
	uint8_t flags;
};

#define FRAME_BY_FRAME_POINTER 1
#define FRAME_INTERRUPTED      2

struct module {
	uint32_t index;	  /* in the profile */
	const char *base; /* file name without its folder */
};

struct reader {
	struct profile *p;
	const Perftools__Profiles__Profile *m;
	int values[PPROF_VALUES]; /* where they stand in a sample; -1: nowhere */
	const char **names;	  /* by string: interned, NULL: not yet */
	uint8_t *label_kinds;	  /* by string: enum pprof_label, PPROF_LABELS: none of them */
	struct hash mappings;	  /* (id, 0) to modules */
	VECTOR(struct module) modules;
	struct hash functions; /* (id, 0) to m->function */
	struct hash locations; /* (id, 0) to m->location */
	struct hash made;      /* (index in m->location, flags) to p->locations */
	struct hash processes; /* (pid, comm) to p->processes */
	struct hash histories; /* (text, 0) to history_list: the same text is read once */
	VECTOR(struct profile_history) history_list;
	bool has_wrong;	  /* the last wrong free is one whose other stacks follow */
	size_t nr_stated; /* processes that a comment describes */
	VECTOR(uint32_t) frames;
	VECTOR(struct frame) said; /* of frames */
};

/* The string, of any length; NULL where there is no such one. */
const char *reader__raw_string(const struct reader *r, int64_t i);

/* A name, interned. 0, -EBADMSG or -ENOMEM. */
int reader__name(struct reader *r, int64_t i, const char **ret);

/* A process that labels name by its number or by its pid and comm; its index into *@ret. 0 or
 * -ENOMEM. */
int reader__add_process(struct reader *r, const struct profile_process *process, uint32_t *ret);

/* --- pprof_read_code.c --- */

/* Read the mappings, and learn where functions and locations stand. 0, -EBADMSG or -ENOMEM. */
int reader__read_code(struct reader *r);

/* The profile's location for that of the file, number @id, and what labels say about it. 0,
 * -EBADMSG or -ENOMEM. */
int reader__find_location(struct reader *r, uint64_t id, const struct frame *frame, uint32_t *ret);

/* --- pprof_read_samples.c --- */

/* Read all samples; the sums of processes that no comment describes are theirs. 0, -EBADMSG or
 * -ENOMEM. */
int reader__read_samples(struct reader *r);

#endif
