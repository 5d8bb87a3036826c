/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_UTIL_LOG_H
#define MEMLEAK_UTIL_LOG_H

/*
 * Messages to the person at the terminal, one line each on standard error, led by the program's
 * name. Standard output carries reports alone.
 */

enum log_level {
	LOG_LEVEL_NONE,	   /* nothing: for tests */
	LOG_LEVEL_ERROR,   /* the work cannot be done */
	LOG_LEVEL_WARNING, /* a result is incomplete */
	LOG_LEVEL_NOTICE,  /* what takes long, and why; the default shows up to here */
	LOG_LEVEL_INFO,	   /* -v: what was found and done */
	LOG_LEVEL_DEBUG,   /* -vv: for whoever debugs the tool */
};

/* Set once by main, before any other thread or log line; messages above @level are dropped. */
void log__set_level(enum log_level level);

/* Give each line, with its final newline, to @fn instead of standard error, which shares the
 * terminal with whoever draws on it; NULL: no more. */
typedef void log_fn(void *context, const char *line);
void log__divert(log_fn *fn, void *context);

/* Where messages go instead, as they are; set once, as the level. */
typedef void log_sink(enum log_level level, const char *line);
void log__set_sink(log_sink *fn);

/* True where a message of @level would be shown: guards work done only for a message. */
int log__enabled(enum log_level level);

/* Print one line. errno is unchanged. @fmt has no final newline. */
void log__print(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...)	 log__print(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log__print(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...)	 log__print(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_info(...)	 log__print(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)	 log__print(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
