/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_BENCH_TABLE_H
#define MEMLEAK_BENCH_TABLE_H

/* Samples of many rounds, and how they are printed. */

#include <stdbool.h>
#include <stddef.h>

#include "util/vector.h"

/* One a round. */
struct samples {
	VECTOR(double) ns;
};

struct summary {
	double median, least, most;
};

/* All 0 where there are no samples. */
struct summary summary__of(const struct samples *s);

/* The same of the ratio to the base's sample of the same round. */
struct summary summary__ratio(const struct samples *s, const struct samples *base);

/* A table has a column for each of @nr_builds. */
void table__print_head(const char *title, const char *base, const char *const *builds,
		       size_t nr_builds);
/* A number of 0 is left out. */
void table__print_name(const char *name, unsigned int number);
/* One column of a row; @base may be NULL. */
void table__print_cell(const struct samples *s, const struct samples *base);
void table__end_row(void);

/* A table of seconds has one column. */
void table__print_seconds_head(const char *title, const char *base);
/* After the row's name of 24 characters; ends the line. @base may be NULL. */
void table__print_seconds(const struct samples *s, const struct samples *base);

/* A line "OK ..." or "over ..."; true if it is reached or if nothing was measured. */
bool table__print_goal(const char *what, const char *build, const struct samples *s,
		       const struct samples *base, double goal);

#endif
