// SPDX-License-Identifier: GPL-2.0-or-later
#include "target/inspect.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/kinds.h"
#include "util/cleanup.h"
#include "util/text.h"

/* A process that is started waits for it. */
#define LIMIT_S 10

/* More than any real file has; what the helper says must be kept in bounds. */
#define MAX_FUNCTIONS 65536
#define MAX_RETURNS   (1UL << 20)
#define MAX_BUILD_ID  128 /* hexadecimal digits */
#define MAX_ROWS      4096
#define MAX_NAME      4096

/* --- the search, to the helper --- */

static void put_search(struct wire *w, const struct allocator_search *search)
{
	size_t i;

	wire__put_string(w, search->prefix);
	wire__put_number(w, search->nr_rows);
	for (i = 0; i < search->nr_rows; i++) {
		const struct allocator_row *r = &search->rows[i];

		wire__put_string(w, r->name);
		wire__put_number(w, r->call);
		wire__put_number(w, r->family);
		wire__put_number(w, r->may_throw);
		wire__put_number(w, r->form);
	}
	wire__put_number(w, search->no_sites);
}

/* Its strings are the message's. 0, -EPROTO, -ENOMEM. */
static int get_search(struct wire *w, struct allocator_search *search)
{
	struct allocator_row *rows;
	size_t i, n;

	search->prefix = wire__get_string(w, MAX_NAME);
	n = wire__get_count(w, MAX_ROWS, 5 * sizeof(uint64_t));
	rows = calloc(n + 1, sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	search->rows = rows;
	search->nr_rows = n;
	for (i = 0; i < n; i++) {
		rows[i].name = wire__get_string(w, MAX_NAME);
		rows[i].call = wire__get_number(w, UINT32_MAX);
		rows[i].family = wire__get_number(w, UINT8_MAX);
		rows[i].may_throw = wire__get_number(w, 1);
		rows[i].form = wire__get_number(w, UINT64_MAX);
		if (!rows[i].name)
			return -EPROTO;
	}
	search->no_sites = wire__get_number(w, 1);
	return w->failed ? -EPROTO : 0;
}

/* --- the object, from it --- */

static void put_object(struct wire *w, const struct object *o)
{
	size_t i;

	wire__put_string(w, o->build_id);
	wire__put_number(w, o->machine);
	wire__put_number(w, o->is_64bit);
	wire__put_number(w, o->has_interpreter);
	wire__put_number(w, o->is_musl);
	wire__put_number(w, o->tls_size);
	wire__put_number(w, o->nr_segments);
	for (i = 0; i < o->nr_segments; i++) {
		wire__put_number(w, o->segments[i].offset);
		wire__put_number(w, o->segments[i].vaddr);
		wire__put_number(w, o->segments[i].filesz);
		wire__put_number(w, o->segments[i].memsz);
		wire__put_number(w, o->segments[i].executable);
	}
}

static int get_segments(struct wire *w, struct object *o)
{
	size_t i, n = wire__get_count(w, OBJECT_MAX_SEGMENTS, 5 * sizeof(uint64_t));

	o->segments = calloc(n + 1, sizeof(*o->segments));
	if (!o->segments)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		struct object_segment *s = &o->segments[i];

		s->offset = wire__get_number(w, UINT64_MAX);
		s->vaddr = wire__get_number(w, UINT64_MAX);
		s->filesz = wire__get_number(w, UINT64_MAX);
		s->memsz = wire__get_number(w, UINT64_MAX);
		s->executable = wire__get_number(w, 1);
	}
	o->nr_segments = n;
	return w->failed ? -EPROTO : 0;
}

static int get_object(struct wire *w, struct object *o)
{
	const char *id = wire__get_string(w, MAX_BUILD_ID + 1);

	if (id && (!*id || strspn(id, "0123456789abcdef") != strlen(id)))
		return -EPROTO;
	o->build_id = id ? strdup(id) : NULL;
	if (id && !o->build_id)
		return -ENOMEM;
	o->machine = wire__get_number(w, UINT16_MAX);
	o->is_64bit = wire__get_number(w, 1);
	o->has_interpreter = wire__get_number(w, 1);
	o->is_musl = wire__get_number(w, 1);
	o->tls_size = wire__get_number(w, 2 * OBJECT_MAX_TLS);
	return get_segments(w, o);
}

/* --- its functions --- */

