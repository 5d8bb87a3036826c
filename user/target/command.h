/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_TARGET_COMMAND_H
#define MEMLEAK_TARGET_COMMAND_H

/*
 * The command that is run, from its fork to its exec.
 *
 * It is forked off before the tool changes anything of itself but its signal mask: limits,
 * capabilities, descriptors are for the command what they were for the tool. Then it waits until
 * it is told to go, by when it is traced.
 */

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

struct command {
	char *path;
	pid_t pid;	/* 0: there is none */
	int go, failed; /* pipes: a byte lets it exec; the exec closes it or writes -errno */
	bool as_other;	/* as another user than the tool's */
};

/* Standard input, output and error. */
#define COMMAND_STDIO 3

struct command_inherited {
	int stdio[COMMAND_STDIO]; /* -1: the tool's own */
	char *const *variables;	  /* for its environment: "NAME=VALUE", NULL last; NULL: none */
	sigset_t blocked;	  /* the signal mask that the tool was started with */
};

/*
 * The file that the command @name is, by PATH where it has no slash; freed with free(). 0, or
 * -errno after one line that says why there is none (not found, a directory).
 */
int command__find(const char *name, char **path);

/*
 * Fork @argv off, to run as @user (NULL: whoever runs the tool, or the user behind sudo), with
 * @inherited. 0, or -errno after one line that says why (no such user; not found; a directory).
 */
int command__fork(char *const argv[], const char *user, const struct command_inherited *inherited,
		  struct command *ret);

/* Let it exec. 0 or -errno. */
int command__go(const struct command *c);

/* Say why it ended (@status is waitpid's) without being the program. -errno. */
int command__explain(const struct command *c, int status);

/* Free, and end it where it was not told to go; all zero is accepted. */
void command__release(struct command *c);

#endif
