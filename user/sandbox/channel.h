/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_SANDBOX_CHANNEL_H
#define MEMLEAK_SANDBOX_CHANNEL_H

/* Frames over the socket between the tool and its helper. */

#include <stdint.h>

#include "sandbox/wire.h"

/* What a frame is. Kinds of requests are numbers from CHANNEL_REQUEST on. */
enum channel_type {
	CHANNEL_PART,	/* a part of the answer to the request */
	CHANNEL_REPLY,	/* the end of it */
	CHANNEL_ASK,	/* the helper needs something, such as a file */
	CHANNEL_ANSWER, /* and gets it */
	CHANNEL_LOG,	/* something to say */
	CHANNEL_REQUEST,
};

/* No frame is larger: the unwind table of the largest program is far from it. */
#define CHANNEL_LIMIT (256UL << 20)

/*
 * Send a frame, with a copy of @fd where it is not -1. @deadline_ms on CLOCK_MONOTONIC; 0: none. 0,
 * -ETIMEDOUT, or -errno.
 */
int channel__send(int socket, uint32_t type, const struct wire *w, int fd, int64_t deadline_ms);

/*
 * Receive a frame into @w. @fd: where the descriptor goes that came with it, -1 if none; with NULL
 * none is ever taken. 0, -ETIMEDOUT, -EPIPE where the other end is closed, -EPROTO, -ENOMEM,
 * -errno.
 */
int channel__receive(int socket, uint32_t *type, struct wire *w, int *fd, int64_t deadline_ms);

/* Milliseconds on CLOCK_MONOTONIC. */
int64_t channel__now_ms(void);

#endif
