/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_REPORT_FRAME_H
#define MEMLEAK_REPORT_FRAME_H

/* One frame of a stack as a person reads it, fit for a terminal. */

#include "profile/profile.h"
#include "report/format.h"

#define FRAME_TEXT_SIZE (FORMAT_NAME_SIZE + 32)

/* One frame as its columns. */
struct frame_text {
	char function[FRAME_TEXT_SIZE], source[FRAME_TEXT_SIZE], module[FRAME_TEXT_SIZE];
	size_t function_columns, source_columns;
};

/* "function+0xoff", "file.c:line" and "module" of @line at @location; what is not known is empty,
 * a function that is not is its address. */
void frame__describe(const struct profile *p, const struct profile_location *location,
		     const struct profile_line *line, struct frame_text *ret);

#endif
