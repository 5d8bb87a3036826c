// SPDX-License-Identifier: GPL-2.0-or-later
#include "report/frame.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What names of files are cut to. */
#define FILE_COLUMNS 64

/* Put @name in at most @columns, then what @fmt says, into @buf. Returns the columns taken. */
static size_t name_with(char buf[static FRAME_TEXT_SIZE], size_t columns, const char *name,
			const char *fmt, ...) __attribute__((format(printf, 4, 5)));
static size_t name_with(char buf[static FRAME_TEXT_SIZE], size_t columns, const char *name,
			const char *fmt, ...)
{
	size_t length;
	va_list ap;

	columns = format__name(buf, name, columns);
	length = strlen(buf);
	va_start(ap, fmt);
	columns += vsnprintf(buf + length, FRAME_TEXT_SIZE - length, fmt, ap);
	va_end(ap);
	return columns;
}

void frame__describe(const struct profile *p, const struct profile_location *location,
		     const struct profile_line *line, struct frame_text *ret)
{
	const struct profile_module *module =
		location->module < p->modules.count ? &p->modules.items[location->module] : NULL;
	const char *file = line->file && *line->file ? format__basename(line->file) : NULL;
	char *function = ret->function;
	size_t columns;

	if (!line->symbol || !*line->symbol)
		columns = snprintf(function, FRAME_TEXT_SIZE, "0x%" PRIx64, location->pc);
	else if (line->inlined)
		columns = name_with(function, FORMAT_NAME_COLUMNS, line->symbol, " [inlined]");
	else
		columns = name_with(function, FORMAT_NAME_COLUMNS, line->symbol, "+0x%" PRIx64,
				    line->offset);
	ret->function_columns = columns;
	ret->source[0] = ret->module[0] = '\0';
	columns = 0;
	if (file && line->line)
		columns = name_with(ret->source, FILE_COLUMNS, file, ":%" PRIu32, line->line);
	else if (file)
		columns = format__name(ret->source, file, FILE_COLUMNS);
	ret->source_columns = columns;
	if (module && *module->path)
		format__name(ret->module, format__basename(module->path), FILE_COLUMNS);
}
