// SPDX-License-Identifier: GPL-2.0-or-later
#include "report/stream.h"

#include <errno.h>
#include <stdarg.h>

static void fail(struct stream *s)
{
	s->err = errno ? -errno : -EIO;
}

void stream__print(struct stream *s, const char *fmt, ...)
{
	va_list ap;

	if (s->err)
		return;
	va_start(ap, fmt);
	errno = 0;
	if (vfprintf(s->out, fmt, ap) < 0)
		fail(s);
	va_end(ap);
}

void stream__write(struct stream *s, const char *bytes, size_t n)
{
	if (s->err)
		return;
	errno = 0;
	if (fwrite(bytes, 1, n, s->out) != n)
		fail(s);
}

int stream__finish(struct stream *s)
{
	if (s->err)
		return s->err;
	errno = 0;
	if (fflush(s->out) || ferror(s->out))
		fail(s);
	return s->err;
}
