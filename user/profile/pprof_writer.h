/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_PROFILE_PPROF_WRITER_H
#define MEMLEAK_PROFILE_PPROF_WRITER_H

/*
 * A profile as it is saved: pprof_write.c packs and compresses, and writes what stands in it once;
 * pprof_write_samples.c writes the samples and their labels, pprof_write_code.c modules, functions
 * and locations.
 *
 * Messages that stand one behind the other are one message: their repeated fields follow each other
 * (protobuf.dev, "Encoding"). So the profile is packed and compressed in small parts, a sample or a
 * location at a time, and needs the memory of one. The strings come last, when all are known.
 *
 * The first failure stays in writer.err; everything after it does nothing.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <zlib.h>

#include "profile/pprof_labels.h"
#include "profile/profile.h"
#include "profile/profile.pb-c.h"
#include "util/hash.h"
#include "util/vector.h"

typedef Perftools__Profiles__Profile part;
typedef Perftools__Profiles__Label label;

#define PART PERFTOOLS__PROFILES__PROFILE__INIT

struct writer {
	const struct profile *p;
	FILE *out;
	int err;
	z_stream z;
	VECTOR(uint8_t) packed;
	struct strings strings;
	struct hash function_index;
	uint32_t nr_functions;
	struct hash site_index; /* (process and stack, family) to p->sites */
	bool *site_written;
	struct hash pids; /* (pid, 0) to how many processes have it */
	/* Of the sample at hand. */
	VECTOR(label) labels;
	VECTOR(label *) label_list;
	VECTOR(uint64_t) locations;
	VECTOR(char) text;
};

/* Keep the first of the failures (-errno; 0: none). */
static inline void writer__check(struct writer *w, int err)
{
	if (!w->err)
		w->err = err;
}

/* A difference is signed; what is not stays so. */
static inline int64_t writer__value(const struct writer *w, uint64_t n)
{
	return w->p->diff || n <= INT64_MAX ? (int64_t)n : INT64_MAX;
}

static inline bool writer__has_name(const struct profile_line *line)
{
	return line->symbol && *line->symbol;
}

/* Pack and compress one part. */
void writer__emit(struct writer *w, const part *part);

/* The number of a string, which is copied; 0 is that of NULL. */
int64_t writer__string(struct writer *w, const char *s);

/* How JSON is written, in comments and in labels. */
#define WRITER_JSON (JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)

/* --- pprof_write_samples.c --- */

/* The entries and sites, and the wrong frees. */
void writer__emit_samples(struct writer *w);
void writer__emit_wrong_frees(struct writer *w);

/* --- pprof_write_code.c --- */

/* All modules and locations, with their functions. */
void writer__emit_code(struct writer *w);

#endif
