/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_SANDBOX_WIRE_H
#define MEMLEAK_SANDBOX_WIRE_H

/*
 * Messages as bytes. What is put in is taken out in the same order; whoever reads believes nothing:
 * every length is checked against the bytes that there are, and once something does not fit,
 * nothing does any more (`failed`). All zero is an empty message.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct wire {
	uint8_t *bytes;
	size_t size, capacity;
	size_t at;   /* of reading */
	bool failed; /* no memory to write, or nothing that could be read */
};

void wire__release(struct wire *w);

/* Empty it, for the next message. */
void wire__clear(struct wire *w);

void wire__put(struct wire *w, const void *bytes, size_t size);

/* Inline, as those below: a report has hundreds of thousands of numbers. */
static inline void wire__put_number(struct wire *w, uint64_t n)
{
	if (w->capacity - w->size < sizeof(n)) {
		wire__put(w, &n, sizeof(n));
		return;
	}
	memcpy(w->bytes + w->size, &n, sizeof(n));
	w->size += sizeof(n);
}

void wire__put_string(struct wire *w, const char *s); /* NULL stays NULL */

/* The next @size bytes, which the message keeps; NULL where there are fewer. */
static inline const void *wire__get(struct wire *w, size_t size)
{
	const void *ret = w->bytes + w->at;

	if (w->failed || size > w->size - w->at) {
		w->failed = true;
		return NULL;
	}
	w->at += size;
	return ret;
}

/* 0 where there is none, or one above @max. */
static inline uint64_t wire__get_number(struct wire *w, uint64_t max)
{
	const void *bytes = wire__get(w, sizeof(uint64_t));
	uint64_t n = 0;

	if (bytes)
		memcpy(&n, bytes, sizeof(n));
	if (n <= max)
		return n;
	w->failed = true;
	return 0;
}

/* A number of things that take at least @each bytes of the message: no more than there can be. */
size_t wire__get_count(struct wire *w, size_t max, size_t each);

/* Terminated, of at most @max bytes; NULL where NULL was put, or where there is none. */
const char *wire__get_string(struct wire *w, size_t max);

/* The same, to be changed in its place. */
char *wire__get_text(struct wire *w, size_t max);

#endif
