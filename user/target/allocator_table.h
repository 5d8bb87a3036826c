/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_TARGET_ALLOCATOR_TABLE_H
#define MEMLEAK_TARGET_ALLOCATOR_TABLE_H

/* What is known of allocation functions by their names alone: allocator.c finds them in objects. */

#include <stdbool.h>
#include <stddef.h>

#include "target/allocator.h"

/* One row a function. */
extern const struct allocator_row allocator_table[];
extern const size_t nr_allocator_rows;

/* True if @symbol, version suffixes aside, is the name of @row with the prefix, where one applies;
 * @prefix NULL: with any of those that builds of allocators have, or none. */
bool allocator_row__matches(const struct allocator_row *row, const char *prefix,
			    const char *symbol);

/* Whether @row is an operator of C++, new or delete; operator new alone. */
bool allocator_row__is_operator(const struct allocator_row *row);
bool allocator_row__is_operator_new(const struct allocator_row *row);

/* True if @symbol is that of a function by which allocators map memory for themselves, perhaps with
 * a prefix, perhaps a compiler's copy of it. */
bool allocator_table__has_mapper(const char *symbol);

bool allocator_table__has_sanitizer(const char *symbol);

#endif
