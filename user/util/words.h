/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_UTIL_WORDS_H
#define MEMLEAK_UTIL_WORDS_H

/*
 * Split @line into words as a POSIX shell does (blanks separate; '...', "..." and backslash quote;
 * nothing is expanded). *@ret is a NULL-terminated array in one allocation, freed with free().
 * 0, -EINVAL on an unfinished quote or a trailing backslash, -ENODATA where there is no word,
 * -ENOMEM.
 */
int words__split(const char *line, char ***ret);

#endif
