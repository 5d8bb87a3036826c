// SPDX-License-Identifier: GPL-2.0-or-later
#include "saved.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "profile/filter.h"
#include "profile/pprof.h"
#include "report/diff.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "write.h"

static void cleanup_profile(struct profile **p)
{
	profile__destroy(*p);
}

#define CLEANUP_PROFILE CLEANUP(cleanup_profile)

static int explain(const char *path, int err)
{
	if (err == -EBADMSG)
		log_error("'%s' is not a profile, or a truncated or damaged one: 'report' and "
			  "'diff' read what -w FILE.pb.gz wrote, or another pprof profile with "
			  "inuse_objects and inuse_space",
			  path);
	else if (err == -EFBIG)
		log_error("'%s' unpacks to more than a profile should", path);
	else
		log_error("cannot read '%s': %s", path, strerror(-err));
	return err;
}

static int load(const char *path, struct profile **ret)
{
	/* A FIFO would wait for a writer. */
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	int err;

	if (fd < 0 || fstat(fd, &st))
		return explain(path, -errno);
	if (!S_ISREG(st.st_mode)) {
		log_error("'%s' is not a regular file", path);
		return -EINVAL;
	}
	err = pprof__read(fd, ret);
	return err ? explain(path, err) : 0;
}

static int load_all(const struct options *o, struct profile **ret)
{
	CLEANUP_PROFILE struct profile *base = NULL, *p = NULL;
	int err = load(o->profiles[0], &base);

	if (err || o->mode == OPTIONS_REPORT) {
		*ret = TAKE_PTR(base);
		return err;
	}
	err = load(o->profiles[1], &p);
	if (!err && (base->diff || p->diff)) {
		log_error("'%s' holds differences already", o->profiles[base->diff ? 0 : 1]);
		return -EINVAL;
	}
	if (err)
		return err;
	err = diff__create(base, p, ret);
	if (err)
		log_error("cannot compare the profiles: %s", strerror(-err));
	return err;
}

static int sort(const struct options *o, struct profile *p)
{
	int err = profile__sort(p, o->sort);

	if (err)
		log_error("cannot sort the profile: %s", strerror(-err));
	return err;
}

/* The report itself, and what --focus and --ignore leave of it. */
static int print_report(const struct options *o, struct profile *p)
{
	FILE *out;
	int err = filter__stacks(p, o->focus, o->ignore);

	if (err)
		log_error("cannot filter the profile: %s", strerror(-err));
	else
		err = sort(o, p);
	if (!err)
		err = write__open(o, &out);
	if (err)
		return err;
	err = write__report(o, p, out);
	if (out != stdout && fclose(out) && !err)
		err = -errno;
	if (err && err != -EPIPE)
		log_error("cannot write the report: %s", strerror(-err));
	return err;
}

int saved(const struct options *o)
{
	CLEANUP_PROFILE struct profile *p = NULL;
	int err;

	signal(SIGPIPE, SIG_IGN);
	err = write__check(o);
	if (!err)
		err = load_all(o, &p);
	if (!err)
		err = sort(o, p);
	if (!err)
		err = write__files(o, p);
	if (!err)
		err = print_report(o, p);
	return err && err != -EPIPE ? 1 : 0;
}
