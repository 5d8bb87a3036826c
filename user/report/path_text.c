// SPDX-License-Identifier: GPL-2.0-or-later
#include "report/path_text.h"

#include <inttypes.h>

#include "profile/path.h"
#include "report/format.h"

/* @name, fit for a terminal. */
static const char *shown(char buf[static FORMAT_NAME_SIZE], const char *name)
{
	format__name(buf, name, FORMAT_NAME_COLUMNS);
	return buf;
}

static void print_root(struct stream *s, const struct profile_path *path)
{
	char name[FORMAT_NAME_SIZE], module[FORMAT_NAME_SIZE];

	if (path->module)
		shown(module, format__basename(path->module));
	switch (path->root) {
	case PROFILE_ROOT_GLOBAL:
		if (path->name)
			stream__print(s, "global %s+0x%" PRIx64, shown(name, path->name),
				      path->offset);
		else
			stream__print(s, "global data at 0x%" PRIx64, path->pc);
		break;
	case PROFILE_ROOT_STACK:
		stream__print(s, "the stack of thread %" PRIu32, path->thread);
		if (path->name)
			stream__print(s, ", in the frame of %s", shown(name, path->name));
		else if (path->pc)
			stream__print(s, ", in the frame of code at 0x%" PRIx64, path->pc);
		stream__print(s, ", sp+0x%" PRIx64, path->offset);
		break;
	case PROFILE_ROOT_TLS:
		stream__print(s, "thread-local data of thread %" PRIu32, path->thread);
		break;
	case PROFILE_ROOT_REGISTER:
		stream__print(s, "register %s of thread %" PRIu32,
			      shown(name, path->name ? path->name : "?"), path->thread);
		break;
	case PROFILE_ROOT_MAPPING:
		stream__print(s, "a mapping, +0x%" PRIx64, path->offset);
		break;
	case PROFILE_ROOT_UNKNOWN:
		stream__print(s, "a pointer that was not kept");
		break;
	}
	if (path->module)
		stream__print(s, " (%s)", module);
}

static void print_step(struct stream *s, const struct profile *p, const struct profile_step *step,
		       bool last)
{
	char bytes[FORMAT_SIZE], name[FORMAT_NAME_SIZE];
	const char *function = path__function(p, step);

	stream__print(s, "        -> %s", format__bytes(bytes, step->bytes));
	if (step->type)
		stream__print(s, ", type %s", shown(name, step->type));
	if (step->family)
		stream__print(s, ", %s", shown(name, step->family));
	if (function)
		stream__print(s, " by %s", shown(name, function));
	if (!last)
		stream__print(s, ", which at +0x%" PRIx64 " points to", step->pointer_at);
	stream__print(s, "\n");
}

void path_text__print(struct stream *s, const struct profile *p, const struct profile_path *path)
{
	char n[FORMAT_SIZE];
	uint32_t i;

	stream__print(s, "      kept by ");
	print_root(s, path);
	stream__print(s, "\n");
	if (path->omitted)
		stream__print(s, "        -> ... %s more block%s\n",
			      format__number(n, path->omitted), path->omitted == 1 ? "" : "s");
	for (i = 0; i < path->nr_steps; i++)
		print_step(s, p, &p->steps.items[path->first_step + i], i + 1 == path->nr_steps);
}
