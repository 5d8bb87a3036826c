// SPDX-License-Identifier: GPL-2.0-or-later
#include "symbol/service.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include <libelf.h>

#include "sandbox/channel.h"
#include "symbol/debugfile.h"
#include "symbol/demangle.h"
#include "symbol/modules.h"
#include "unwind/table.h"
#include "unwind/table_wire.h"
#include "util/cleanup.h"

/* Answers are sent when there are so many bytes, or when so much time has gone. */
#define PART_BYTES    65536
#define PART_MS	      500
#define MAX_QUESTIONS 65536
#define MAX_NAME      65536

struct symbol_service {
	struct modules *modules;
};

int symbol_service__create(struct symbol_service **ret)
{
	struct symbol_service *s = calloc(1, sizeof(*s));
	int err = s ? modules__create(&s->modules) : -ENOMEM;

	if (err)
		free(s);
	else
		*ret = s;
	return err;
}

/* A debugpath_fn: the tool opens. */
static int ask_tool(void *context, struct debugpath_question *q, bool *ours)
{
	CLEANUP(wire__release) struct wire w = {0};
	uint32_t note = 0;
	int fd;

	wire__put_number(&w, q->kind);
	wire__put_number(&w, q->build_id_size);
	wire__put(&w, q->build_id, q->build_id_size);
	wire__put_string(&w, q->name);
	wire__put_number(&w, q->from_module);
	wire__put_number(&w, q->nth);
	if (w.failed)
		return -ENOMEM;
	fd = server__ask(context, &w, &note);
	*ours = note & 1;
	q->nth = note >> 1;
	return fd;
}

static void put_lines(struct wire *w, const struct module_lines *lines, bool keep)
{
	size_t i;

	wire__put_number(w, keep);
	wire__put_number(w, lines->v.count);
	for (i = 0; i < lines->v.count; i++) {
		const struct profile_line *l = &lines->v.items[i];

		wire__put_number(w, l->offset);
		wire__put_number(w, l->line);
		wire__put_number(w, l->inlined);
		wire__put_string(w, l->symbol);
		wire__put_string(w, l->file);
	}
}

static void cleanup_profile(struct profile **p)
{
	profile__destroy(*p);
}

static void cleanup_lines(struct module_lines *l)
{
	vector_release(&l->v);
}

static int answer(const struct debugfile_search *search, struct module *m, struct wire *request,
		  size_t nr, struct profile *strings)
{
	CLEANUP(cleanup_lines) struct module_lines lines = {0};
	CLEANUP(wire__release) struct wire part = {0};
	struct server *server = search->context;
	int64_t sent = channel__now_ms();
	size_t i;
	int err = 0;

	for (i = 0; i < nr && !err; i++) {
		struct symbol_question q;
		bool keep;

		q.pc = wire__get_number(request, UINT64_MAX);
		q.interrupted = wire__get_number(request, 1);
		q.variable = wire__get_number(request, 1);
		lines.v.count = 0;
		err = module__find(m, search, &q, strings, &lines, &keep);
		put_lines(&part, &lines, keep);
		if (!err && (part.size > PART_BYTES || channel__now_ms() - sent > PART_MS)) {
			err = server__part(server, &part);
			sent = channel__now_ms();
		}
	}
	return err ? err : server__part(server, &part);
}

int symbol_service__find(void *context, struct server *server, struct wire *request, int fd,
			 struct wire *reply)
{
	CLEANUP(cleanup_profile) struct profile *strings = profile__create();
	struct symbol_service *s = context;
	struct debugfile_search search = {.open = ask_tool, .context = server};
	struct symbol_source source = {.fd = fd};
	uint32_t id = wire__get_number(request, UINT32_MAX);
	struct module *m = modules__get(s->modules, id);
	bool tell;
	int err = strings ? 0 : -ENOMEM;
	size_t nr;

	(void)reply;
	source.path = wire__get_string(request, PATH_MAX);
	source.jit_pid = wire__get_number(request, INT32_MAX);
	tell = wire__get_number(request, 1);
	search.fetches = wire__get_number(request, 1);
	nr = wire__get_number(request, MAX_QUESTIONS);
	if (m)
		cleanup_close(&fd); /* it has one */
	else if (!err)
		err = modules__add(s->modules, id, &source, tell, &m);
	return err ? err : answer(&search, m, request, nr, strings);
}

static void cleanup_elffile(struct elffile **f)
{
	elffile__destroy(*f);
}

static void cleanup_table(struct unwind_table **t)
{
	unwind_table__destroy(*t);
}

/* The debug file, if there is one. 0 or -ENOMEM. */
static int find_debug_file(struct server *server, int fd, struct elffile **ret)
{
	CLEANUP(cleanup_elffile) struct elffile *file = NULL;
	struct debugfile_search search = {.open = ask_tool, .context = server};
	int err = elffile__open(fd, false, &file);

	if (!err)
		err = debugfile__find(&search, file, ret);
	return err == -ENOMEM ? err : 0;
}

int symbol_service__compile(void *context, struct server *server, struct wire *request,
			    int borrowed, struct wire *reply)
{
	CLEANUP(cleanup_elffile) struct elffile *debug = NULL;
	CLEANUP(cleanup_table) struct unwind_table *t = NULL;
	CLEANUP_CLOSE int fd = borrowed;
	int err;

	(void)context;
	(void)request;
	err = find_debug_file(server, fd, &debug);
	if (!err)
		err = unwind_table__compile(fd, debug ? debug->fd : -1, &t);
	wire__put_number(reply, -err);
	if (!err)
		unwind_table__put(t, reply);
	return 0;
}

int symbol_service__demangle(void *context, struct server *server, struct wire *request, int fd,
			     struct wire *reply)
{
	const char *name = wire__get_string(request, MAX_NAME);
	CLEANUP_FREE char *text = name ? demangle(name, SIZE_MAX) : NULL;

	(void)context;
	(void)server;
	cleanup_close(&fd);
	wire__put_string(reply, text);
	return 0;
}