/* What is known of a function by its name, the tool knows; the name itself is a number. */
static void put_functions(struct wire *w, const struct allocator *a,
			  const struct allocator_search *search)
{
	size_t i;

	wire__put_number(w, a->functions.count);
	for (i = 0; i < a->functions.count; i++) {
		const struct allocator_function *f = &a->functions.items[i];

		wire__put_number(w, allocator__row_number(search, f));
		wire__put_number(w, allocator__is_note(f));
		wire__put_number(w, f->offset);
		wire__put_number(w, f->size);
		wire__put_number(w, f->families);
		wire__put_number(w, f->guarded);
		wire__put_number(w, f->leaf);
		wire__put_number(w, f->plain);
		wire__put_number(w, f->by_other);
		wire__put_number(w, f->distance);
	}
}

static int get_functions(struct wire *w, const struct allocator_search *search, struct allocator *a)
{
	size_t n = wire__get_count(w, MAX_FUNCTIONS, 10 * sizeof(uint64_t)), i;
	int err = 0;

	for (i = 0; i < n && !err; i++) {
		uint32_t number = wire__get_number(w, UINT32_MAX);
		bool note = wire__get_number(w, 1);
		struct allocator_function f;

		if (!allocator__from_row(search, number, note, &f))
			return -EPROTO;
		f.offset = wire__get_number(w, INT64_MAX);
		f.size = wire__get_number(w, UINT64_MAX);
		f.families = wire__get_number(w, UINT8_MAX);
		f.guarded = wire__get_number(w, 1);
		f.leaf = wire__get_number(w, 1);
		f.plain = wire__get_number(w, 1);
		f.by_other = wire__get_number(w, 1);
		f.distance = wire__get_number(w, UINT64_MAX);
		if (f.call != MEMLEAK_CALL_LIBRARIES && f.distance)
			return -EPROTO;
		err = vector_push(&a->functions, f);
	}
	return err ? err : w->failed ? -EPROTO : 0;
}

static void put_ranges(struct wire *w, const struct allocator_range *ranges, size_t n)
{
	size_t i;

	wire__put_number(w, n);
	for (i = 0; i < n; i++) {
		wire__put_number(w, ranges[i].start);
		wire__put_number(w, ranges[i].end);
		wire__put_number(w, ranges[i].family);
		wire__put_number(w, ranges[i].deletes);
	}
}

/* The next range of so many. */
static struct allocator_range get_range(struct wire *w)
{
	struct allocator_range r;

	r.start = wire__get_number(w, UINT64_MAX);
	r.end = wire__get_number(w, UINT64_MAX);
	r.family = wire__get_number(w, MEMLEAK_FAMILY_MMAP);
	r.deletes = wire__get_number(w, 1);
	return r;
}

#define RANGE_BYTES (4 * sizeof(uint64_t))

/* --- its sites --- */

static void put_sites(struct wire *w, const notes_sites *sites)
{
	size_t i;

	wire__put_number(w, sites->count);
	for (i = 0; i < sites->count; i++) {
		const struct notes_site *s = &sites->items[i];

		wire__put_number(w, s->kind);
		wire__put_number(w, s->own);
		wire__put_number(w, s->offset);
		wire__put_number(w, s->semaphore);
		wire__put(w, &s->arguments, sizeof(s->arguments));
	}
}

static int get_sites(struct wire *w, notes_sites *ret)
{
	size_t n, i, k;
	int err = 0;

	n = wire__get_count(w, NOTES_MAX_SITES,
			    4 * sizeof(uint64_t) + sizeof(struct memleak_site_arguments));
	for (i = 0; i < n && !err; i++) {
		struct notes_site s = {.kind = wire__get_number(w, NOTES_KINDS - 1)};
		const void *arguments;

		s.own = wire__get_number(w, 1);
		s.offset = wire__get_number(w, INT64_MAX);
		s.semaphore = wire__get_number(w, INT64_MAX);
		arguments = wire__get(w, sizeof(s.arguments));
		if (!arguments)
			return -EPROTO;
		memcpy(&s.arguments, arguments, sizeof(s.arguments));
		for (k = 0; k < ARRAY_SIZE(s.arguments.list); k++)
			if (s.arguments.list[k].kind > MEMLEAK_ARGUMENT_MEMORY)
				return -EPROTO;
		err = vector_push(ret, s);
	}
	return err ? err : w->failed ? -EPROTO : 0;
}

