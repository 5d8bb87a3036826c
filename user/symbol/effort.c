// SPDX-License-Identifier: GPL-2.0-or-later
#include "symbol/effort.h"

#include <time.h>

#include "util/log.h"

#define NS	1000000000ULL
#define TELL_NS (1 * NS)
/* Of one round: the largest debug files, of browsers, need some seconds. */
#define ROUND_NS (20 * NS)
/* Of all: by then such a file would have been read from end to end. */
#define TOTAL_NS	(300 * NS)
#define TICKS_PER_CHECK 1024

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NS + ts.tv_nsec;
}

void effort__begin(struct effort *e)
{
	e->begun_ns = now_ns();
}

void effort__end(struct effort *e)
{
	e->before_ns += now_ns() - e->begun_ns;
}

void effort__tell(struct effort *e)
{
	if (e->tell && !e->told && now_ns() - e->begun_ns > TELL_NS) {
		e->told = true;
		log_notice("%s %s ...", e->what, e->path);
	}
}

bool effort__check(struct effort *e)
{
	uint64_t round = now_ns() - e->begun_ns;

	if (e->spent)
		return false;
	effort__tell(e);
	if (round > ROUND_NS || e->before_ns + round > TOTAL_NS) {
		e->spent = true;
		log_notice("%s: its symbols take too long to read; some names will be missing",
			   e->path);
	}
	return !e->spent;
}

bool effort__tick(struct effort *e)
{
	if (++e->ticks % TICKS_PER_CHECK)
		return !e->spent;
	return effort__check(e);
}
