/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_LIVE_TERMINAL_H
#define MEMLEAK_LIVE_TERMINAL_H

/* The terminal as a canvas and a source of keys: the only user of ncurses. There is one. */

#include "live/canvas.h"

struct terminal;

/* Whether standard input and output are a terminal on which one can draw. 0, or -errno after a line
 * that says why not. */
int terminal__check(void);

/* Take the terminal over. 0 or -errno, with the terminal as it was. */
int terminal__open(bool color, struct terminal **ret);

/* Leave it as it was; NULL is accepted. */
void terminal__close(struct terminal *t);

/* Its size may have changed. */
void terminal__resize(struct terminal *t);

/* The next key that was pressed, a character or an enum view_key; -1 where there is none. */
int terminal__key(struct terminal *t);

/* An empty canvas of its size, and bring what was put on it to the screen. */
void terminal__begin(struct terminal *t, struct canvas *ret);
void terminal__flush(struct terminal *t);

#endif
