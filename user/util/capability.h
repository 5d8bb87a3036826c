/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_UTIL_CAPABILITY_H
#define MEMLEAK_UTIL_CAPABILITY_H

/* Capabilities (capabilities(7)) of the calling thread, as sets of bits. */

#include <stdint.h>

#include <linux/capability.h>

#define CAPABILITY(number) (1ULL << (number))

struct capability_sets {
	uint64_t permitted, effective, inheritable;
};

/* 0 or -errno. */
int capability__get(struct capability_sets *ret);
int capability__set(const struct capability_sets *sets);

/* Take everything from the thread, its ambient set too. 0 or -errno. */
int capability__drop_all(void);

#endif
