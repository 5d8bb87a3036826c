// SPDX-License-Identifier: GPL-2.0-or-later
#include "probe/mappings.h"

#include <string.h>
#include <unistd.h>

void mappings__release(struct mappings *m)
{
	vector_release(&m->list);
	vector_release(&m->undo.pieces);
}

static uint64_t round_up(uint64_t n)
{
	uint64_t page = sysconf(_SC_PAGESIZE);

	return (n + page - 1) & ~(page - 1);
}

/* Index of the first mapping of @image that ends behind @addr, or of what comes after the image. */
static size_t lower_bound(const struct mappings *m, uint32_t image, uint64_t addr)
{
	size_t low = 0, high = m->list.count;

	while (low < high) {
		size_t mid = (low + high) / 2;
		const struct mapping *x = &m->list.items[mid];

		if (x->image < image || (x->image == image && x->end <= addr))
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static int insert(struct mappings *m, size_t at, struct mapping x)
{
	int err = vector_reserve(&m->list, m->list.count + 1);

	if (err)
		return err;
	memmove(&m->list.items[at + 1], &m->list.items[at],
		(m->list.count - at) * sizeof(*m->list.items));
	m->list.items[at] = x;
	m->list.count++;
	return 0;
}

static void erase(struct mappings *m, size_t at, size_t n)
{
	if (!n)
		return;
	memmove(&m->list.items[at], &m->list.items[at + n],
		(m->list.count - at - n) * sizeof(*m->list.items));
	m->list.count -= n;
}

static uint64_t min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Cut [@start, @end) out of the mapping at @at, which overlaps it; *@next is where to go on. */
static int cut(struct mappings *m, size_t at, uint64_t start, uint64_t end, size_t *next)
{
	struct mapping *x = &m->list.items[at];
	struct mapping head = *x, tail = *x;
	int err;

	head.end = start;
	head.asked_end = min(head.asked_end, start);
	tail.start = end;
	if (tail.asked_end < end)
		tail.asked_end = end;
	if (x->start < start && x->end > end) {
		err = insert(m, at + 1, tail);
		if (err)
			return err;
		m->list.items[at] = head;
		*next = at + 2;
	} else if (x->start < start) {
		*x = head;
		*next = at + 1;
	} else if (x->end > end) {
		*x = tail;
		*next = at + 1;
	} else {
		erase(m, at, 1);
		*next = at;
	}
	return 0;
}

/* End what is in [@start, @end) since @until_ns or before. */
static int unmap(struct mappings *m, uint32_t image, uint64_t start, uint64_t end,
		 uint64_t until_ns)
{
	size_t i = lower_bound(m, image, start);
	int err;

	while (i < m->list.count && m->list.items[i].image == image &&
	       m->list.items[i].start < end) {
		if (m->list.items[i].time_ns > until_ns) {
			i++;
			continue;
		}
		err = cut(m, i, start, end, &i);
		if (err)
			return err;
	}
	return 0;
}

int mappings__map(struct mappings *m, const struct mapping *fresh)
{
	struct mapping x = *fresh;
	int err;

	x.end = x.start + round_up(x.asked_end - x.start);
	err = unmap(m, x.image, x.start, x.end, UINT64_MAX);
	if (err)
		return err;
	return insert(m, lower_bound(m, x.image, x.start), x);
}

int mappings__unmap(struct mappings *m, uint32_t image, uint64_t start, uint64_t size, uint32_t tid)
{
	uint64_t end = start + round_up(size);
	size_t i;

	m->undo.tid = tid;
	m->undo.pieces.count = 0;
	if (end <= start || round_up(start) != start)
		return 0; /* the kernel refuses it */
	for (i = lower_bound(m, image, start); i < m->list.count; i++) {
		struct mapping piece = m->list.items[i];
		int err;

		if (piece.image != image || piece.start >= end)
			break;
		if (piece.start < start)
			piece.start = start;
		if (piece.end > end)
			piece.end = end;
		piece.asked_end = min(piece.asked_end, piece.end);
		err = vector_push(&m->undo.pieces, piece);
		if (err)
			return err;
	}
	return unmap(m, image, start, end, UINT64_MAX);
}

int mappings__move(struct mappings *m, uint64_t start, uint64_t size, const struct mapping *fresh)
{
	uint64_t end = start + round_up(size);
	int err = end > start ? unmap(m, fresh->image, start, end, fresh->time_ns) : 0;

	return err ? err : mappings__map(m, fresh);
}

int mappings__undo_unmap(struct mappings *m, uint32_t tid)
{
	size_t i;
	int err;

	if (m->undo.tid != tid)
		return 0; /* another one's came in between: what it ended is forgotten */
	for (i = 0; i < m->undo.pieces.count; i++) {
		err = mappings__map(m, &m->undo.pieces.items[i]);
		if (err)
			return err;
	}
	m->undo.pieces.count = 0;
	return 0;
}

void mappings__drop_image(struct mappings *m, uint32_t image)
{
	size_t first = lower_bound(m, image, 0), last = first;

	while (last < m->list.count && m->list.items[last].image == image)
		last++;
	erase(m, first, last - first);
}
