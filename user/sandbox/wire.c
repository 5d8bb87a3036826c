// SPDX-License-Identifier: GPL-2.0-or-later
#include "sandbox/wire.h"

#include <stdlib.h>
#include <string.h>

#define NULL_STRING UINT64_MAX

void wire__release(struct wire *w)
{
	free(w->bytes);
	*w = (struct wire){0};
}

void wire__clear(struct wire *w)
{
	w->size = w->at = 0;
	w->failed = false;
}

void wire__put(struct wire *w, const void *bytes, size_t size)
{
	size_t capacity = w->capacity ? w->capacity : 4096;
	uint8_t *grown;

	while (capacity - w->size < size && capacity <= SIZE_MAX / 2)
		capacity *= 2;
	if (capacity > w->capacity) {
		grown = realloc(w->bytes, capacity);
		if (!grown) {
			w->failed = true;
			return;
		}
		w->bytes = grown;
		w->capacity = capacity;
	}
	if (size)
		memcpy(w->bytes + w->size, bytes, size);
	w->size += size;
}

void wire__put_string(struct wire *w, const char *s)
{
	size_t size = s ? strlen(s) + 1 : 0;

	wire__put_number(w, s ? size : NULL_STRING);
	wire__put(w, s, size);
}

size_t wire__get_count(struct wire *w, size_t max, size_t each)
{
	size_t n = wire__get_number(w, max);

	if (n <= (w->size - w->at) / each)
		return n;
	w->failed = true;
	return 0;
}

char *wire__get_text(struct wire *w, size_t max)
{
	uint64_t size = wire__get_number(w, UINT64_MAX);
	char *s;

	if (w->failed || size == NULL_STRING)
		return NULL;
	s = size && size <= max ? (char *)wire__get(w, size) : NULL;
	if (s && strnlen(s, size) == size - 1)
		return s;
	w->failed = true;
	return NULL;
}

const char *wire__get_string(struct wire *w, size_t max)
{
	return wire__get_text(w, max);
}
