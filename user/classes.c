// SPDX-License-Identifier: GPL-2.0-or-later
#include "classes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "symbol/remote.h"
#include "util/cleanup.h"

int classes__name(struct sandbox *sandbox, struct memory *m, uint64_t vptr, char **ret)
{
	static const char prefix[] = "typeinfo name for ";
	CLEANUP_FREE char *mangled = memory__class(m, vptr), *symbol = NULL;
	char *name;

	*ret = NULL;
	if (!mangled)
		return 0;
	if (asprintf(&symbol, "_ZTS%s", mangled) < 0)
		return -ENOMEM;
	name = remote__demangle(sandbox, symbol);
	if (!name)
		return -ENOMEM;
	if (strncmp(name, prefix, strlen(prefix)) == 0)
		memmove(name, name + strlen(prefix), strlen(name + strlen(prefix)) + 1);
	else if (strcmp(name, symbol) == 0) /* nobody could read it */
		memmove(name, name + 4, strlen(name + 4) + 1);
	*ret = name;
	return 0;
}

struct naming {
	struct sandbox *sandbox;
	struct collector *collector;
	pid_t pid, reader;
	struct memory *memory; /* NULL: not needed yet */
};

static void release_naming(struct naming *n)
{
	memory__destroy(n->memory);
}

static int name_head(void *context, uint64_t head, uint32_t image)
{
	struct naming *n = context;
	CLEANUP_FREE char *name = NULL;
	int err = 0;

	if (!n->memory) {
		err = memory__create(n->pid, n->reader, &n->memory);
		if (!err)
			err = memory__read_regions(n->memory);
	}
	if (!err)
		err = classes__name(n->sandbox, n->memory, head, &name);
	return err ? err : collector__set_type(n->collector, head, image, name);
}

int classes__name_wrong_frees(struct sandbox *sandbox, struct collector *c, pid_t pid, pid_t reader)
{
	CLEANUP(release_naming)
	struct naming n = {.sandbox = sandbox, .collector = c, .pid = pid, .reader = reader};

	return collector__untyped_heads(c, pid, name_head, &n);
}
