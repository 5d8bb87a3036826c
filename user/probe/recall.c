// SPDX-License-Identifier: GPL-2.0-or-later
#include "probe/recall.h"

#include <string.h>

static void release_page(struct recall_page *p)
{
	hash__release(&p->index);
	vector_release(&p->values);
}

void recall__init(struct recall *r, size_t size)
{
	*r = (struct recall){.size = size};
}

void recall__release(struct recall *r)
{
	release_page(&r->pages[0]);
	release_page(&r->pages[1]);
}

const void *recall__before(const struct recall *r, uint64_t a, uint64_t b)
{
	const struct recall_page *p = &r->pages[!r->now];
	uint32_t i = hash__get(&p->index, a, b);

	return i == HASH_NONE ? NULL : p->values.items + i * r->size;
}

int recall__note(struct recall *r, uint64_t a, uint64_t b, const void *value)
{
	struct recall_page *p = &r->pages[r->now];
	uint32_t i = hash__get(&p->index, a, b);
	int err = 0;

	if (i == HASH_NONE) {
		i = p->values.count / r->size;
		err = vector_reserve(&p->values, p->values.count + r->size);
		if (!err)
			err = hash__set(&p->index, a, b, i);
		if (err)
			return err;
		p->values.count += r->size;
	}
	memcpy(p->values.items + i * r->size, value, r->size);
	return 0;
}

int recall__exchange(struct recall *r, uint64_t a, uint64_t b, uint64_t now, bool peek,
		     uint64_t *before, bool *known)
{
	const uint64_t *bytes = recall__before(r, a, b);

	*known = bytes != NULL;
	*before = bytes ? *bytes : 0;
	return peek ? 0 : recall__note(r, a, b, &now);
}

void recall__turn(struct recall *r)
{
	r->now = !r->now;
	release_page(&r->pages[r->now]);
}
