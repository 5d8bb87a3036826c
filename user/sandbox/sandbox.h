/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_SANDBOX_SANDBOX_H
#define MEMLEAK_SANDBOX_SANDBOX_H

/*
 * The tool's side of its helper: a process that may do nothing but read what it is handed, in which
 * everything is parsed that a target has made.
 *
 * The helper is this very program, started anew. It works on one request at a time, about one file.
 * When it dies of a file, or takes too long, that is said, counted, and the file is never handed to
 * another helper; the next request finds a fresh one. What it answers is as hostile as the file:
 * whoever asked checks it.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "sandbox/channel.h"
#include "sandbox/wire.h"

/* How main knows that it is the helper: its argv[0]. */
#define SANDBOX_NAME "memleak-bpf-reader"

struct sandbox;

/* Start the first helper. 0, or -errno after a line that says what cannot be had. */
int sandbox__create(struct sandbox **ret);

/* End the helper; NULL is accepted. */
void sandbox__destroy(struct sandbox *s);

struct sandbox_call {
	uint32_t kind; /* of the request */
	const struct wire *request;
	int fd;		      /* the file it is about, which the helper gets a copy of; -1: none */
	const char *shown;    /* the file's name, printable */
	bool vital;	      /* the run does not go on without what is in it */
	unsigned int limit_s; /* for the helper to come with something */
	/* A part of the answer. 0, or -errno: -EPROTO where it makes no sense. NULL: none come. */
	int (*part)(void *context, struct wire *part);
	/* The helper needs a file: a descriptor, the caller's to close, or -errno; *@note goes
	 * along. NULL: it cannot. */
	int (*ask)(void *context, struct wire *question, uint32_t *note);
	void *context;
};

/*
 * Let the helper work. 0 and what it answered in @reply; -EOWNERDEAD where it died of this file,
 * now or before, or there is no helper any more; -ENOMEM.
 */
int sandbox__call(struct sandbox *s, const struct sandbox_call *call, struct wire *reply);

/* The answer to the call on @fd made no sense: as if the helper had died. -EOWNERDEAD. */
int sandbox__distrust(struct sandbox *s, const struct sandbox_call *call);

/* How many files are not read, or not in full, because the helper died. */
uint64_t sandbox__unread(const struct sandbox *s);

/* The process; 0 where there is none. */
pid_t sandbox__pid(const struct sandbox *s);

#endif
