/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_PROBE_BARRIER_H
#define MEMLEAK_PROBE_BARRIER_H

/*
 * Waiting for programs in the kernel that run at this moment. A write to a map of maps returns when
 * none of those is left that may have seen what was there before (kernel commit 1ae80cf31938, "bpf:
 * wait for running BPF programs when updating map-in-map", 4.18).
 */

struct barrier;

/* 0, -ENOMEM, or -errno after saying why. */
int barrier__create(struct barrier **ret);
void barrier__destroy(struct barrier *b);

/* Return when every program that was running has ended: some 10 ms. 0 or -errno. */
int barrier__wait(const struct barrier *b);

#endif
