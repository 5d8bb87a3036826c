// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A name of a hundred bytes can demangle into gigabytes, since a part may refer to an earlier part
 * twice and that one again. libiberty limits the depth but not the length, and its callback cannot
 * say stop: it is left by longjmp, which is sound because those of its functions that take a
 * callback allocate nothing (but for Rust's punycode, a few bytes). The D demangler takes none:
 * what a name may cost is estimated before.
 */
#include "symbol/demangle.h"

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Distributions do not agree where it is. */
#if __has_include(<libiberty/demangle.h>)
#include <libiberty/demangle.h>
#else
#include <demangle.h>
#endif
#undef ARRAY_SIZE /* ours says the same */

#include "util/text.h"
#include "util/cleanup.h"

#define MAX_MANGLED   16384
#define MAX_DEMANGLED 65536
#define MAX_D_MANGLED 4096
#define MAX_D_COST    (1U << 24) /* bytes: some hundredths of a second */
#define OPTIONS	      (DMGL_PARAMS | DMGL_ANSI)

struct sink {
	char *text;
	size_t size;
	jmp_buf too_long;
};

typedef int demangle_fn(const char *mangled, int options, demangle_callbackref, void *opaque);

static void append(const char *s, size_t n, void *opaque)
{
	struct sink *sink = opaque;

	if (n >= MAX_DEMANGLED - sink->size)
		longjmp(sink->too_long, 1);
	if (n)
		memcpy(sink->text + sink->size, s, n);
	sink->size += n;
}

static bool run(struct sink *sink, demangle_fn *fn, const char *mangled)
{
	sink->size = 0;
	if (setjmp(sink->too_long))
		return false;
	return fn(mangled, OPTIONS, append, sink) && sink->size;
}

/* Each 'Q' may be a reference to what stands before; three to one place and again from there is the
 * worst that they can do. */
static bool d_is_cheap(const char *mangled, size_t size)
{
	uint64_t cost = size;
	size_t i, references = 0;

	for (i = 0; i < size && cost <= MAX_D_COST; i++)
		if (mangled[i] == 'Q' && ++references % 3 == 0)
			cost *= 3;
	return size <= MAX_D_MANGLED && cost <= MAX_D_COST;
}

/* The demangled name, the caller's; NULL where @name is no mangled one. */
static char *demangle_any(const char *name, size_t size)
{
	CLEANUP_FREE char *text = NULL;
	struct sink sink = {0};
	bool done = false;

	if (name[0] != '_' || size > MAX_MANGLED)
		return NULL;
	if (name[1] == 'D') {
		text = d_is_cheap(name, size) ? dlang_demangle(name, OPTIONS) : NULL;
		return text && strlen(text) < MAX_DEMANGLED ? TAKE_PTR(text) : NULL;
	}
	text = malloc(MAX_DEMANGLED);
	if (!text)
		return NULL;
	sink.text = text;
	/* Rust's old mangling is C++'s with a hash as last part. */
	if (name[1] == 'R' || name[1] == 'Z' || strncmp(name, "__R", 3) == 0)
		done = run(&sink, rust_demangle_callback, name);
	if (!done && name[1] != 'R')
		done = run(&sink, cplus_demangle_v3_callback, name);
	return done ? strndup(text, sink.size) : NULL;
}

char *demangle(const char *name, size_t size)
{
	CLEANUP_FREE char *plain = strndup(name, size < MAX_DEMANGLED ? size : MAX_DEMANGLED);
	char *ret;

	if (!plain)
		return NULL;
	ret = demangle_any(plain, strlen(plain));
	if (!ret)
		ret = TAKE_PTR(plain);
	text__clean(ret, MAX_DEMANGLED);
	return ret;
}
