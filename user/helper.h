/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_HELPER_H
#define MEMLEAK_HELPER_H

/* The helper that sandbox/sandbox.h starts: its exit status. */
int helper(void);

#endif
