/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_LIVE_VIEW_H
#define MEMLEAK_LIVE_VIEW_H

/*
 * What the live view shows and what its keys do, without a terminal: it takes profiles and keys,
 * and draws on a canvas.
 */

#include <stdbool.h>
#include <stdint.h>

#include "live/canvas.h"
#include "profile/profile.h"

struct view;

struct view_options {
	enum profile_sort sort;
	double interval_s;
	/* Give lines to the locations of @stack; what fails leaves addresses. NULL: they have them.
	 */
	void (*name)(void *context, struct profile *p, uint32_t stack);
	void *context;
};

/* Keys; the others are characters. */
enum view_key {
	VIEW_KEY_UP = 0x100,
	VIEW_KEY_DOWN,
	VIEW_KEY_LEFT,
	VIEW_KEY_RIGHT,
	VIEW_KEY_PAGE_UP,
	VIEW_KEY_PAGE_DOWN,
	VIEW_KEY_HOME,
	VIEW_KEY_END,
};

/* What a key asks of whoever runs the view. */
enum view_action {
	VIEW_NOTHING,
	VIEW_QUIT,
	VIEW_REFRESH, /* a report now */
	VIEW_CHECK,   /* a leak check of view__pid(), and a report */
	VIEW_SAVE,    /* the profile */
};

/* 0 or -ENOMEM. */
int view__create(const struct view_options *o, struct view **ret);
void view__destroy(struct view *v);

/* Show @p, whose ownership passes, from now on. 0 or -ENOMEM. */
int view__show(struct view *v, struct profile *p);

/* Say @text in the line above the last one, until the next key. */
void view__note(struct view *v, const char *text);

/* Take a key, a character or an enum view_key. */
enum view_action view__key(struct view *v, int key);

/* The process whose stacks are shown; 0 where there is none. */
uint32_t view__pid(const struct view *v);

/* Reports are not wanted now. */
bool view__paused(const struct view *v);
void view__pause(struct view *v, bool paused);

void view__draw(struct view *v, const struct canvas *c);

#endif
