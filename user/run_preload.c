// SPDX-License-Identifier: GPL-2.0-or-later
/* --preload: the command is started with libmemleak.so, if it takes it. */
#include <errno.h>
#include <limits.h>
#include <unistd.h>

#include "run_private.h"
#include "sandbox/sandbox.h"
#include "target/command.h"
#include "target/preload.h"
#include "target/run_as.h"
#include "util/cleanup.h"
#include "util/log.h"

static void cleanup_sandbox(struct sandbox **s)
{
	sandbox__destroy(*s);
}

int run_preload__prepare(struct run *r, struct preload *ret)
{
	CLEANUP(cleanup_sandbox) struct sandbox *sandbox = NULL;
	CLEANUP(run_as__release) struct run_as user = {0};
	CLEANUP_FREE char *path = NULL;
	char why[PATH_MAX + 200];
	int err = command__find(r->o->command[0], &path);
	int other = err ? err : run_as__find(r->o->user, &user);

	if (other < 0)
		return other;
	/* The run's own helper comes when the command is forked off: it has higher limits. */
	err = sandbox__create(&sandbox);
	if (err)
		return err;
	err = preload__choose(sandbox, path, other ? user.uid : getuid(),
			      other ? user.gid : getgid(), r->o->sample_bytes, ret, why,
			      sizeof(why));
	if (err == -ENOTSUP) {
		log_warning("--preload: '%s' is traced by uprobes, as without it: %s",
			    r->o->command[0], why);
		return 0;
	}
	if (err)
		return err;
	r->preloaded = true;
	return 0;
}

void run_preload__look(struct run *r, pid_t pid)
{
	if (!r->preloaded || pid != r->command)
		return;
	r->preloaded = false;
	if (!probe__is_hooked(r->probe, pid))
		log_warning("--preload: '%s' has not loaded libmemleak.so, or a sanitizer has its "
			    "allocator: it is traced by uprobes",
			    r->o->command[0]);
}
