// SPDX-License-Identifier: GPL-2.0-or-later
#include "live/history.h"

#include <string.h>

#include "util/cleanup.h"

void history__release(struct history *h)
{
	vector_release(&h->series);
	hash__release(&h->index);
	h->now = 0;
}

/* Forget what is too long ago. */
static int forget(struct history *h)
{
	size_t i, kept = 0;
	int err = 0;

	for (i = 0; i < h->series.count; i++)
		if (h->series.items[i].last + HISTORY_POINTS > h->now)
			h->series.items[kept++] = h->series.items[i];
	h->series.count = kept;
	hash__release(&h->index);
	for (i = 0; i < kept && !err; i++)
		err = hash__set(&h->index, h->series.items[i].key, 0, i);
	return err;
}

int history__begin(struct history *h)
{
	h->now++;
	return h->now % HISTORY_POINTS ? 0 : forget(h);
}

static int find_series(struct history *h, uint64_t key, struct history_series **ret)
{
	uint32_t i = hash__get(&h->index, key, 0);
	int err;

	if (i == HASH_NONE) {
		struct history_series s = {.key = key, .first = h->now, .last = h->now};

		err = vector_push(&h->series, s);
		if (err)
			return err;
		i = h->series.count - 1;
		err = hash__set(&h->index, key, 0, i);
		if (err)
			return err;
	}
	*ret = &h->series.items[i];
	return 0;
}

int history__add(struct history *h, uint64_t key, uint64_t value)
{
	struct history_series *s;
	int err = find_series(h, key, &s);

	if (err)
		return err;
	if (h->now >= s->last + HISTORY_POINTS)
		*s = (struct history_series){.key = key, .first = h->now, .last = h->now};
	while (s->last < h->now)
		s->points[++s->last % HISTORY_POINTS] = 0;
	s->points[h->now % HISTORY_POINTS] += value;
	return 0;
}

size_t history__get(const struct history *h, uint64_t key, uint64_t *ret, size_t n)
{
	uint32_t i = hash__get(&h->index, key, 0);
	const struct history_series *s;
	uint64_t at, known;
	size_t got = 0;

	if (i == HASH_NONE)
		return 0;
	s = &h->series.items[i];
	known = h->now - s->first + 1;
	if (n > HISTORY_POINTS)
		n = HISTORY_POINTS;
	if (n > known)
		n = known;
	for (at = h->now - n + 1; at <= h->now; at++)
		ret[got++] = at <= s->last ? s->points[at % HISTORY_POINTS] : 0;
	return got;
}

char *history__spark(const struct history *h, uint64_t key, size_t columns, bool utf8,
		     char buf[static HISTORY_SPARK_SIZE])
{
	static const char *const blocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
	static const char *const letters[] = {"_", ".", ":", "-", "=", "+", "*", "#"};
	uint64_t points[HISTORY_POINTS], min = UINT64_MAX, max = 0;
	size_t n, i, level;
	char *out = buf;

	if (columns > HISTORY_POINTS)
		columns = HISTORY_POINTS;
	n = history__get(h, key, points, columns);
	for (i = 0; i < n; i++) {
		min = points[i] < min ? points[i] : min;
		max = points[i] > max ? points[i] : max;
	}
	for (i = n; i < columns; i++)
		*out++ = ' ';
	for (i = 0; i < n; i++) {
		level = max - min <= max / 100 ? 0
					       : (double)(points[i] - min) / (max - min) *
								 (ARRAY_SIZE(blocks) - 1) +
							 0.5;
		out = stpcpy(out, utf8 ? blocks[level] : letters[level]);
	}
	*out = '\0';
	return buf;
}
