// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the tool may do, and why. All of it stays until the end: libraries that a target loads late
 * need new probes, unwind tables in new maps, and their files.
 */
#include "privilege.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/capability.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/replace.h"

static const struct {
	int number;
	const char *name;
	bool by_admin; /* CAP_SYS_ADMIN stands for it where it is not there */
} needed[] = {
	{CAP_BPF, "CAP_BPF", true},	    /* programs, maps, iterators */
	{CAP_PERFMON, "CAP_PERFMON", true}, /* programs that trace; uprobes */
	/* Registers and memory of a stopped process, what /proc tells of others, starting under
	 * ptrace a program that is privileged itself. */
	{CAP_SYS_PTRACE, "CAP_SYS_PTRACE", false},
	/* Programs and libraries that only their users may read; /proc/PID/fd and the like. */
	{CAP_DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH", false},
	/* /proc/PID/map_files: the very file that is mapped, deleted or in another namespace. */
	{CAP_CHECKPOINT_RESTORE, "CAP_CHECKPOINT_RESTORE", true},
};

static uint64_t list_needed(uint64_t held, char *missing, size_t size)
{
	uint64_t admin = CAPABILITY(CAP_SYS_ADMIN), keep = 0;
	size_t i, n = 0;

	missing[0] = '\0';
	for (i = 0; i < ARRAY_SIZE(needed); i++) {
		uint64_t bit = CAPABILITY(needed[i].number);

		if (held & bit)
			keep |= bit;
		else if (needed[i].by_admin && held & admin)
			keep |= admin;
		else if (n < size)
			n += snprintf(missing + n, size - n, "%s%s", n ? ", " : "", needed[i].name);
	}
	return keep;
}

/* What it takes to replace the file @path or (@open) to write into it, beside what is in effect. */
static uint64_t needed_for_file(const char *path, bool open)
{
	CLEANUP_FREE char *folder = replace__folder(path);
	struct stat dir, st;
	uint64_t keep = 0;

	if (!folder)
		return 0; /* without memory for a path the run ends soon, and says so */
	if (open && !stat(path, &st))
		return faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) ? CAPABILITY(CAP_DAC_OVERRIDE)
								   : 0;
	if (faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS))
		keep |= CAPABILITY(CAP_DAC_OVERRIDE);
	/* In /tmp and its like only the owner may replace it. */
	if (!stat(folder, &dir) && dir.st_mode & S_ISVTX && dir.st_uid != geteuid() &&
	    !stat(path, &st) && st.st_uid != geteuid())
		keep |= CAPABILITY(CAP_FOWNER);
	return keep;
}

static uint64_t needed_for_files(const struct options *o)
{
	uint64_t keep = 0;
	size_t i;

	for (i = 0; i < o->nr_writes; i++)
		keep |= needed_for_file(o->writes[i].path, false);
	/* The files are below it; where it is not there, it is made. */
	if (o->blocks_dir)
		keep |= faccessat(AT_FDCWD, o->blocks_dir, W_OK | X_OK, AT_EACCESS) &&
					errno == EACCES
				? CAPABILITY(CAP_DAC_OVERRIDE)
				: needed_for_file(o->blocks_dir, true);
	return o->output ? keep | needed_for_file(o->output, true) : keep;
}

int privilege__reduce(const struct options *o, bool as_other)
{
	const uint64_t become = CAPABILITY(CAP_SETUID) | CAPABILITY(CAP_SETGID);
	struct capability_sets sets;
	char missing[256];
	uint64_t keep;
	int err = capability__get(&sets);

	if (err)
		return err;
	keep = list_needed(sets.permitted, missing, sizeof(missing));
	if (missing[0]) {
		log_error("not permitted: missing %s; run it with sudo, or see SETCAP in "
			  "memleak-bpf(8)",
			  missing);
		return -EPERM;
	}
	if (as_other && (sets.effective & become) != become) {
		log_error("cannot run the command as another user: missing CAP_SETUID, CAP_SETGID");
		return -EPERM;
	}
	/* A command that runs as somebody else gets the SIGINT that was meant for it. */
	if (as_other)
		keep |= CAPABILITY(CAP_KILL);
	/* A stopped process waits less where the machine is busy. */
	if (o->leak_check != OPTIONS_LEAK_CHECK_NO)
		keep |= CAPABILITY(CAP_SYS_NICE);
	keep &= sets.permitted;
	sets.effective = keep;
	err = capability__set(&sets);
	if (err)
		return err;
	/* Whether perf's links are needed is known once the programs are loaded. */
	if (o->link != OPTIONS_LINK_SESSION && o->link != OPTIONS_LINK_MULTI)
		keep |= CAPABILITY(CAP_SYS_ADMIN) & sets.permitted;
	/* Root writes where others alone may, such as a home below sudo, by a right of its own. */
	keep |= needed_for_files(o) & sets.permitted;
	sets = (struct capability_sets){.permitted = keep, .effective = keep};
	err = capability__set(&sets);
	if (!err && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		err = -errno;
	return err;
}

int privilege__settle(bool perf_links)
{
	const uint64_t admin = CAPABILITY(CAP_SYS_ADMIN);
	const uint64_t instead =
		CAPABILITY(CAP_BPF) | CAPABILITY(CAP_PERFMON) | CAPABILITY(CAP_CHECKPOINT_RESTORE);
	struct capability_sets sets;
	int err = capability__get(&sets);

	if (err || perf_links || (sets.permitted & instead) != instead)
		return err;
	sets.permitted &= ~admin;
	sets.effective &= ~admin;
	return capability__set(&sets);
}
