/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_LIVE_DRAW_H
#define MEMLEAK_LIVE_DRAW_H

/* Drawing a view, in two files: draw.c has the tables and the whole, draw_lines.c what is around.
 */

#include "live/view_state.h"

struct drawing {
	struct view *v;
	const struct canvas *c;
	int row; /* the next one that is free */
};

/* Put formatted text into @columns of the current row. */
void draw__put(const struct drawing *d, int column, int columns, unsigned int style,
	       const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* "1 block", "1,024 blocks" */
const char *draw__count_of(char buf[static FORMAT_SIZE], uint64_t n, const char *what);

/* "comm[pid]" */
const char *draw__process_name(char buf[static FORMAT_NAME_SIZE + 16],
			       const struct profile_process *process);

/* Each from the current row on, with the row after it as the next: the title bar, what is said of
 * the profile, the page of help, the names of keys. */
void draw__title(struct drawing *d);
void draw__head(struct drawing *d);
void draw__help(struct drawing *d);
void draw__keys(struct drawing *d);

#endif
