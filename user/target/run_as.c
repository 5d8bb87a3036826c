// SPDX-License-Identifier: GPL-2.0-or-later
#include "target/run_as.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/log.h"

int run_as__find(const char *name, struct run_as *ret)
{
	struct passwd *pw;

	/* Who uses sudo means "with the right to trace", not "run my program as root". */
	if (!name && geteuid() == 0)
		name = getenv("SUDO_USER");
	if (!name)
		return 0;
	errno = 0;
	pw = getpwnam(name);
	if (!pw) {
		int err = errno ? -errno : -ENOENT;

		log_error("no user named '%s'", name);
		return err;
	}
	if (pw->pw_uid == geteuid())
		return 0;
	*ret = (struct run_as){
		.name = strdup(pw->pw_name),
		.home = strdup(pw->pw_dir),
		.uid = pw->pw_uid,
		.gid = pw->pw_gid,
	};
	if (!ret->name || !ret->home) {
		run_as__release(ret);
		return -ENOMEM;
	}
	return 1;
}

void run_as__release(struct run_as *u)
{
	free(u->name);
	free(u->home);
	*u = (struct run_as){0};
}

int run_as__become(const struct run_as *u)
{
	if (initgroups(u->name, u->gid) || setresgid(u->gid, u->gid, u->gid) ||
	    setresuid(u->uid, u->uid, u->uid))
		return -errno;
	if (setenv("HOME", u->home, 1) || setenv("USER", u->name, 1) ||
	    setenv("LOGNAME", u->name, 1))
		return -errno;
	return 0;
}
