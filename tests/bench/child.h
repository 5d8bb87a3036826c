/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_BENCH_CHILD_H
#define MEMLEAK_BENCH_CHILD_H

/*
 * The processes that the benchmark starts, each with a process group of its own. They get a signal
 * when the benchmark dies, whatever it dies of.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "micro.h"

struct child {
	pid_t pid; /* 0: none */
	int to, from;
};

/*
 * Start micro by the command @argv, bound to @cpu (-1: to none), with the C library of directory
 * @libraries. 0 or -errno.
 */
int child__start_workload(char *const *argv, const char *libraries, int cpu, struct child *ret);

/* Start a tool; what it prints can be read from @ret->from. 0 or -errno. */
int child__start_tool(char *const *argv, int cpu, struct child *ret);

/* Whether the tool @command accepts the words @mode (of at most two, ended by NULL). */
bool child__knows_mode(const char *const *command, const char *const mode[2]);

/* Have a workload carry out an order; 0 or -errno. */
int child__ask(const struct child *c, const struct micro_order *order, struct micro_answer *ret);

/* Wait until a tool listens to SIGUSR1, for at most @seconds: 0, or -errno. */
int child__wait_listening(const struct child *c, int seconds);

/* A line that a tool prints, without its end, freed with free(); 0 or -errno. */
int child__read_line(const struct child *c, int seconds, char **ret);

/* End it by @signal (0: by the end of its orders), or else by force, with what it has started. */
void child__stop(struct child *c, int signal);

#endif
