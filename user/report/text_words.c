// SPDX-License-Identifier: GPL-2.0-or-later
#include "report/text_private.h"

void report_text__start_style(struct text *t, enum style style)
{
	/* SGR of ECMA-48: bold, red, yellow, faint */
	static const char *const codes[] = {
		[STYLE_PLAIN] = "",	      [STYLE_TITLE] = "\033[1m",
		[STYLE_NUMBER] = "\033[1m",   [STYLE_ALARM] = "\033[31m",
		[STYLE_WARNING] = "\033[33m", [STYLE_FAINT] = "\033[2m",
	};

	if (t->o->color)
		stream__print(&t->s, "%s", codes[style]);
}

void report_text__end_style(struct text *t, enum style style)
{
	if (t->o->color && style != STYLE_PLAIN)
		stream__print(&t->s, "\033[0m");
}

const char *report_text__count(char buf[static FORMAT_SIZE], uint64_t n, const char *what)
{
	char number[FORMAT_SIZE];

	snprintf(buf, FORMAT_SIZE, "%s %s%s", format__count(number, n), what, n == 1 ? "" : "s");
	return buf;
}

const char *report_text__amount(const struct text *t, char buf[static FORMAT_SIZE], uint64_t bytes)
{
	return t->p->diff ? format__change(buf, (int64_t)bytes) : format__bytes(buf, bytes);
}

const char *report_text__amount_of(const struct text *t, char buf[static FORMAT_SIZE], uint64_t n,
				   const char *what)
{
	bool negative = t->p->diff && (int64_t)n < 0;
	char count[FORMAT_SIZE];

	if (!t->p->diff)
		return report_text__count(buf, n, what);
	report_text__count(count, negative ? -n : n, what);
	snprintf(buf, FORMAT_SIZE, "%s%.40s", negative ? "-" : n ? "+" : "", count);
	return buf;
}

const char *report_text__sum(char buf[static 2 * FORMAT_SIZE], const struct profile_sum *sum)
{
	char bytes[FORMAT_SIZE], blocks[FORMAT_SIZE];

	snprintf(buf, 2 * FORMAT_SIZE, "%s in %s", format__bytes(bytes, sum->bytes),
		 report_text__count(blocks, sum->blocks, "block"));
	return buf;
}
