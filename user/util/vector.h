/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_UTIL_VECTOR_H
#define MEMLEAK_UTIL_VECTOR_H

/*
 * A growing array: VECTOR(type) declares the members `items`, `count`, `capacity`; all zero is an
 * empty one. Elements move when it grows: keep indexes, not pointers.
 */

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#define VECTOR(type)                                                                               \
	struct {                                                                                   \
		type *items;                                                                       \
		size_t count;                                                                      \
		size_t capacity;                                                                   \
	}

/* Make room for @need elements of @size bytes; 0 or -ENOMEM with the array unchanged. */
static inline int vector_reserve_(void **items, size_t *capacity, size_t need, size_t size)
{
	size_t cap = *capacity ? *capacity : 8;
	void *grown;

	if (need <= *capacity)
		return 0;
	while (cap < need)
		cap *= 2;
	grown = reallocarray(*items, cap, size);
	if (!grown)
		return -ENOMEM;
	*items = grown;
	*capacity = cap;
	return 0;
}

/* 0 or -ENOMEM with the vector unchanged. */
#define vector_reserve(v, need)                                                                    \
	vector_reserve_((void **)&(v)->items, &(v)->capacity, (need), sizeof(*(v)->items))

/* Append a copy of the element; 0 or -ENOMEM with the vector unchanged. */
#define vector_push(v, ...)                                                                        \
	({                                                                                         \
		int err_ = vector_reserve((v), (v)->count + 1);                                    \
		if (!err_)                                                                         \
			(v)->items[(v)->count++] = (__VA_ARGS__);                                  \
		err_;                                                                              \
	})

/* Give back what is not used: it will not grow any more. Without memory for that it stays as it is.
 */
#define vector_fit(v)                                                                              \
	do {                                                                                       \
		void *fit_ = NULL;                                                                 \
		if ((v)->count && (v)->count < (v)->capacity)                                      \
			fit_ = reallocarray((v)->items, (v)->count, sizeof(*(v)->items));          \
		if (fit_) {                                                                        \
			(v)->items = fit_;                                                         \
			(v)->capacity = (v)->count;                                                \
		}                                                                                  \
	} while (0)

/* Free the array itself, not what its elements own; the vector is empty afterwards. */
#define vector_release(v)                                                                          \
	do {                                                                                       \
		free((v)->items);                                                                  \
		(v)->items = NULL;                                                                 \
		(v)->count = (v)->capacity = 0;                                                    \
	} while (0)

#endif
