// SPDX-License-Identifier: GPL-2.0-or-later
#include "report/hint.h"

#include <stdio.h>

#include "report/format.h"

const char *hint__text(const struct profile_entry *e, char buf[static HINT_SIZE])
{
	static const char *const texts[PROFILE_TRENDS] = {
		[PROFILE_TREND_GROWS] = "grows steadily, nothing freed since",
		[PROFILE_TREND_RISES] = "grows, although blocks are freed too",
		[PROFILE_TREND_TURNS_OVER] = "as many blocks go as come",
		[PROFILE_TREND_UNCHANGED] = "the same blocks since",
	};
	char time[FORMAT_SIZE] = "";

	if (e->trend == PROFILE_TREND_NONE)
		return NULL;
	if (e->trend_since_ms)
		format__clock(time, e->trend_since_ms, false);
	snprintf(buf, HINT_SIZE, "%s%s%s; %u age generation%s alive", texts[e->trend],
		 *time ? " " : "", time, e->generations, e->generations == 1 ? "" : "s");
	return buf;
}
