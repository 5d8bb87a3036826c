// SPDX-License-Identifier: GPL-2.0-or-later
#include "symbol/debuginfod.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>

#include "symbol/effort.h"
#include "util/cleanup.h"
#include "util/log.h"

/* What elfutils' header declares, which need not be installed. */
struct debuginfod_client;
typedef struct debuginfod_client *begin_fn(void);
typedef void end_fn(struct debuginfod_client *);
typedef int find_fn(struct debuginfod_client *, const unsigned char *id, int size, char **path);
typedef int progress_fn(struct debuginfod_client *, long a, long b);
typedef void set_progress_fn(struct debuginfod_client *, progress_fn *);
typedef void set_data_fn(struct debuginfod_client *, void *);
typedef void *get_data_fn(struct debuginfod_client *);

struct debuginfod {
	void *library;
	struct debuginfod_client *client;
	end_fn *end;
	find_fn *find;
	set_data_fn *set_data;
};

static void cleanup_debuginfod(struct debuginfod **d)
{
	debuginfod__destroy(*d);
}

/* Called a few times a second while the library waits; the library is loaded with RTLD_GLOBAL,
 * since all this knows is the client. */
static int on_progress(struct debuginfod_client *client, long a, long b)
{
	get_data_fn *get_data = (get_data_fn *)dlsym(RTLD_DEFAULT, "debuginfod_get_user_data");
	struct effort *effort = get_data ? get_data(client) : NULL;

	(void)a;
	(void)b;
	if (effort)
		effort__tell(effort);
	return 0;
}

static bool load(struct debuginfod *d)
{
	set_progress_fn *set_progress;
	begin_fn *begin;

	d->library = dlopen("libdebuginfod.so.1", RTLD_NOW | RTLD_GLOBAL | RTLD_NODELETE);
	if (!d->library)
		return false;
	begin = (begin_fn *)dlsym(d->library, "debuginfod_begin");
	set_progress = (set_progress_fn *)dlsym(d->library, "debuginfod_set_progressfn");
	d->end = (end_fn *)dlsym(d->library, "debuginfod_end");
	d->find = (find_fn *)dlsym(d->library, "debuginfod_find_debuginfo");
	d->set_data = (set_data_fn *)dlsym(d->library, "debuginfod_set_user_data");
	if (!begin || !d->end || !d->find)
		return false;
	d->client = begin();
	if (d->client && set_progress && d->set_data)
		set_progress(d->client, on_progress);
	return d->client;
}

int debuginfod__create(struct debuginfod **ret)
{
	CLEANUP(cleanup_debuginfod) struct debuginfod *d = NULL;
	const char *urls = getenv("DEBUGINFOD_URLS");

	if (!urls || !*urls)
		return -ENOENT;
	d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	if (!load(d)) {
		log_warning("DEBUGINFOD_URLS is not used: libdebuginfod.so.1 cannot be loaded; "
			    "install elfutils' debuginfod client library");
		return -ENOSYS;
	}
	*ret = TAKE_PTR(d);
	return 0;
}

void debuginfod__destroy(struct debuginfod *d)
{
	if (!d)
		return;
	if (d->client)
		d->end(d->client);
	if (d->library)
		dlclose(d->library);
	free(d);
}

int debuginfod__fetch(struct debuginfod *d, const uint8_t *build_id, size_t size, const char *path,
		      bool tell)
{
	struct effort effort = {
		.what = "fetching debug information for", .path = path, .tell = tell};
	int fd;

	effort__begin(&effort);
	if (d->set_data)
		d->set_data(d->client, &effort);
	fd = d->find(d->client, build_id, size, NULL);
	if (d->set_data)
		d->set_data(d->client, NULL);
	return fd;
}
