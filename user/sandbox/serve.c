// SPDX-License-Identifier: GPL-2.0-or-later
#include "sandbox/serve.h"

#include <errno.h>
#include <unistd.h>

#include "sandbox/channel.h"
#include "sandbox/confine.h"
#include "util/cleanup.h"
#include "util/log.h"

/* There is one socket and one request at a time: nothing to keep. */
struct server {
	int socket;
};

int server__part(struct server *s, struct wire *part)
{
	int err = channel__send(s->socket, CHANNEL_PART, part, -1, 0);

	wire__clear(part);
	return err;
}

int server__ask(struct server *s, const struct wire *question, uint32_t *note)
{
	CLEANUP(wire__release) struct wire answer = {0};
	uint32_t type;
	int fd = -1, err;

	err = channel__send(s->socket, CHANNEL_ASK, question, -1, 0);
	if (!err)
		err = channel__receive(s->socket, &type, &answer, &fd, 0);
	if (err)
		_exit(1); /* the tool is gone, or gave us up */
	err = wire__get_number(&answer, INT32_MAX);
	*note = wire__get_number(&answer, UINT32_MAX);
	if (fd >= 0)
		return fd;
	return err ? -err : -EMFILE;
}

static void send_line(enum log_level level, const char *line)
{
	CLEANUP(wire__release) struct wire w = {0};

	wire__put_number(&w, level);
	wire__put_string(&w, line);
	if (channel__send(CONFINE_SOCKET, CHANNEL_LOG, &w, -1, 0))
		_exit(1);
}

int serve(serve_fn *const services[], uint32_t nr, void *context, serve_before_fn *before)
{
	struct server server = {.socket = CONFINE_SOCKET};
	CLEANUP(wire__release) struct wire request = {0}, reply = {0};

	log__set_sink(send_line);
	for (;;) {
		uint32_t type;
		int fd;

		if (channel__receive(server.socket, &type, &request, &fd, 0))
			return 0; /* the tool has ended */
		wire__clear(&reply);
		if (before && type >= CHANNEL_REQUEST)
			before(type - CHANNEL_REQUEST);
		if (type < CHANNEL_REQUEST || type - CHANNEL_REQUEST >= nr ||
		    services[type - CHANNEL_REQUEST](context, &server, &request, fd, &reply) ||
		    channel__send(server.socket, CHANNEL_REPLY, &reply, -1, 0))
			return 1;
	}
}
