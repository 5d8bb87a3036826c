// SPDX-License-Identifier: GPL-2.0-or-later
#include "profile/history.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>

#define POINT_SIZE 48 /* of a point's text; times are below 1e18 */
#define LATEST_S   1e15

char *history__text(const struct profile *p, const struct profile_history *history)
{
	char *text = malloc((size_t)history->count * POINT_SIZE + 1), *end = text;
	uint32_t i;

	if (!text)
		return NULL;
	*text = '\0';
	for (i = 0; i < history->count; i++) {
		const struct profile_point *point = &p->points.items[history->first + i];
		double at = point->at_s >= 0 && point->at_s < LATEST_S ? point->at_s : 0;

		end += snprintf(end, POINT_SIZE, "%s%.3f:%" PRIu64, i ? "," : "", at, point->bytes);
	}
	return text;
}

/* Read one point at *@text, which moves on behind it. */
static bool read_point(const char **text, struct profile_point *ret)
{
	char *end;

	if (!isdigit((unsigned char)**text))
		return false;
	ret->at_s = strtod(*text, &end);
	if (*end != ':' || !isdigit((unsigned char)end[1]) || !(ret->at_s < LATEST_S))
		return false;
	ret->bytes = strtoull(end + 1, &end, 10);
	*text = end;
	return true;
}

int history__read(struct profile *p, const char *text, struct profile_history *ret)
{
	struct profile_history history = {.first = p->points.count};
	struct profile_point point;
	double last_s = 0;
	int err = 0;

	while (history.count < PROFILE_POINTS_MAX && read_point(&text, &point) &&
	       point.at_s >= last_s) {
		err = vector_push(&p->points, point);
		if (err)
			return err;
		history.count++;
		last_s = point.at_s;
		if (*text++ != ',')
			break;
	}
	*ret = history;
	return 0;
}
