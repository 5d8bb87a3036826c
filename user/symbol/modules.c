// SPDX-License-Identifier: GPL-2.0-or-later
#include "symbol/modules.h"

#include <errno.h>
#include <stdlib.h>

#include <libelf.h>

#include "util/hash.h"
#include "util/vector.h"

struct modules {
	VECTOR(struct module *) list;
	struct hash index; /* (id, 0) to list */
};

int modules__create(struct modules **ret)
{
	struct modules *m = calloc(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	elf_version(EV_CURRENT);
	*ret = m;
	return 0;
}

void modules__destroy(struct modules *m)
{
	size_t i;

	if (!m)
		return;
	for (i = 0; i < m->list.count; i++)
		module__destroy(m->list.items[i]);
	vector_release(&m->list);
	hash__release(&m->index);
	free(m);
}

struct module *modules__get(const struct modules *m, uint32_t id)
{
	uint32_t i = hash__get(&m->index, id, 0);

	return i == HASH_NONE ? NULL : m->list.items[i];
}

int modules__add(struct modules *m, uint32_t id, const struct symbol_source *source, bool tell,
		 struct module **ret)
{
	int err = module__create(source, tell, ret);

	if (err)
		return err;
	err = vector_push(&m->list, *ret);
	if (err) {
		module__destroy(*ret);
		return err;
	}
	return hash__set(&m->index, id, 0, m->list.count - 1);
}
