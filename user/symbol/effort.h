/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_SYMBOL_EFFORT_H
#define MEMLEAK_SYMBOL_EFFORT_H

/*
 * How long one file has kept us: says so once where it is long, and ends what would never end. A
 * file can be made so that reading it takes years without any single step being wrong.
 */

#include <stdbool.h>
#include <stdint.h>

struct effort {
	const char *what; /* "reading symbols of" */
	const char *path; /* borrowed; printable */
	bool tell;	  /* say both after a second */
	bool told;
	bool spent; /* the limit is reached: nothing more is tried */
	unsigned int ticks;
	uint64_t before_ns; /* spent in earlier rounds */
	uint64_t begun_ns;
};

/* Start and end one round of work on the file. */
void effort__begin(struct effort *e);
void effort__end(struct effort *e);

/* Call in every loop over what the file holds. False once the limit is reached: stop. */
bool effort__tick(struct effort *e);

/* The same, for steps that take long themselves: looks at the clock each time. */
bool effort__check(struct effort *e);

/* Only tells, without a limit: for waiting that ends by other means. */
void effort__tell(struct effort *e);

#endif
