/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_TARGET_REGISTERS_H
#define MEMLEAK_TARGET_REGISTERS_H

/* The registers of a thread that ptrace has stopped. One row an architecture. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define REGISTERS_GENERAL 34
#define REGISTERS_VECTORS 472 /* words of vector registers, however wide */

struct registers {
	uint64_t sp;
	uint64_t tls;	     /* thread pointer; 0: unknown */
	uint64_t ip, fp, lr; /* lr: 0 where there is none */
	uint64_t general[REGISTERS_GENERAL];
	size_t nr_general;
	uint64_t vectors[REGISTERS_VECTORS];
	size_t nr_vectors; /* 0: could not be read */
};

/* Read those of @tid. 0 or -errno. */
int registers__read(pid_t tid, struct registers *ret);

/* The name of general[i], or of the register that holds vectors[i]. */
void registers__name(size_t i, bool vector, char *buf, size_t size);

/* Whether thread @tid, stopped at its end, asked for the end of itself alone (exit(2), as
 * pthread_exit does) and not for that of its process. */
bool registers__ends_alone(pid_t tid);

#endif
