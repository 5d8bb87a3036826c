// SPDX-License-Identifier: GPL-2.0-or-later
#include "util/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

/* Written once at start: what the person asked to see is a property of the process's stderr. */
static enum log_level shown = LOG_LEVEL_NOTICE;

/* And so is who draws on its terminal. */
static log_fn *diverted;
static void *diverted_context;

void log__divert(log_fn *fn, void *context)
{
	diverted = fn;
	diverted_context = context;
}

/* And whether it has none. */
static log_sink *sink;

void log__set_sink(log_sink *fn)
{
	sink = fn;
}

void log__set_level(enum log_level level)
{
	shown = level;
}

int log__enabled(enum log_level level)
{
	return level <= shown;
}

void log__print(enum log_level level, const char *fmt, ...)
{
	static const char *const prefix[] = {
		[LOG_LEVEL_ERROR] = "", [LOG_LEVEL_WARNING] = "warning: ", [LOG_LEVEL_NOTICE] = "",
		[LOG_LEVEL_INFO] = "",	[LOG_LEVEL_DEBUG] = "debug: ",
	};
	int saved = errno;
	char text[2048], line[2200];
	va_list ap;

	if (!log__enabled(level))
		return;
	va_start(ap, fmt);
	errno = saved; /* for %m */
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (sink) {
		sink(level, text);
		errno = saved;
		return;
	}
	/* One write, so that lines of the traced command do not land in the middle. */
	snprintf(line, sizeof(line), "memleak-bpf: %s%s\n", prefix[level], text);
	if (diverted)
		diverted(diverted_context, line);
	else
		fputs(line, stderr);
	errno = saved;
}
