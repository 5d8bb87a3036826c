/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small service with three kinds of leaks, for the demonstration:
 *   handle_request   forgets its buffer on the error path
 *   cache_insert     keeps everything, drops nothing
 *   session_open     loses a session together with what hangs on it
 * Usage: service [SECONDS]; one request every two milliseconds.
 */
#include <time.h>

#include "expect.h"

struct session {
	char *user;
	char *buffer;
	int id;
};

struct entry {
	struct entry *next;
	char value[100];
};

static struct entry *cache;

NOIPA static void cache_insert(int key)
{
	struct entry *e = malloc(sizeof(*e));

	if (!e)
		return;
	e->next = cache;
	snprintf(e->value, sizeof(e->value), "value of %d", key);
	cache = e;
}

NOIPA static struct session *session_open(int id)
{
	struct session *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	s->id = id;
	s->user = malloc(32);
	s->buffer = malloc(2048);
	if (!s->user || !s->buffer)
		abort();
	snprintf(s->user, 32, "user %d", id);
	memset(s->buffer, ' ', 2048); /* what lay there before may look like pointers */
	return s;
}

NOIPA static void session_close(struct session *s)
{
	free(s->user);
	free(s->buffer);
	free(s);
}

NOIPA static int handle_request(int id)
{
	struct session *s = session_open(id);
	char *answer = calloc(1, 512);

	if (id % 8 == 0)
		cache_insert(id);
	if (id % 50 == 7)
		return -1; /* leaks the session and the answer */
	free(answer);
	if (id % 20 == 3)
		return -1; /* leaks the session */
	session_close(s);
	return 0;
}

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? atof(argv[1]) : 5;
	struct timespec pause = {.tv_nsec = 2000000};
	int requests = (int)(seconds * 500);

	for (int i = 0; i < requests; i++) {
		handle_request(i);
		nanosleep(&pause, NULL);
	}
	return expect_done(0);
}
