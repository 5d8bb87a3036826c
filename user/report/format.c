// SPDX-License-Identifier: GPL-2.0-or-later
#include "report/format.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "util/cleanup.h"
#include "util/utf8.h"

/* Numbers */

char *format__number(char buf[static FORMAT_SIZE], uint64_t n)
{
	char digits[24];
	size_t length = snprintf(digits, sizeof(digits), "%" PRIu64, n);
	char *out = buf;
	size_t i;

	for (i = 0; i < length; i++) {
		if (i && (length - i) % 3 == 0)
			*out++ = ',';
		*out++ = digits[i];
	}
	*out = '\0';
	return buf;
}

/* @n divided by @base until it has a unit, "12.1", and the number of that unit, from 0. */
static size_t scale(char buf[static FORMAT_SIZE], uint64_t n, unsigned int base, size_t nr_units)
{
	double tenths = (double)n / base * 10;
	size_t unit = 0;
	uint64_t rounded;

	/* "1024.0 KiB" is "1.0 MiB": the rounded value decides. */
	for (; tenths + 0.5 >= 10.0 * base && unit + 1 < nr_units; unit++)
		tenths /= base;
	rounded = tenths + 0.5;
	snprintf(buf, FORMAT_SIZE, "%" PRIu64 ".%" PRIu64, rounded / 10, rounded % 10);
	return unit;
}

char *format__count(char buf[static FORMAT_SIZE], uint64_t n)
{
	static const char *const units[] = {"K", "M", "G", "T", "P", "E"};

	if (n < 1000000)
		return format__number(buf, n);
	return strcat(buf, units[scale(buf, n, 1000, ARRAY_SIZE(units))]);
}

char *format__bytes(char buf[static FORMAT_SIZE], uint64_t bytes)
{
	static const char *const units[] = {" KiB", " MiB", " GiB", " TiB", " PiB", " EiB"};

	if (bytes < 10 * 1024)
		return strcat(format__number(buf, bytes), " B");
	return strcat(buf, units[scale(buf, bytes, 1024, ARRAY_SIZE(units))]);
}

char *format__change(char buf[static FORMAT_SIZE], double bytes)
{
	char number[FORMAT_SIZE];
	double size = bytes < 0 ? -bytes : bytes;
	uint64_t n = 0;

	if (size >= 0x1p64)
		n = UINT64_MAX;
	else if (size >= 0.5) /* no: it is no number */
		n = size + 0.5;
	snprintf(buf, FORMAT_SIZE, "%s%s",
		 !n	     ? ""
		 : bytes < 0 ? "-"
			     : "+",
		 format__bytes(number, n));
	return buf;
}

char *format__age(char buf[static FORMAT_SIZE], double ms)
{
	uint64_t t = ms >= 0 && ms < 1e15 ? ms : ms >= 1e15 ? 1e15 : 0;
	unsigned long long s = t / 1000;

	if (t < 1000)
		snprintf(buf, FORMAT_SIZE, "%llu ms", (unsigned long long)t);
	else if (s < 60)
		snprintf(buf, FORMAT_SIZE, "%llu.%llu s", s, (unsigned long long)t % 1000 / 100);
	else if (s < 3600)
		snprintf(buf, FORMAT_SIZE, "%llum%02llus", s / 60, s % 60);
	else if (s < 86400)
		snprintf(buf, FORMAT_SIZE, "%lluh%02llum", s / 3600, s % 3600 / 60);
	else
		snprintf(buf, FORMAT_SIZE, "%llud%02lluh", s / 86400, s % 86400 / 3600);
	return buf;
}

char *format__decimal(char buf[static FORMAT_SIZE], double x, int decimals)
{
	double scaled = x;
	uint64_t n = UINT64_MAX, unit = 1;
	int i;

	for (i = 0; i < decimals; i++)
		unit *= 10;
	scaled = isfinite(x) ? fabs(x) * unit + 0.5 : 0;
	if (scaled < 0x1p64)
		n = scaled;
	snprintf(buf, FORMAT_SIZE, "%s%" PRIu64 ".%0*" PRIu64, x < 0 && n ? "-" : "", n / unit,
		 decimals, n % unit);
	return buf;
}

/* Times */

