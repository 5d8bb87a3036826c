/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_SYMBOL_PERFMAP_H
#define MEMLEAK_SYMBOL_PERFMAP_H

/*
 * Functions that a process generated itself, from the file in which its runtime names them:
 * /tmp/perf-PID.map, lines of "START SIZE NAME" in hexadecimal
 * (the kernel's tools/perf/Documentation/jit-interface.txt).
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct perfmap;

/* Nothing is read yet. 0 or -ENOMEM. */
int perfmap__create(pid_t pid, struct perfmap **ret);
void perfmap__destroy(struct perfmap *m);

/* The map of process @pid: a descriptor or -errno. */
int perfmap__open(pid_t pid);

/* Whoever may not open it himself has it opened from now on by @open, which gives the same. */
typedef int perfmap_open_fn(void *context);
void perfmap__open_by(struct perfmap *m, perfmap_open_fn *open, void *context);

/*
 * The function that holds @addr, by the last entry that does; the file is read again if @addr is in
 * none and the file has changed. *@name is the file's own and valid until the next call. 0, -ENOENT
 * where no entry holds it or there is no map, -ENOMEM.
 */
int perfmap__find(struct perfmap *m, uint64_t addr, const char **name, uint64_t *start);

#endif
