// SPDX-License-Identifier: GPL-2.0-or-later
#include "write.h"

#include <errno.h>
#include <stdio_ext.h>
#include <string.h>
#include <unistd.h>

#include "profile/pprof.h"
#include "report/report.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/replace.h"

bool write__wants_color(const struct options *o, FILE *out)
{
	if (o->color == OPTIONS_COLOR_AUTO)
		return isatty(fileno(out)) && !getenv("NO_COLOR");
	return o->color == OPTIONS_COLOR_ALWAYS;
}

typedef int report_fn(const struct profile *p, const struct report_options *o, FILE *out);

static int flush(FILE *out)
{
	errno = 0;
	return !fflush(out) ? 0 : errno ? -errno : -EIO;
}

/* As it is made, into a file of its own: if not all of it, then nothing, since half a report
 * misleads whoever reads the file. */
static int write_at(off_t at, report_fn *report, const struct profile *p,
		    const struct report_options *options, FILE *out)
{
	int err = report(p, options, out);

	if (!err)
		err = flush(out);
	if (!err)
		return 0;
	__fpurge(out);
	if (ftruncate(fileno(out), at))
		log_debug("what was written of the report stays: %m");
	return err;
}

/* Where nothing can be taken back, a report is begun once there is all of it. */
static int write_whole(report_fn *report, const struct profile *p,
		       const struct report_options *options, FILE *out)
{
	CLEANUP_FREE char *text = NULL;
	size_t size = 0;
	FILE *buffer = open_memstream(&text, &size);
	int err = buffer ? report(p, options, buffer) : -errno;

	if (buffer && fclose(buffer) && !err)
		err = -errno;
	/* glibc's (2.36) closes it without an error where it cannot shrink the text. */
	if (!err && !text)
		err = -ENOMEM;
	if (err)
		return err;
	errno = 0;
	if (fwrite(text, 1, size, out) != size)
		err = errno ? -errno : -EIO;
	else
		err = flush(out);
	if (err)
		__fpurge(out);
	return err;
}

int write__report(const struct options *o, const struct profile *p, FILE *out)
{
	static report_fn *const formats[] = {
		[OPTIONS_FORMAT_TEXT] = report__text,
		[OPTIONS_FORMAT_JSON] = report__json,
		[OPTIONS_FORMAT_FOLDED] = report__folded,
	};
	struct report_options options = {
		.top = o->top,
		.show_allocs = o->show_allocs,
		.color = write__wants_color(o, out),
		.heap_summary = p->final && p->command,
		.leak_kinds = o->leak_kinds,
		.gen_suppressions = o->gen_suppressions,
	};
	off_t at = o->output ? ftello(out) : -1;

	return at < 0 ? write_whole(formats[o->format], p, &options, out)
		      : write_at(at, formats[o->format], p, &options, out);
}

/* One file of -w. */
struct file {
	const struct options *o;
	const struct profile *p;
	enum options_file kind;
};

static int write_file(void *context, FILE *out)
{
	const struct file *f = context;
	struct report_options options = {.top = UINT64_MAX, .show_allocs = f->o->show_allocs};

	switch (f->kind) {
	case OPTIONS_FILE_PPROF:
		return pprof__write(f->p, out);
	case OPTIONS_FILE_JSON:
		return report__json(f->p, &options, out);
	case OPTIONS_FILE_FOLDED:
		return report__folded(f->p, &options, out);
	case OPTIONS_FILE_SVG:
		return report__svg(f->p, &options, out);
	case OPTIONS_FILE_HTML:
		return report__html(f->p, &options, out);
	}
	return -EINVAL;
}

int write__files(const struct options *o, const struct profile *p)
{
	int first = 0, err;
	size_t i;

	for (i = 0; i < o->nr_writes; i++) {
		struct file f = {.o = o, .p = p, .kind = o->writes[i].file};

		err = replace__file(o->writes[i].path, write_file, &f);
		if (err)
			log_error("cannot write '%s': %s", o->writes[i].path, strerror(-err));
		first = first ? first : err;
	}
	return first;
}

int write__check(const struct options *o)
{
	size_t i;
	int err;

	for (i = 0; i < o->nr_writes; i++) {
		err = replace__check(o->writes[i].path);
		if (!err)
			continue;
		log_error("cannot write '%s': %s", o->writes[i].path,
			  err == -EINVAL ? "it is there and not a regular file" : strerror(-err));
		return err;
	}
	return 0;
}

int write__open(const struct options *o, FILE **ret)
{
	FILE *out = o->output ? fopen(o->output, "we") : stdout;

	if (!out) {
		log_error("cannot write to '%s': %m", o->output);
		return -EIO;
	}
	*ret = out;
	return 0;
}