/* Split into what gmtime takes and milliseconds from 0 to 999. */
static time_t split_time(int64_t time_ms, int *ms)
{
	*ms = (time_ms % 1000 + 1000) % 1000;
	return time_ms / 1000 - (time_ms % 1000 < 0);
}

char *format__clock(char buf[static FORMAT_SIZE], int64_t time_ms, bool milliseconds)
{
	struct tm tm;
	int ms;
	time_t t = split_time(time_ms, &ms);

	if (!localtime_r(&t, &tm))
		tm = (struct tm){0};
	snprintf(buf, FORMAT_SIZE, "%02d:%02d:%02d", tm.tm_hour, tm.tm_min, tm.tm_sec);
	if (milliseconds)
		snprintf(buf + strlen(buf), FORMAT_SIZE - strlen(buf), ".%03d", ms);
	return buf;
}

char *format__iso_time(char buf[static FORMAT_SIZE], int64_t time_ms)
{
	struct tm tm;
	int ms;
	time_t t = split_time(time_ms, &ms);

	if (!gmtime_r(&t, &tm))
		tm = (struct tm){.tm_year = 70, .tm_mday = 1};
	snprintf(buf, FORMAT_SIZE, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900,
		 tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, ms);
	return buf;
}

/* Names */

/* Characters that a terminal would obey, or that make what follows look like something else. */
static bool is_harmful(uint32_t code)
{
	static const uint32_t ranges[][2] = {
		{0x00, 0x1f},	  {0x7f, 0x9f},	    {0x061c, 0x061c}, {0x200b, 0x200f},
		{0x2028, 0x202e}, {0x2060, 0x2069}, {0xfeff, 0xfeff}, {0xfff9, 0xfffb},
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ranges); i++)
		if (code >= ranges[i][0] && code <= ranges[i][1])
			return true;
	return false;
}

/* One character of @name in a form fit for a terminal. Returns the bytes read. */
static size_t sanitize(const char *name, char out[static 8], size_t *columns)
{
	uint32_t code;
	size_t n = utf8__decode(name, &code);

	if (code == UTF8_NONE || (is_harmful(code) && code < 0x80)) {
		*columns = snprintf(out, 8, "\\x%02x", (unsigned char)*name);
	} else if (is_harmful(code)) {
		*columns = snprintf(out, 8, "\\u%04x", (unsigned int)code & 0xffff);
	} else {
		memcpy(out, name, n);
		out[n] = '\0';
		*columns = 1;
	}
	return n;
}

/* How many characters at @s need no look: ASCII that a terminal shows as it is. */
static size_t plain_length(const char *s)
{
	const char *c = s;

	while (*c >= ' ' && *c <= '~')
		c++;
	return c - s;
}

/* Of a name of @total columns that is to take at most @columns, so many of its start stay. It tells
 * more than its end. */
static size_t head_columns(size_t total, size_t columns)
{
	return total > columns ? (columns - 3) * 2 / 3 : total;
}

/* The same as below for a name of plain characters alone, as nearly all are. */
static size_t plain_name(char buf[static FORMAT_NAME_SIZE], const char *name, size_t total,
			 size_t columns)
{
	size_t head = head_columns(total, columns);
	char *out = mempcpy(buf, name, head);

	if (head < total) {
		size_t tail = columns - 3 - head;

		out = mempcpy(out, "...", 3);
		out = mempcpy(out, name + total - tail, tail);
	}
	*out = '\0';
	return out - buf;
}

size_t format__name(char buf[static FORMAT_NAME_SIZE], const char *name, size_t columns)
{
	size_t total = plain_length(name), head, tail_from, at, width, taken = 0;
	bool cut = false;
	char piece[8];
	char *out = buf;
	const char *c = name + total;

	if (!*c)
		return plain_name(buf, name, total, columns);
	for (; *c; total += width)
		c += sanitize(c, piece, &width);
	head = head_columns(total, columns);
	tail_from = total > columns ? total - (columns - 3 - head) : total;
	for (c = name, at = 0; *c; at += width) {
		c += sanitize(c, piece, &width);
		if ((!cut && at + width <= head) || at >= tail_from) {
			out = stpcpy(out, piece);
			taken += width;
		} else if (!cut) {
			out = stpcpy(out, "...");
			taken += 3;
			cut = true;
		}
	}
	*out = '\0';
	return taken;
}

const char *format__basename(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}
