// SPDX-License-Identifier: GPL-2.0-or-later
#include "symbol/remote.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "sandbox/kinds.h"
#include "symbol/dwarfinfo.h"
#include "unwind/table_wire.h"
#include "util/cleanup.h"
#include "util/text.h"

/* Above what effort.h gives one address; below, what a process waits for. */
#define FIND_LIMIT_S	 25
#define TABLE_LIMIT_S	 10
#define DEMANGLE_LIMIT_S 5
/* Of a name or a path; demangle.c gives no longer ones. */
#define MAX_STRING 65536

/* --- files that the helper asks for --- */

/* Where the file is, and whether it is ours, in one number. */
static int answer_file(struct debugpath *where, struct wire *w, uint32_t *note)
{
	struct debugpath_question q = {0};
	bool ours = false;
	int fd;

	q.kind = wire__get_number(w, DEBUGPATH_KINDS - 1);
	q.build_id_size = wire__get_number(w, DEBUGPATH_MAX_BUILD_ID);
	q.build_id = wire__get(w, q.build_id_size);
	q.name = wire__get_string(w, PATH_MAX);
	q.from_module = wire__get_number(w, 1);
	q.nth = wire__get_number(w, UINT32_MAX);
	if (w->failed)
		return -EPROTO;
	fd = debugpath__open(where, &q, &ours);
	*note = q.nth << 1 | ours;
	return fd;
}

/* --- names and lines --- */

struct finding {
	struct debugpath *where;
	struct profile *strings;
	struct module_lines *lines;
	struct symbol_answer *answers;
	size_t nr, done;
};

static int ask_for_find(void *context, struct wire *question, uint32_t *note)
{
	return answer_file(((struct finding *)context)->where, question, note);
}

/* A name as a report can show it, whoever made it. */
static int take_string(struct finding *f, struct wire *w, const char **ret)
{
	char *s = wire__get_text(w, MAX_STRING);

	*ret = NULL;
	if (!s)
		return w->failed ? -EPROTO : 0;
	text__clean(s, MAX_STRING);
	*ret = profile__intern(f->strings, s);
	return *ret ? 0 : -ENOMEM;
}

static int take_line(struct finding *f, struct wire *w)
{
	struct profile_line line = {0};
	int err;

	line.offset = wire__get_number(w, UINT64_MAX);
	line.line = wire__get_number(w, UINT32_MAX);
	line.inlined = wire__get_number(w, 1);
	err = take_string(f, w, &line.symbol);
	if (!err)
		err = take_string(f, w, &line.file);
	return err ? err : vector_push(&f->lines->v, line);
}

static int take_answers(void *context, struct wire *w)
{
	struct finding *f = context;
	int err = 0;

	while (!err && !w->failed && w->at < w->size) {
		struct symbol_answer a = {.first = f->lines->v.count};
		size_t i;

		if (f->done == f->nr)
			return -EPROTO;
		a.keep = wire__get_number(w, 1);
		a.nr = wire__get_count(w, DWARFINFO_MAX_LINES, 5 * sizeof(uint64_t));
		for (i = 0; i < a.nr && !err; i++)
			err = take_line(f, w);
		if (!err && (w->failed || !a.nr))
			err = -EPROTO;
		if (!err)
			f->answers[f->done++] = a;
	}
	return err ? err : w->failed ? -EPROTO : 0;
}

int remote__find(struct sandbox *s, uint32_t id, struct debugpath *where,
		 const struct symbol_question *questions, size_t nr, struct profile *strings,
		 struct module_lines *lines, struct symbol_answer *answers)
{
	CLEANUP(wire__release) struct wire request = {0}, reply = {0};
	struct finding f = {where, strings, lines, answers, nr, 0};
	struct sandbox_call call = {
		.kind = SANDBOX_FIND,
		.request = &request,
		.fd = where->source.fd,
		.shown = where->shown,
		.limit_s = FIND_LIMIT_S,
		.part = take_answers,
		.ask = ask_for_find,
		.context = &f,
	};
	size_t i;

	wire__put_number(&request, id);
	wire__put_string(&request, where->shown);
	wire__put_number(&request, where->source.jit_pid);
	wire__put_number(&request, where->tell);
	wire__put_number(&request, where->debuginfod != NULL);
	wire__put_number(&request, nr);
	for (i = 0; i < nr; i++) {
		wire__put_number(&request, questions[i].pc);
		wire__put_number(&request, questions[i].interrupted);
		wire__put_number(&request, questions[i].variable);
	}
	return sandbox__call(s, &call, &reply);
}

/* --- unwind tables --- */

static int ask_for_table(void *context, struct wire *question, uint32_t *note)
{
	return answer_file(context, question, note);
}

int remote__compile(struct sandbox *s, struct debugpath *where, struct unwind_table **ret)
{
	CLEANUP(wire__release) struct wire request = {0}, reply = {0};
	struct sandbox_call call = {
		.kind = SANDBOX_TABLE,
		.request = &request,
		.fd = where->source.fd,
		.shown = where->shown,
		.limit_s = TABLE_LIMIT_S,
		.ask = ask_for_table,
		.context = where,
	};
	int err = sandbox__call(s, &call, &reply);

	if (err)
		return err;
	err = wire__get_number(&reply, INT32_MAX);
	if (err)
		return -err;
	err = unwind_table__get(&reply, ret);
	return err == -EPROTO ? sandbox__distrust(s, &call) : err;
}

/* --- names --- */

char *remote__demangle(struct sandbox *s, const char *name)
{
	CLEANUP(wire__release) struct wire request = {0}, reply = {0};
	struct sandbox_call call = {
		.kind = SANDBOX_DEMANGLE,
		.request = &request,
		.fd = -1,
		.shown = "a C++ name",
		.limit_s = DEMANGLE_LIMIT_S,
	};
	const char *text = NULL;
	char *ret;
	int err;

	wire__put_string(&request, name);
	err = sandbox__call(s, &call, &reply);
	if (!err)
		text = wire__get_string(&reply, MAX_STRING);
	if (err == -ENOMEM)
		return NULL;
	ret = strdup(text ? text : name);
	if (ret)
		text__clean(ret, MAX_STRING);
	return ret;
}
