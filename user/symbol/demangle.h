/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_SYMBOL_DEMANGLE_H
#define MEMLEAK_SYMBOL_DEMANGLE_H

#include <stddef.h>

/*
 * The name a person knows a function by, of the mangled one that the first @size bytes of @name
 * are, or fewer where a NUL comes before: C++, Rust and D names demangled, without characters that
 * would move the cursor. Names that are no mangled ones, and those too long or too costly to
 * demangle, stay as they are. The string is the caller's; NULL without memory.
 */
char *demangle(const char *name, size_t size);

#endif
