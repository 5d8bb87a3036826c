/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_LEAKCHECK_SUPPRESS_LIST_H
#define MEMLEAK_LEAKCHECK_SUPPRESS_LIST_H

/* What suppressions are, for the files of suppress.h. */

#include <stdbool.h>
#include <stdint.h>

#include "leakcheck/suppress_text.h"
#include "profile/profile.h"
#include "util/vector.h"

enum suppress_frame { SUPPRESS_FUNCTION, SUPPRESS_OBJECT, SUPPRESS_SOURCE, SUPPRESS_ANY };

/* A line of an entry. */
struct suppress_pattern {
	enum suppress_frame kind;
	char *text; /* NULL for SUPPRESS_ANY, and only for it */
};

struct suppression {
	bool of_frees;	/* Memcheck:Free: of wrong frees; otherwise of losses */
	uint32_t kinds; /* of losses: a bit for each enum profile_verdict */
	VECTOR(struct suppress_pattern) patterns;
};

#define SUPPRESS_ALL_KINDS                                                                         \
	(1U << PROFILE_VERDICT_DEFINITE | 1U << PROFILE_VERDICT_INDIRECT |                         \
	 1U << PROFILE_VERDICT_POSSIBLE | 1U << PROFILE_VERDICT_REACHABLE)

struct suppressions {
	VECTOR(struct suppression) list;
};

struct wire;

/*
 * What the helper answered: entries, to be added to @s. 0; -EINVAL with @fault and @line as
 * suppress_text__parse() has them; -ENOMEM; -EPROTO where it makes no sense.
 */
int suppressions__get(struct wire *reply, struct suppressions *s, enum suppress_fault *fault,
		      unsigned int *line);

/* All zero is none. */
void suppression__release(struct suppression *s);
void suppressions__release(struct suppressions *s);

#endif
