/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_PROBE_ATTACHMENTS_H
#define MEMLEAK_PROBE_ATTACHMENTS_H

/* Which file is probed for which process, and the links that hold the probes. */

#include "probe/files.h"
#include "probe/link.h"
#include "probe/probe.h"
#include "probe/share.h"

struct memleak;
struct attachments;

/* Probes that do nothing but tell C++'s operators: */
/* @skeleton, loaded as @options say, and these are borrowed. 0 or -errno. */
int attachments__create(struct memleak *skeleton, enum probe_link link,
			const struct probe_options *options, struct attachments **ret);

/* Take all probes out and wait until they are; NULL is accepted. */
void attachments__destroy(struct attachments *a);

/*
 * Probe @share of @file, number @id, for @pid (0: for all), which runs @image, unless that was
 * done; anew, where the file was not behind libmemleak.so before. 0 or -errno.
 */
int attachments__add(struct attachments *a, pid_t pid, uint32_t image, uint32_t id,
		     const struct file *file, const struct share *share);

/* The process that ran @image, and images before it, is gone: close its links, not waiting for it;
 * those of another one that has its pid by now stay. 0 or -ENOMEM. */
int attachments__remove(struct attachments *a, pid_t pid, uint32_t image);

/* Those of file @id in process @pid (0: all) are gone when this returns. 0 or -ENOMEM. */
int attachments__drop(struct attachments *a, pid_t pid, uint32_t id);

/* When the probes of file @id were in for @pid (0: for all), CLOCK_MONOTONIC; 0: they are not. */
uint64_t attachments__since(const struct attachments *a, pid_t pid, uint32_t id);

/* Whether some allocation function of some file is not probed. */
bool attachments__has_gaps(const struct attachments *a);

/* Whether sites of libmemleak.so are probed for @pid. */
bool attachments__is_hooked(const struct attachments *a, pid_t pid);

/* How many files are probed, counted once a process. */
size_t attachments__count(const struct attachments *a);

#endif
