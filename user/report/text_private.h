/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_REPORT_TEXT_PRIVATE_H
#define MEMLEAK_REPORT_TEXT_PRIVATE_H

/*
 * The report for a person at a terminal: 100 columns where names allow.
 *
 *   [time] comm[pid]: outstanding, growth, allocations and frees, anything lost
 *
 *     bytes in blocks, growth, age, family, verdict, type
 *         function+0xoff     file.c:line  (module)
 *
 * With several processes a table of those that hold most comes first. The first SHOWN_PROCESSES of
 * them get their stacks; a final report has a line for each of the others too.
 *
 * text.c says what is said of processes, text_stacks.c what stands below them: stacks and wrong
 * frees. text_words.c has the words and the colours of both.
 */

#include <stdint.h>

#include "profile/profile.h"
#include "report/format.h"
#include "report/report.h"
#include "report/stream.h"

struct text {
	struct stream s;
	const struct profile *p;
	const struct report_options *o;
};

enum style { STYLE_PLAIN, STYLE_TITLE, STYLE_NUMBER, STYLE_ALARM, STYLE_WARNING, STYLE_FAINT };

/* Print in @style, ended by plain. */
#define print_styled(t, style, ...)                                                                \
	do {                                                                                       \
		report_text__start_style((t), (style));                                            \
		stream__print(&(t)->s, __VA_ARGS__);                                               \
		report_text__end_style((t), (style));                                              \
	} while (0)

/* --- text_words.c --- */

void report_text__start_style(struct text *t, enum style style);
void report_text__end_style(struct text *t, enum style style);

/* "1 block", "1,024 blocks", "1.2M blocks" */
const char *report_text__count(char buf[static FORMAT_SIZE], uint64_t n, const char *what);

/* @bytes, or a difference with its sign. */
const char *report_text__amount(const struct text *t, char buf[static FORMAT_SIZE], uint64_t bytes);

/* "100 blocks", or a difference, "+100 blocks" */
const char *report_text__amount_of(const struct text *t, char buf[static FORMAT_SIZE], uint64_t n,
				   const char *what);

/* "12.1 KiB in 100 blocks" */
const char *report_text__sum(char buf[static 2 * FORMAT_SIZE], const struct profile_sum *sum);

/* --- text_stacks.c --- */

/* The stacks of @process, as many as are wanted, and how much the others hold. */
void report_text__print_entries(struct text *t, const struct profile_process *process);

/* The wrong frees, in front of the stacks: they are errors whatever is outstanding. */
void report_text__print_wrong_frees(struct text *t, const struct profile_process *process);

#endif
