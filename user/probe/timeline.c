// SPDX-License-Identifier: GPL-2.0-or-later
#include "probe/timeline.h"

#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

#define KEY(row)                                                                                   \
	(row)->stack, (uint64_t)(row)->image << 32 | (uint64_t)(row)->family << 1 | (row)->whole

void timeline__release(struct timeline *t)
{
	size_t i;

	for (i = 0; i < t->series.count; i++)
		vector_release(&t->series.items[i].points);
	vector_release(&t->series);
	hash__release(&t->index);
	for (i = 0; i < t->done.count; i++)
		free(t->done.items[i]);
	vector_release(&t->done);
}

/* Whether the last point of the timeline is also the last of @s. */
static bool is_current(const struct timeline *t, const struct timeline_series *s)
{
	return s->added == t->adds;
}

/* Forget the series that have no points. */
static int compact(struct timeline *t)
{
	size_t i, n = 0;
	int err = 0;

	hash__release(&t->index);
	for (i = 0; i < t->series.count; i++) {
		if (!t->series.items[i].points.count)
			vector_release(&t->series.items[i].points);
		else
			t->series.items[n++] = t->series.items[i];
	}
	t->series.count = n;
	for (i = 0; i < n && !err; i++)
		err = hash__set(&t->index, KEY(&t->series.items[i].key), i);
	return err;
}

static void drop_last_point(struct timeline *t)
{
	size_t i;

	for (i = 0; i < t->series.count; i++)
		if (is_current(t, &t->series.items[i]))
			t->series.items[i].points.count--;
	t->count--;
}

static void halve(struct timeline *t)
{
	size_t i, k;

	for (i = 0; i < t->series.count; i++) {
		struct timeline_series *s = &t->series.items[i];
		bool ended = !is_current(t, s);
		size_t n = 0;

		for (k = 0; k < s->points.count; k++)
			if ((s->start + k) % 2 == 0 || (ended && k + 1 == s->points.count))
				s->points.items[n++] = s->points.items[k];
		s->points.count = n;
		s->start = (s->start + 1) / 2;
	}
	t->count = (t->count + 1) / 2;
	t->stride *= 2;
}

#define COMPARE(a, b)                                                                              \
	do {                                                                                       \
		if ((a) != (b))                                                                    \
			return (a) < (b) ? -1 : 1;                                                 \
	} while (0)

static int compare_keys(const void *x, const void *y)
{
	const struct timeline_row *a = x, *b = y;

	COMPARE(a->image, b->image);
	COMPARE(b->whole, a->whole);
	COMPARE(a->stack, b->stack);
	COMPARE(a->family, b->family);
	return 0;
}

static int compare_sizes(const void *x, const void *y)
{
	const struct timeline_row *a = x, *b = y;

	COMPARE(a->image, b->image);
	COMPARE(b->whole, a->whole);
	COMPARE(b->bytes, a->bytes);
	return compare_keys(x, y);
}

/* Add up the rows of one key, and bring each process and then its largest stacks to the front. */
static size_t sort_rows(struct timeline_row *rows, size_t nr)
{
	size_t i, n = 0;

	if (!nr)
		return 0;
	qsort(rows, nr, sizeof(*rows), compare_keys);
	for (i = 1; i < nr; i++) {
		if (compare_keys(&rows[n], &rows[i]) == 0)
			rows[n].bytes += rows[i].bytes;
		else
			rows[++n] = rows[i];
	}
	qsort(rows, n + 1, sizeof(*rows), compare_sizes);
	return n + 1;
}

static int new_series(struct timeline *t, const struct timeline_row *row, uint32_t *ret)
{
	struct timeline_series s = {.key = *row, .start = t->count};
	int err;

	s.key.bytes = 0;
	err = vector_push(&t->series, s);
	if (err)
		return err;
	*ret = t->series.count - 1;
	return hash__set(&t->index, KEY(row), *ret);
}

static int add_point(struct timeline *t, struct timeline_series *s, double at_s, uint64_t bytes,
		     bool done, size_t rank)
{
	s->added = t->adds;
	s->done = done;
	s->rank = rank;
	s->most = bytes > s->most ? bytes : s->most;
	return vector_push(&s->points, (struct profile_point){.at_s = at_s, .bytes = bytes});
}

/* @rank: how many stacks of the process hold more. */
static int add_row(struct timeline *t, double at_s, bool peek, const struct timeline_row *row,
		   size_t rank)
{
	uint32_t i = hash__get(&t->index, KEY(row));
	int err;

	if (i == HASH_NONE) {
		if (!row->whole && rank >= TIMELINE_JOIN)
			return 0;
		err = new_series(t, row, &i);
		if (err)
			return err;
	}
	return add_point(t, &t->series.items[i], at_s, row->bytes, row->ended && !peek, rank);
}

/* Stacks without a row hold nothing, if their process has one. */
static int add_freed(struct timeline *t, double at_s)
{
	size_t i;
	int err = 0;

	for (i = 0; i < t->series.count && !err; i++) {
		struct timeline_series *s = &t->series.items[i];
		struct timeline_row process = {.image = s->key.image, .whole = true};
		uint32_t whole = hash__get(&t->index, KEY(&process));

		if (whole != HASH_NONE && is_current(t, &t->series.items[whole]) &&
		    !is_current(t, s))
			err = add_point(t, s, at_s, 0, t->series.items[whole].done, SIZE_MAX);
	}
	return err;
}

