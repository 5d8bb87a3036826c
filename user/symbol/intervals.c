// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A line is swept over the ranges in order of their starts. The ranges under it are in a heap with
 * the one that wins on top; those that have ended stay until they come to the top. Each step emits
 * the piece up to the end of the winner or the start of the next range, whichever comes first: at
 * most two pieces a range.
 */
#include "symbol/intervals.h"

#include <stdbool.h>

#include "util/cleanup.h"

/* A range with its rank: of two at one address the higher one wins. */
struct ranked {
	uint64_t start, end;
	uint32_t value;
	uint32_t rank;
};

struct sweep {
	struct ranked *items;
	uint32_t *heap; /* indexes of items, highest rank first */
	size_t nr_heap;
};

int intervals__add(struct intervals *s, uint64_t start, uint64_t end, uint32_t value)
{
	if (start >= end)
		return 0;
	if (s->v.count >= UINT32_MAX / 2)
		return -ENOMEM;
	return vector_push(&s->v, (struct interval){.start = start, .end = end, .value = value});
}

static int compare(const void *x, const void *y)
{
	const struct ranked *a = x, *b = y;

	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	if (a->end != b->end)
		return a->end > b->end ? -1 : 1; /* the longer one is outside */
	return (a->rank > b->rank) - (a->rank < b->rank);
}

static bool is_sorted(const struct ranked *items, size_t n)
{
	size_t i;

	for (i = 1; i < n; i++)
		if (compare(&items[i - 1], &items[i]) > 0)
			return false;
	return true;
}

static void heap_push(struct sweep *w, uint32_t item)
{
	size_t i = w->nr_heap++;

	while (i && w->items[w->heap[(i - 1) / 2]].rank < w->items[item].rank) {
		w->heap[i] = w->heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	w->heap[i] = item;
}

static void heap_pop(struct sweep *w)
{
	uint32_t last = w->heap[--w->nr_heap];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < w->nr_heap) {
		if (child + 1 < w->nr_heap &&
		    w->items[w->heap[child]].rank < w->items[w->heap[child + 1]].rank)
			child++;
		if (w->items[w->heap[child]].rank <= w->items[last].rank)
			break;
		w->heap[i] = w->heap[child];
		i = child;
	}
	w->heap[i] = last;
}

static int emit(struct intervals *out, uint64_t start, uint64_t end, uint32_t value)
{
	struct interval *last = out->v.count ? &out->v.items[out->v.count - 1] : NULL;

	if (last && last->end == start && last->value == value) {
		last->end = end;
		return 0;
	}
	return vector_push(&out->v, (struct interval){.start = start, .end = end, .value = value});
}

static int sweep(struct sweep *w, size_t n, struct intervals *out)
{
	uint64_t at = 0;
	size_t i = 0;

	for (;;) {
		const struct ranked *top;
		uint64_t next;

		while (w->nr_heap && w->items[w->heap[0]].end <= at)
			heap_pop(w);
		if (!w->nr_heap) {
			if (i == n)
				return 0;
			at = w->items[i].start;
		}
		for (; i < n && w->items[i].start <= at; i++)
			heap_push(w, i);
		top = &w->items[w->heap[0]];
		next = top->end;
		if (i < n && w->items[i].start < next)
			next = w->items[i].start;
		if (next > at) {
			int err = emit(out, at, next, top->value);

			if (err)
				return err;
		}
		at = next;
	}
}

int intervals__settle(struct intervals *s, enum intervals_rule rule)
{
	size_t n = s->v.count, i;
	CLEANUP_FREE struct ranked *items = reallocarray(NULL, n + 1, sizeof(*items));
	CLEANUP_FREE uint32_t *heap = reallocarray(NULL, n + 1, sizeof(*heap));
	struct sweep w = {.items = items, .heap = heap};
	struct intervals out = {0};
	int err = -ENOMEM;

	if (items && heap) {
		for (i = 0; i < n; i++) {
			const struct interval *v = &s->v.items[i];

			items[i] = (struct ranked){v->start, v->end, v->value, i};
		}
		if (!is_sorted(items, n))
			qsort(items, n, sizeof(*items), compare);
		for (i = 0; rule == INTERVALS_INNERMOST && i < n; i++)
			items[i].rank = i;
		err = sweep(&w, n, &out);
	}
	if (err)
		intervals__release(&out);
	intervals__release(s);
	*s = out;
	return err;
}

uint32_t intervals__find(const struct intervals *s, uint64_t addr)
{
	size_t low = 0, high = s->v.count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (s->v.items[mid].start <= addr)
			low = mid + 1;
		else
			high = mid;
	}
	if (!low || addr >= s->v.items[low - 1].end)
		return INTERVALS_NONE;
	return s->v.items[low - 1].value;
}

void intervals__release(struct intervals *s)
{
	vector_release(&s->v);
}
