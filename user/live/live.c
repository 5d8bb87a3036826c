// SPDX-License-Identifier: GPL-2.0-or-later
#include "live/live.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "live/terminal.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/vector.h"

/* More messages than these are counted alone. */
#define KEPT_MESSAGES 200

#define CTRL_L	      0x0c

struct live {
	struct view *view;
	struct terminal *terminal;
	VECTOR(char *) messages;
	size_t more_messages;
};

int live__check(void)
{
	return terminal__check();
}

/* A message of the tool. */
static void take_message(void *context, const char *line)
{
	static const char lead[] = "memleak-bpf: ";
	struct live *l = context;
	char note[256];
	char *copy;

	if (strncmp(line, lead, strlen(lead)) == 0)
		snprintf(note, sizeof(note), "%.*s", (int)strcspn(line, "\n") - (int)strlen(lead),
			 line + strlen(lead));
	else
		snprintf(note, sizeof(note), "%.*s", (int)strcspn(line, "\n"), line);
	view__note(l->view, note);
	if (!isatty(STDERR_FILENO)) {
		fputs(line, stderr);
		return;
	}
	copy = l->messages.count < KEPT_MESSAGES ? strdup(line) : NULL;
	if (!copy || vector_push(&l->messages, copy)) {
		free(copy);
		l->more_messages++;
	}
}

int live__open(const struct view_options *o, bool color, struct live **ret)
{
	struct live *l = calloc(1, sizeof(*l));
	int err = l ? view__create(o, &l->view) : -ENOMEM;

	if (!err)
		err = terminal__open(color, &l->terminal);
	if (err) {
		log_error("cannot draw on the terminal: %s", strerror(-err));
		if (l)
			view__destroy(l->view);
		free(l);
		return err;
	}
	log__divert(take_message, l);
	*ret = l;
	return 0;
}

void live__close(struct live *l)
{
	size_t i;

	if (!l)
		return;
	terminal__close(l->terminal);
	log__divert(NULL, NULL);
	for (i = 0; i < l->messages.count; i++) {
		fputs(l->messages.items[i], stderr);
		free(l->messages.items[i]);
	}
	vector_release(&l->messages);
	if (l->more_messages)
		log_warning("%zu more messages were not kept", l->more_messages);
	view__destroy(l->view);
	free(l);
}

void live__draw(struct live *l)
{
	struct canvas canvas;

	terminal__begin(l->terminal, &canvas);
	view__draw(l->view, &canvas);
	terminal__flush(l->terminal);
}

int live__show(struct live *l, struct profile *p)
{
	int err = view__show(l->view, p);

	if (!err)
		live__draw(l);
	return err;
}

void live__note(struct live *l, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	view__note(l->view, text);
	live__draw(l);
}

enum view_action live__input(struct live *l)
{
	enum view_action action = VIEW_NOTHING;
	int key;

	while (action == VIEW_NOTHING && (key = terminal__key(l->terminal)) >= 0) {
		if (key == CTRL_L)
			terminal__resize(l->terminal); /* others have written on it */
		else
			action = view__key(l->view, key);
	}
	live__draw(l);
	return action;
}

void live__resize(struct live *l)
{
	terminal__resize(l->terminal);
	live__draw(l);
}

struct view *live__view(struct live *l)
{
	return l->view;
}
