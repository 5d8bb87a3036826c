/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_LIVE_LIVE_H
#define MEMLEAK_LIVE_LIVE_H

/*
 * The live view on the terminal: profiles in, commands out. It draws when it is given something to
 * draw and otherwise does nothing. Messages of the tool are shown in it, and printed when the
 * terminal is as it was again.
 *
 * In the folder: view.c and draw.c are the view itself, on a canvas; terminal.c is the canvas that
 * ncurses is; history.c remembers what the sparklines show.
 */

#include <stdbool.h>

#include "live/view.h"

struct live;

/* Before anything else: see terminal__check. */
int live__check(void);

/* Take the terminal over. 0, or -errno after a line that says why. */
int live__open(const struct view_options *o, bool color, struct live **ret);

/* Leave the terminal as it was, then print the messages that came meanwhile; NULL is accepted. */
void live__close(struct live *l);

/* Show @p, whose ownership passes. 0 or -ENOMEM. */
int live__show(struct live *l, struct profile *p);

/* Say something in the view until the next key. */
void live__note(struct live *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Standard input is readable: the next thing that keys ask for. VIEW_NOTHING: no key is left. */
enum view_action live__input(struct live *l);

/* The size of the terminal may have changed. */
void live__resize(struct live *l);

/* What the view is at. */
struct view *live__view(struct live *l);

void live__draw(struct live *l);

#endif
