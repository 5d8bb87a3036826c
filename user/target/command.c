// SPDX-License-Identifier: GPL-2.0-or-later
#include "target/command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "target/run_as.h"
#include "util/cleanup.h"
#include "util/log.h"

static int explain_exec_failure(const char *name, int err)
{
	struct stat st;
	bool exists = stat(name, &st) == 0;

	if (exists && S_ISDIR(st.st_mode))
		log_error("cannot run '%s': it is a directory", name);
	else if (exists && err == -ENOENT)
		log_error("cannot run '%s': its interpreter does not exist", name);
	else if (exists && err == -EACCES)
		log_error("cannot run '%s': not executable; see `ls -l` for its permissions", name);
	else if (err == -ENOEXEC)
		log_error("cannot run '%s': not a program (a script needs a #! line)", name);
	else
		log_error("cannot run '%s': %s", name, strerror(-err));
	return err;
}

static bool is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* The file that the command @name is, by PATH where it has no slash. 0, or -errno after a line. */
int command__find(const char *name, char **path)
{
	const char *dirs = getenv("PATH"), *end;

	if (strchr(name, '/')) {
		struct stat st;

		if (stat(name, &st))
			return explain_exec_failure(name, -errno);
		if (S_ISDIR(st.st_mode))
			return explain_exec_failure(name, -EACCES);
		*path = strdup(name);
		return *path ? 0 : -ENOMEM;
	}
	/* As execvp(3) looks for it; an empty directory is the current one. */
	for (dirs = dirs ? dirs : "/bin:/usr/bin";; dirs = end + 1) {
		CLEANUP_FREE char *found = NULL;

		end = strchrnul(dirs, ':');
		if (asprintf(&found, "%.*s%s%s", (int)(end - dirs), dirs, end > dirs ? "/" : "",
			     name) < 0)
			return -ENOMEM;
		if (is_program(found)) {
			*path = TAKE_PTR(found);
			return 0;
		}
		if (!*end)
			break;
	}
	log_error("command '%s' not found in PATH", name);
	return -ENOENT;
}

/* In the child: wait until the parent traces us, become the program. */
static void __attribute__((noreturn))
run_child(const char *path, char *const argv[], const struct run_as *user,
	  const struct command_inherited *inherited, int go, int failed)
{
	char *const *v;
	char byte;
	size_t fd;
	int err;

	for (fd = 0; fd < COMMAND_STDIO; fd++)
		if (inherited->stdio[fd] >= 0)
			dup2(inherited->stdio[fd], fd);
	if (read(go, &byte, 1) != 1)
		_exit(127);
	sigprocmask(SIG_SETMASK, &inherited->blocked, NULL);
	err = user ? run_as__become(user) : 0;
	for (v = inherited->variables; v && *v && !err; v++)
		err = putenv(*v) ? -errno : 0;
	if (!err) {
		execv(path, argv);
		err = -errno;
	}
	if (write(failed, &err, sizeof(err)) != sizeof(err))
		_exit(126);
	_exit(127);
}

static int fork_child(struct command *c, char *const argv[], const struct run_as *user,
		      const struct command_inherited *inherited)
{
	CLEANUP_CLOSE int go = -1, failed = -1;
	sigset_t all, before;
	int fds[2];

	if (pipe2(fds, O_CLOEXEC))
		return -errno;
	go = fds[0];
	c->go = fds[1];
	if (pipe2(fds, O_CLOEXEC))
		return -errno;
	c->failed = fds[0];
	failed = fds[1];
	/* A signal of the terminal waits until there is a program to get it. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	c->pid = fork();
	if (c->pid == 0) {
		close(c->go);
		run_child(c->path, argv, user, inherited, go, failed);
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	return c->pid < 0 ? -errno : 0;
}

int command__fork(char *const argv[], const char *user_name,
		  const struct command_inherited *inherited, struct command *ret)
{
	CLEANUP(run_as__release) struct run_as user = {0};
	CLEANUP(command__release) struct command c = {.go = -1, .failed = -1};
	int err = command__find(argv[0], &c.path), other;

	if (err)
		return err;
	other = run_as__find(user_name, &user);
	if (other < 0)
		return other;
	c.as_other = other;
	err = fork_child(&c, argv, other ? &user : NULL, inherited);
	if (err) {
		c.pid = 0;
		log_error("cannot fork the command off: %s", strerror(-err));
		return err;
	}
	*ret = c;
	c = (struct command){.go = -1, .failed = -1};
	return 0;
}

int command__go(const struct command *c)
{
	return write(c->go, "", 1) == 1 ? 0 : -errno;
}

int command__explain(const struct command *c, int status)
{
	int err = -ECHILD;

	if (WIFSIGNALED(status)) {
		log_error("'%s' was ended by signal %d before its start", c->path,
			  WTERMSIG(status));
		return -EINTR;
	}
	if (read(c->failed, &err, sizeof(err)) != sizeof(err))
		err = -ECHILD;
	return explain_exec_failure(c->path, err);
}

void command__release(struct command *c)
{
	if (!c->path)
		return;
	cleanup_close(&c->go); /* what it waits for will not come: it ends */
	cleanup_close(&c->failed);
	free(c->path);
	*c = (struct command){0};
}