static void put_allocator(struct wire *w, const struct allocator *a,
			  const struct allocator_search *search)
{
	size_t i;

	put_functions(w, a, search);
	put_ranges(w, a->operators.items, a->operators.count);
	put_ranges(w, a->internals.items, a->internals.count);
	wire__put_number(w, a->returns.count);
	for (i = 0; i < a->returns.count; i++)
		wire__put_number(w, a->returns.items[i]);
	wire__put_number(w, a->has_heap);
	wire__put_number(w, a->has_rows);
	wire__put_number(w, a->has_gaps);
	put_sites(w, &a->sites);
	wire__put_number(w, a->is_hook);
	wire__put_number(w, a->is_sanitizer);
	wire__put_number(w, a->is_go);
}

static int get_allocator(struct wire *w, const struct allocator_search *search, struct allocator *a)
{
	size_t i, n;
	int err = get_functions(w, search, a);

	n = wire__get_count(w, MAX_FUNCTIONS, RANGE_BYTES);
	for (i = 0; i < n && !err; i++)
		err = vector_push(&a->operators, get_range(w));
	n = wire__get_count(w, MAX_FUNCTIONS, RANGE_BYTES);
	for (i = 0; i < n && !err; i++)
		err = vector_push(&a->internals, get_range(w));
	n = wire__get_count(w, MAX_RETURNS, sizeof(uint64_t));
	for (i = 0; i < n && !err; i++)
		err = vector_push(&a->returns, wire__get_number(w, INT64_MAX));
	a->has_heap = wire__get_number(w, 1);
	a->has_rows = wire__get_number(w, 1);
	a->has_gaps = wire__get_number(w, 1);
	if (!err)
		err = get_sites(w, &a->sites);
	a->is_hook = wire__get_number(w, 1);
	a->is_sanitizer = wire__get_number(w, 1);
	a->is_go = wire__get_number(w, 1);
	return err ? err : w->failed ? -EPROTO : 0;
}

/* --- the two sides --- */

static void cleanup_object(struct object **o)
{
	object__destroy(*o);
}

static int take(struct wire *w, const struct allocator_search *search, struct object *o,
		struct allocator *allocator)
{
	CLEANUP(allocator__release) struct allocator a = {0};
	int err = get_object(w, o);

	if (!err)
		err = get_allocator(w, search, &a);
	if (err)
		return err;
	*allocator = a;
	a = (struct allocator){0};
	return 0;
}

int inspect(struct sandbox *s, int fd, const char *path, const struct allocator_search *search,
	    struct object **ret, struct allocator *allocator)
{
	CLEANUP(wire__release) struct wire request = {0}, reply = {0};
	CLEANUP(cleanup_object) struct object *o = NULL;
	CLEANUP_FREE char *shown = strdup(path);
	struct sandbox_call call = {
		.kind = SANDBOX_OBJECT,
		.request = &request,
		.fd = fd,
		.shown = shown,
		.limit_s = LIMIT_S,
	};
	int err = object__create_unread(fd, path, &o);

	if (err || !shown)
		return -ENOMEM;
	text__clean(shown, PATH_MAX);
	*allocator = (struct allocator){0};
	wire__put_string(&request, shown);
	put_search(&request, search);
	err = object__is_readable(o) ? sandbox__call(s, &call, &reply) : -ENOENT;
	if (!err)
		err = take(&reply, search, o, allocator);
	if (err == -EPROTO)
		err = sandbox__distrust(s, &call);
	if (err == -ENOMEM)
		return err;
	if (err)
		object__forget(o);
	*ret = TAKE_PTR(o);
	return 0;
}

int inspect__serve(void *context, struct server *server, struct wire *request, int fd,
		   struct wire *reply)
{
	CLEANUP(cleanup_object) struct object *o = NULL;
	CLEANUP(allocator__release) struct allocator a = {0};
	struct allocator_search search = {0};
	const char *path = wire__get_string(request, PATH_MAX);
	int err;

	(void)context;
	(void)server;
	err = object__create(fd, path ? path : "?", &o);
	if (!err)
		err = get_search(request, &search);
	if (!err)
		err = allocator__find(o, &search, &a);
	if (!err) {
		put_object(reply, o);
		put_allocator(reply, &a, &search);
	}
	free((void *)search.rows);
	return err;
}
