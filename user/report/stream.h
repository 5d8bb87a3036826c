/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_REPORT_STREAM_H
#define MEMLEAK_REPORT_STREAM_H

/*
 * Writing that remembers the reason of its first failure: a report prints in many small steps, and
 * a later step would overwrite errno. After a failure nothing more is written.
 */

#include <stddef.h>
#include <stdio.h>

struct stream {
	FILE *out; /* borrowed */
	int err;   /* 0 or -errno */
};

void stream__print(struct stream *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void stream__write(struct stream *s, const char *bytes, size_t n);

/* Flush. 0 or -errno of whatever went wrong first. */
int stream__finish(struct stream *s);

#endif
