/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_SANDBOX_SERVE_H
#define MEMLEAK_SANDBOX_SERVE_H

/* The helper's side: requests in, answers out. */

#include <stdbool.h>
#include <stdint.h>

#include "sandbox/wire.h"

struct server;

/*
 * Work on a request about @fd (-1: none), whose ownership passes. 0 with the end of the answer in
 * @reply; anything else ends the helper.
 */
typedef int serve_fn(void *context, struct server *server, struct wire *request, int fd,
		     struct wire *reply);

/* Called before each request, by its kind: for tests, which make it go wrong. */
typedef void serve_before_fn(uint32_t kind);

/* Serve until the tool is gone: kind i is services[i]. @before may be NULL. Returns the exit
 * status.
 */
int serve(serve_fn *const services[], uint32_t nr, void *context, serve_before_fn *before);

/* Send a part of the answer, which is emptied. 0 or -errno. */
int server__part(struct server *s, struct wire *part);

/* Ask the tool for a file: a descriptor or -errno; *@note as it was answered. */
int server__ask(struct server *s, const struct wire *question, uint32_t *note);

#endif
