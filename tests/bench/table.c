// SPDX-License-Identifier: GPL-2.0-or-later
#include "table.h"

#include <stdio.h>
#include <stdlib.h>

#include "util/cleanup.h"

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void release(struct samples *s)
{
	vector_release(&s->ns);
}

/* Sorts them. */
static struct summary summarize(struct samples *s)
{
	size_t n = s->ns.count;

	if (!n)
		return (struct summary){0};
	qsort(s->ns.items, n, sizeof(*s->ns.items), compare);
	return (struct summary){
		.median = (s->ns.items[n / 2] + s->ns.items[(n - 1) / 2]) / 2,
		.least = s->ns.items[0],
		.most = s->ns.items[n - 1],
	};
}

struct summary summary__of(const struct samples *s)
{
	CLEANUP(release) struct samples copy = {0};
	size_t i;

	for (i = 0; i < s->ns.count; i++)
		if (vector_push(&copy.ns, s->ns.items[i]))
			break;
	return summarize(&copy);
}

struct summary summary__ratio(const struct samples *s, const struct samples *base)
{
	CLEANUP(release) struct samples ratios = {0};
	size_t i;

	for (i = 0; i < s->ns.count && i < base->ns.count; i++)
		if (vector_push(&ratios.ns, s->ns.items[i] / base->ns.items[i]))
			break;
	return summarize(&ratios);
}

void table__print_head(const char *title, const char *base, const char *const *builds,
		       size_t nr_builds)
{
	size_t i;

	printf("\n%s: ns a call; ratio to %s\n%-24s", title, base, "");
	for (i = 0; i < nr_builds; i++)
		printf("  | %-40s", builds[i]);
	printf("\n%-19s depth", "");
	for (i = 0; i < nr_builds; i++)
		printf("  | %6s %6s %6s  %6s %5s %5s", "median", "min", "max", "ratio", "min",
		       "max");
	putchar('\n');
}

void table__print_name(const char *name, unsigned int number)
{
	if (number)
		printf("%-20.20s %3u", name, number);
	else
		printf("%-24.24s", name);
}

void table__print_cell(const struct samples *s, const struct samples *base)
{
	struct summary ns = summary__of(s), ratio = {0};
	const char *form = ns.median < 1000 ? "  | %6.1f %6.1f %6.1f" : "  | %6.0f %6.0f %6.0f";

	if (base)
		ratio = summary__ratio(s, base);
	if (!s->ns.count)
		printf("  | %-40s", "-");
	else
		printf(form, ns.median, ns.least, ns.most);
	if (s->ns.count && base && base->ns.count)
		printf("  %6.2f %5.2f %5.2f", ratio.median, ratio.least, ratio.most);
}

void table__end_row(void)
{
	putchar('\n');
}

void table__print_seconds_head(const char *title, const char *base)
{
	printf("\n%s; ratio to %s\n%-24s", title, base, "");
	printf("  | %7s %7s %7s  %7s %6s %6s\n", "median", "min", "max", "ratio", "min", "max");
}

void table__print_seconds(const struct samples *s, const struct samples *base)
{
	struct summary t = summary__of(s), ratio = {0};

	if (base)
		ratio = summary__ratio(s, base);
	printf("  | %7.3f %7.3f %7.3f", t.median, t.least, t.most);
	if (base)
		printf("  %7.3f %6.3f %6.3f", ratio.median, ratio.least, ratio.most);
	putchar('\n');
}

bool table__print_goal(const char *what, const char *build, const struct samples *s,
		       const struct samples *base, double goal)
{
	struct summary ratio = summary__ratio(s, base);
	double minima = summary__of(s).least / summary__of(base).least;
	bool reached = ratio.median <= goal;

	if (!s->ns.count || !base->ns.count)
		return true;
	printf("%s  %.3f (%.3f), at most %.2f: %s, %s\n", reached ? "OK  " : "over", ratio.median,
	       minima, goal, what, build);
	return reached;
}
