/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_BENCH_CHILD_H
#define MEMLEAK_BENCH_CHILD_H

/*
 * The processes that the benchmark starts, each with a process group of its own. They get a signal
 * when the benchmark dies, whatever it dies of.
 */

#include <stdbool.h>
#include <sys/resource.h>
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

/*
 * Start any other program, with @environment[0] set to @environment[1] unless it is NULL and with
 * nowhere to print to. It waits to be let go. 0 or -errno.
 */
int child__start_waiting(char *const *argv, const char *const environment[2], int cpu,
			 struct child *ret);

/* Start a program with @ret->to as its standard input and @ret->from as its output. 0 or -errno. */
int child__start_piped(char *const *argv, int cpu, struct child *ret);

/* It may begin. 0 or -errno. */
int child__let_go(struct child *c);

/* Wait until it has ended: 0, -ETIME after @seconds, -EINTR or -errno. Also ends what it started.
 */
int child__wait(struct child *c, int seconds, int *status, struct rusage *usage);

/* Wait until @fn(@path) is true: 0, -ETIME after @seconds, -ECHILD if it has ended, or -EINTR. */
int child__wait_for(const struct child *c, bool (*fn)(const char *path), const char *path,
		    int seconds);

/* Wait until its first thread sleeps: 0, -ETIME after @seconds, -ECHILD if it has ended, or -EINTR.
 */
int child__wait_asleep(const struct child *c, int seconds);

/* Wait until a tool has stopped opening files, for at most @seconds: 0, or -errno. */
int child__wait_settled(const struct child *c, int seconds);

/* Run it with nowhere to print to, for a minute at most; its exit status, -1 if it had none. */
int child__run_quietly(char *const *argv, int cpu);

/*
 * Run what follows in @argv, "FILE GATE CPU BEFORE COMMAND...", bound to @cpu, and write how much
 * processor time it took to the file, in seconds. Its exit status. It begins when the FIFO "GATE"
 * has been opened and closed again; BEFORE times it has run without that, and without being timed.
 * For a program that somebody else starts, or that is to begin at the same moment as another: by
 * this one with CHILD_TIME before those words.
 */
#define CHILD_TIME "--time-of"
int child__time(char **argv);

/*
 * Open the @gate that @c, or what it has started, waits at, when it has come there: a descriptor,
 * whose close lets it go; or -ETIME after @seconds, -ECHILD if @c has ended, -EINTR or -errno.
 */
int child__open_gate(const struct child *c, const char *gate, int seconds);

/* Whether the tool @command accepts the words @mode (of at most two, ended by NULL). */
bool child__knows_mode(const char *const *command, const char *const mode[2]);

/* Whether there is such a command. */
bool child__is_on_path(const char *command);

/* Have a workload carry out an order; 0 or -errno. */
int child__ask(const struct child *c, const struct micro_order *order, struct micro_answer *ret);

/*
 * Start @tool, a command of ours, with @words behind it (both end with NULL), and have its first
 * JSON report, which says that the probes are in, within @seconds. 0 or -errno; @ret is to be
 * stopped all the same.
 */
int child__start_attached(const char *const *tool, const char *const *words, int cpu, int seconds,
			  struct child *ret);

/* Ask it for a report now: a line of JSON, freed with free(), within @seconds. 0 or -errno. */
int child__report(const struct child *c, int seconds, char **ret);

/* A line that a tool prints, without its end, freed with free(); 0 or -errno. */
int child__read_line(const struct child *c, int seconds, char **ret);

/* End it by @signal (0: by the end of its orders), or else by force, with what it has started. */
void child__stop(struct child *c, int signal);

#endif
