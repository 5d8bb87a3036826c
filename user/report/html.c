// SPDX-License-Identifier: GPL-2.0-or-later

/*
 * The page is made at build time of the files in page/ and stands in the program as bytes; only its
 * data is put in here. Nothing in it is loaded from anywhere: its policy forbids that.
 */

#include "report/html.h"

#include <string.h>

#include "report/report.h"

__asm__(".pushsection .rodata\n"
	"page_start:\n"
	".incbin \"" MEMLEAK_PAGE "\"\n"
	".byte 0\n"
	".popsection\n");

extern const char page_start[];

#define DATA_MARK "@data@"

int report__html(const struct profile *p, const struct report_options *o, FILE *out)
{
	const char *data = strstr(page_start, DATA_MARK);
	struct stream s = {.out = out};

	stream__write(&s, page_start, data - page_start);
	html__data(&s, p, o->top);
	stream__print(&s, "%s", data + strlen(DATA_MARK));
	return stream__finish(&s);
}
