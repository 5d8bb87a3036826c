/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_LIVE_CANVAS_H
#define MEMLEAK_LIVE_CANVAS_H

/* Where a view is drawn: a terminal, or an array of a test. */

#include <stdbool.h>

enum canvas_style {
	CANVAS_PLAIN,
	CANVAS_TITLE,
	CANVAS_FAINT,
	CANVAS_ALARM,
	CANVAS_WARNING,
	CANVAS_GRAPH,
	CANVAS_BAR, /* of the first line and of tables' heads */
};
#define CANVAS_SELECTED 0x100 /* a bit beside the style */

struct canvas {
	int width, height; /* columns and rows */
	bool utf8;	   /* it shows more than ASCII */
	/* Put @text at @row and @column into @columns: what is longer is cut, what is shorter is
	 * filled with blanks. Nothing is put outside. */
	void (*put)(void *context, int row, int column, int columns, unsigned int style,
		    const char *text);
	void *context;
};

#endif
