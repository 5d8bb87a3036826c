/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_REPORT_FORMAT_H
#define MEMLEAK_REPORT_FORMAT_H

/*
 * Numbers, times and names as reports show them.
 *
 * Names come from the traced process and are hostile: a symbol may hold escape sequences, a path
 * may be no UTF-8, a template's name may be ten thousand characters long. Numbers look the same in
 * every locale. Each function that takes a buffer returns it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FORMAT_SIZE 48 /* of the buffer for any number or time */

/* Columns of a name in a text report; longer ones lose their middle. */
#define FORMAT_NAME_COLUMNS 200
#define FORMAT_NAME_SIZE    (4 * FORMAT_NAME_COLUMNS + 16)

/* "1,024" */
char *format__number(char buf[static FORMAT_SIZE], uint64_t n);

/* Exact below a million, "999,999", then with one decimal, "12.1M". */
char *format__count(char buf[static FORMAT_SIZE], uint64_t n);

/* Exact below 10 KiB, "9,999 B", then with one decimal, "12.1 KiB". */
char *format__bytes(char buf[static FORMAT_SIZE], uint64_t bytes);

/* The same with its sign, "+12.1 KiB"; zero, and what is no number, is "0 B". */
char *format__change(char buf[static FORMAT_SIZE], double bytes);

/* "510 ms", "4.8 s", "12m05s", "3h05m", "2d03h" */
char *format__age(char buf[static FORMAT_SIZE], double ms);

/* With @decimals (at most 9) digits behind a point; 0 for what is no finite number. */
char *format__decimal(char buf[static FORMAT_SIZE], double x, int decimals);

/* Local time of day, "23:20:00", with @milliseconds "23:20:00.123". @time_ms since 1970 UTC. */
char *format__clock(char buf[static FORMAT_SIZE], int64_t time_ms, bool milliseconds);

/* ISO 8601 in UTC, "2026-11-22T23:20:00.123Z". */
char *format__iso_time(char buf[static FORMAT_SIZE], int64_t time_ms);

/*
 * @name for a terminal: control characters, bytes that are no UTF-8 and characters that reorder
 * text become \xNN or \uNNNN, and the middle of what is wider than @columns (at least 16, at most
 * FORMAT_NAME_COLUMNS) becomes "...". Returns the columns taken.
 */
size_t format__name(char buf[static FORMAT_NAME_SIZE], const char *name, size_t columns);

/* The part behind the last slash, where there is something behind it. */
const char *format__basename(const char *path);

#endif
