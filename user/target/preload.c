// SPDX-License-Identifier: GPL-2.0-or-later
#include "target/preload.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "hook/bytes.h"
#include "target/inspect.h"
#include "util/cleanup.h"
#include "util/log.h"

#define MAX_SCRIPTS 4 /* the kernel's limit of interpreters of interpreters */

/* Where `make install` puts the libraries. */
#ifndef MEMLEAK_LIBRARIES
#define MEMLEAK_LIBRARIES "/usr/local/lib/memleak-bpf"
#endif

static void cleanup_object(struct object **o)
{
	object__destroy(*o);
}

/* If @path is a script, put its interpreter there instead; how many times that was done. */
static int follow_scripts(char path[static PATH_MAX])
{
	int n;

	for (n = 0; n < MAX_SCRIPTS; n++) {
		CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
		char line[PATH_MAX] = "";
		char *name = line + 2;

		if (fd < 0 || pread(fd, line, sizeof(line) - 1, 0) < 2 ||
		    strncmp(line, "#!", 2) != 0)
			break;
		name += strspn(name, " \t");
		name[strcspn(name, " \t\n")] = 0;
		if (!*name)
			break;
		strcpy(path, name);
	}
	return n;
}

/* Whether the kernel gives the program rights that @uid has not: then the loader ignores
 * LD_PRELOAD. */
static bool gains_rights(const struct object *o, uid_t uid, gid_t gid)
{
	struct stat st;

	if (fstat(o->fd, &st))
		return false;
	if ((st.st_mode & S_ISUID && st.st_uid != uid) ||
	    ((st.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && st.st_gid != gid))
		return true;
	return uid && fgetxattr(o->fd, "security.capability", NULL, 0) > 0;
}

/* Why the program would not take a library; NULL where it would. */
static const char *find_reason(const struct object *o, const struct allocator *a, uid_t uid,
			       gid_t gid)
{
	if (!o->machine)
		return "it is no ELF program, or a damaged one";
	if (!o->is_64bit)
		return "it is a 32-bit program";
	if (!o->has_interpreter)
		return "it is linked statically";
	if (gains_rights(o, uid, gid))
		return "it gains rights by being run (setuid, setgid or capabilities), and the "
		       "dynamic loader preloads nothing then";
	if (a->is_sanitizer)
		return "it is built with a sanitizer, which has its allocator";
	return NULL;
}

static char *library_in(const char *directory, const char *name)
{
	char *path;

	if (asprintf(&path, "%s/%s", directory, name) < 0)
		return NULL;
	if (access(path, R_OK) == 0)
		return path;
	free(path);
	return NULL;
}

/* Beside the program, as in the tree that it was built in, or where it was installed. */
static int find_library(const char *name, char **ret)
{
	char own[PATH_MAX] = "";
	ssize_t n = readlink("/proc/self/exe", own, sizeof(own) - 1);

	if (n > 0)
		*strrchr(own, '/') = 0;
	*ret = n > 0 ? library_in(own, name) : NULL;
	if (!*ret)
		*ret = library_in(MEMLEAK_LIBRARIES, name);
	if (!*ret) {
		log_error("--preload: %s is neither in %s nor in %s", name, own, MEMLEAK_LIBRARIES);
		return -ENOENT;
	}
	if (!strpbrk(*ret, ": "))
		return 0;
	log_error("--preload: LD_PRELOAD cannot name '%s': no path with a blank or a colon in it",
		  *ret);
	free(*ret);
	return -EINVAL;
}

/* NAME=@value, followed by what the variable is now. */
static char *in_front(const char *name, const char *value)
{
	const char *now = getenv(name);
	char *ret;

	if (asprintf(&ret, "%s=%s%s%s", name, value, now && *now ? ":" : "", now ? now : "") < 0)
		return NULL;
	return ret;
}

int preload__choose(struct sandbox *s, const char *path, uid_t uid, gid_t gid, uint32_t mean,
		    struct preload *ret, char *why, size_t size)
{
	static const struct allocator_search any = {.no_sites = true};
	CLEANUP(allocator__release) struct allocator a = {0};
	CLEANUP(cleanup_object) struct object *o = NULL;
	CLEANUP(preload__release) struct preload p = {0};
	CLEANUP_FREE char *library = NULL;
	char program[PATH_MAX];
	const char *reason;
	int scripts, err;

	if (snprintf(program, sizeof(program), "%s", path) >= (int)sizeof(program))
		return -ENAMETOOLONG;
	scripts = follow_scripts(program);
	err = inspect(s, open(program, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), program, &any,
		      &o, &a);
	if (err)
		return err;
	reason = find_reason(o, &a, uid, gid);
	if (reason) {
		snprintf(why, size, "%s%s%s", scripts ? program : "", scripts ? ": " : "", reason);
		return -ENOTSUP;
	}
	err = find_library(o->is_musl ? "libmemleak-musl.so" : "libmemleak.so", &library);
	if (err)
		return err;
	p.variables[0] = in_front("LD_PRELOAD", library);
	/* Children that have the sanitizer would refuse to start. */
	p.variables[1] = in_front("ASAN_OPTIONS", "verify_asan_link_order=0");
	if (!p.variables[0] || !p.variables[1] ||
	    (mean && asprintf(&p.variables[2], "MEMLEAK_SAMPLE_BYTES=%u", mean) < 0))
		return -ENOMEM;
	*ret = p;
	p = (struct preload){0};
	return 0;
}

void preload__release(struct preload *p)
{
	size_t i;

	for (i = 0; i < PRELOAD_VARIABLES; i++)
		free(p->variables[i]);
	*p = (struct preload){0};
}

uint32_t preload__mean(pid_t pid)
{
	static const char name[] = "MEMLEAK_SAMPLE_BYTES=";
	CLEANUP_FCLOSE FILE *f = NULL;
	CLEANUP_FREE char *variable = NULL;
	char path[64];
	size_t size = 0;

	snprintf(path, sizeof(path), "/proc/%d/environ", pid);
	f = fopen(path, "re");
	while (f && getdelim(&variable, &size, 0, f) > 0)
		if (strncmp(variable, name, sizeof(name) - 1) == 0)
			return hook_parse_bytes(variable + sizeof(name) - 1);
	return 0;
}
