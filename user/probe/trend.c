// SPDX-License-Identifier: GPL-2.0-or-later
#include "probe/trend.h"

#include <string.h>

/* Reports that it takes to say anything. */
#define FEW 3

static void remember(struct trend *t, uint64_t alive)
{
	if (t->nr == TREND_REPORTS)
		memmove(t->history, t->history + 1, --t->nr * sizeof(*t->history));
	t->history[t->nr++] = alive;
}

void trend__look(struct trend *t, const struct trend_look *look)
{
	uint64_t before, gone, born;

	/* A stack that was not there in the report before had no blocks. */
	if (!t->seq || t->seq + 1 != look->seq)
		*t = (struct trend){.free_ns = look->last_ns ? look->last_ns : look->now_ns};
	before = t->alive;
	gone = before > look->old ? before - look->old : 0;
	born = look->alive > look->old ? look->alive - look->old : 0;
	if (gone) {
		t->gone++;
		t->free_ns = look->now_ns;
		t->births = 0;
	}
	if (born) {
		if (!t->births++)
			t->first_birth_ns = look->now_ns;
		t->last_birth_ns = look->now_ns;
	}
	t->quiet = gone || born ? 0 : t->quiet + 1;
	t->alive = look->alive;
	t->seq = look->seq;
	remember(t, look->alive);
}

/* New blocks came again and again, none went, and the next ones are not overdue. */
static bool grows(const struct trend *t, uint64_t now_ns)
{
	uint64_t spacing;

	if (t->births < FEW)
		return false;
	spacing = (t->last_birth_ns - t->first_birth_ns) / (t->births - 1);
	return now_ns - t->last_birth_ns <= 2 * spacing;
}

/* The least of the later reports is above the most of the earlier ones. */
static bool rises(const struct trend *t)
{
	uint64_t most = 0, least = UINT64_MAX;
	uint32_t i;

	for (i = 0; i < t->nr; i++) {
		if (i < t->nr / 2)
			most = t->history[i] > most ? t->history[i] : most;
		else
			least = t->history[i] < least ? t->history[i] : least;
	}
	return least > most;
}

enum profile_trend trend__judge(const struct trend *t, uint64_t now_ns, uint64_t *since_ns)
{
	*since_ns = t->free_ns;
	if (grows(t, now_ns))
		return PROFILE_TREND_GROWS;
	if (t->quiet >= FEW) {
		if (t->births)
			*since_ns = t->last_birth_ns;
		return PROFILE_TREND_UNCHANGED;
	}
	/* Blocks come and go. */
	if (t->nr < 2 * FEW || !t->gone)
		return PROFILE_TREND_NONE;
	*since_ns = 0;
	return rises(t) ? PROFILE_TREND_RISES : PROFILE_TREND_TURNS_OVER;
}
