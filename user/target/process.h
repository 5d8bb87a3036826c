/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_TARGET_PROCESS_H
#define MEMLEAK_TARGET_PROCESS_H

/* What /proc says about one process. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Whether @pid can be traced: it exists, is a process and no thread of one, no kernel thread, no
 * zombie, not this tool. 0; otherwise -errno after one line that says why.
 */
int process__check(pid_t pid);

/* It exists and is no zombie; or nobody can say, for want of descriptors or memory. */
bool process__is_alive(pid_t pid);

/* A thread of @pid that lives, which is the process itself unless its first thread has ended before
 * others; @pid where none does. */
pid_t process__live_thread(pid_t pid);

/* The thread group of @tid, or -errno. */
pid_t process__tgid(pid_t tid);

/* Who traces thread @tid by ptrace: 0 for nobody, or -errno. */
pid_t process__tracer(pid_t tid);

/* A readable descriptor of the file mapped at [@start, @end), also if it was deleted or lies in
 * another mount namespace; its path as the process knows it in *@path, freed with free(). -errno on
 * failure. */
int process__open_mapping(pid_t pid, uint64_t start, uint64_t end, char **path);

/* The path of the program, freed with free(); NULL where unknown. */
char *process__exe(pid_t pid);

/* The value of entry @type of the auxiliary vector (getauxval(3)); 0 if absent. */
uint64_t process__auxv(pid_t pid, unsigned long type);

#endif