static int compare_series(const void *x, const void *y)
{
	const struct timeline_series *a = x, *b = y;

	COMPARE(a->key.image, b->key.image);
	COMPARE(b->key.whole, a->key.whole);
	COMPARE(b->most, a->most);
	return compare_keys(&a->key, &b->key);
}

static void forget_small(struct timeline *t)
{
	size_t i, place = 0;

	if (t->series.count)
		qsort(t->series.items, t->series.count, sizeof(*t->series.items), compare_series);
	for (i = 0; i < t->series.count; i++) {
		struct timeline_series *s = &t->series.items[i];

		if (!i || s->key.image != s[-1].key.image)
			place = 0;
		if (s->key.whole)
			continue;
		if (place++ >= TIMELINE_JOIN && s->rank >= TIMELINE_LEAVE)
			s->points.count = 0;
	}
}

/* --- what is done --- */

struct done {
	VECTOR(struct timeline_series) series; /* their points follow each other */
	VECTOR(struct profile_point) points;
};

#define DONE_VECTORS(d)                                                                            \
	{                                                                                          \
		PACKED_VECTOR(&(d)->series), PACKED_VECTOR(&(d)->points)                           \
	}

static void release_done(struct done *d)
{
	vector_release(&d->series);
	vector_release(&d->points);
}

static int add_done(struct done *d, const struct timeline_series *s)
{
	size_t n = s->points.count, old = d->points.count;
	int err = vector_reserve(&d->points, old + n);

	if (!err)
		err = vector_push(&d->series, *s);
	if (err)
		return err;
	memcpy(d->points.items + old, s->points.items, n * sizeof(*s->points.items));
	d->points.count += n;
	return 0;
}

static int put_done_away(struct timeline *t)
{
	CLEANUP(release_done) struct done d = {0};
	const struct packed_vector vectors[] = DONE_VECTORS(&d);
	struct packed *packed;
	size_t i;
	int err = 0;

	for (i = 0; i < t->series.count && !err; i++) {
		struct timeline_series *s = &t->series.items[i];

		if (!s->done || !s->points.count)
			continue;
		err = add_done(&d, s);
		s->points.count = 0;
	}
	if (err || !d.series.count)
		return err;
	err = vector_reserve(&t->done, t->done.count + 1);
	if (!err)
		err = packed__create(vectors, ARRAY_SIZE(vectors), &packed);
	if (!err)
		t->done.items[t->done.count++] = packed;
	return err;
}

static int for_each_done(const struct packed *packed, timeline_fn *fn, void *context)
{
	CLEANUP(release_done) struct done d = {0};
	const struct packed_vector vectors[] = DONE_VECTORS(&d);
	struct profile_point *points;
	size_t i;
	int err = packed__open(packed, vectors, ARRAY_SIZE(vectors));

	points = d.points.items;
	for (i = 0; i < d.series.count && !err; i++) {
		struct timeline_series *s = &d.series.items[i];

		s->points.items = points;
		points += s->points.count;
		err = fn(context, s);
	}
	return err;
}

int timeline__for_each(const struct timeline *t, timeline_fn *fn, void *context)
{
	size_t i;
	int err = 0;

	for (i = 0; i < t->series.count && !err; i++)
		err = fn(context, &t->series.items[i]);
	for (i = 0; i < t->done.count && !err; i++)
		err = for_each_done(t->done.items[i], fn, context);
	return err;
}

int timeline__add(struct timeline *t, double at_s, bool peek, struct timeline_row *rows, size_t nr)
{
	size_t i, rank = 0;
	int err = 0;

	if (t->provisional)
		drop_last_point(t);
	t->stride = t->stride ? t->stride : 1;
	if (t->count == PROFILE_POINTS_MAX)
		halve(t);
	t->adds++;
	t->provisional = peek || t->reports % t->stride;
	t->reports += !peek;
	nr = sort_rows(rows, nr);
	for (i = 0; i < nr && !err; i++) {
		rank = rows[i].whole || (i && rows[i].image != rows[i - 1].image) ? 0 : rank;
		err = add_row(t, at_s, peek, &rows[i], rank);
		rank += !rows[i].whole;
	}
	if (!err)
		err = add_freed(t, at_s);
	t->count++;
	if (err)
		return err;
	forget_small(t);
	err = put_done_away(t);
	return err ? err : compact(t);
}

int timeline__copy(const struct timeline_series *s, struct profile *p,
		   struct profile_history *history)
{
	const size_t n = s->points.count, old = history->count;
	struct profile_history sum = {.first = p->points.count};
	size_t longer = n > old ? n : old, i;
	int err = vector_reserve(&p->points, p->points.count + longer);

	if (err)
		return err;
	for (i = longer; i > 0; i--) { /* points before the end */
		struct profile_point point = {0};

		if (i <= old)
			point = p->points.items[history->first + old - i];
		if (i <= n) {
			point.at_s = s->points.items[n - i].at_s;
			point.bytes += s->points.items[n - i].bytes;
		}
		p->points.items[p->points.count++] = point;
	}
	sum.count = longer;
	*history = sum;
	return 0;
}
