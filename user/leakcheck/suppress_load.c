// SPDX-License-Identifier: GPL-2.0-or-later
/* Files of suppressions: this process reads the bytes, the helper makes sense of them. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "leakcheck/suppress.h"
#include "leakcheck/suppress_list.h"
#include "sandbox/kinds.h"
#include "sandbox/sandbox.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/text.h"

#define LIMIT_S	 10
#define MAX_FILE (16UL << 20)
#define PIECE	 65536
/* Of a line: a readable name is at most this much longer than the mangled one. */
#define MAX_TEXT (MAX_FILE + 65536)

/* --- entries, from the helper --- */

static void put_entry(struct wire *w, const struct suppression *entry)
{
	size_t i;

	wire__put_number(w, entry->of_frees);
	wire__put_number(w, entry->kinds);
	wire__put_number(w, entry->patterns.count);
	for (i = 0; i < entry->patterns.count; i++) {
		wire__put_number(w, entry->patterns.items[i].kind);
		wire__put_string(w, entry->patterns.items[i].text);
	}
}

static int get_pattern(struct wire *w, struct suppression *entry)
{
	struct suppress_pattern p = {.kind = wire__get_number(w, SUPPRESS_ANY)};
	const char *text = wire__get_string(w, MAX_TEXT);

	if (w->failed || !text != (p.kind == SUPPRESS_ANY))
		return -EPROTO;
	p.text = text ? strdup(text) : NULL;
	if ((text && !p.text) || vector_push(&entry->patterns, p)) {
		free(p.text);
		return -ENOMEM;
	}
	return 0;
}

static int get_entry(struct wire *w, struct suppressions *s)
{
	CLEANUP(suppression__release) struct suppression entry = {0};
	size_t i, n;
	int err = 0;

	entry.of_frees = wire__get_number(w, 1);
	entry.kinds = wire__get_number(w, SUPPRESS_ALL_KINDS);
	n = wire__get_count(w, MAX_FILE, 2 * sizeof(uint64_t));
	if (!n || entry.kinds & ~SUPPRESS_ALL_KINDS)
		return -EPROTO;
	for (i = 0; i < n && !err; i++)
		err = get_pattern(w, &entry);
	if (!err)
		err = vector_push(&s->list, entry);
	if (!err)
		entry = (struct suppression){0};
	return err;
}

int suppressions__get(struct wire *w, struct suppressions *s, enum suppress_fault *fault,
		      unsigned int *line)
{
	int err = wire__get_number(w, INT_MAX);
	size_t i, n;

	*fault = wire__get_number(w, SUPPRESS_FAULTS - 1);
	*line = wire__get_number(w, UINT_MAX);
	if (w->failed || (err && err != EINVAL && err != ENOMEM) || (err == EINVAL) != !!*fault)
		return -EPROTO;
	if (err)
		return -err;
	n = wire__get_count(w, MAX_FILE, 3 * sizeof(uint64_t));
	for (i = 0; i < n && !err; i++)
		err = get_entry(w, s);
	return err ? err : w->failed ? -EPROTO : 0;
}

int suppressions__serve(suppress_demangle_fn *demangle, struct wire *request, struct wire *reply)
{
	CLEANUP(suppressions__release) struct suppressions s = {0};
	enum suppress_fault fault;
	size_t size = wire__get_count(request, MAX_FILE, 1), i;
	const void *text = wire__get(request, size);
	unsigned int line;
	int err = text ? suppress_text__parse(text, size, demangle, &s, &fault, &line) : -EPROTO;

	if (!text)
		return err;
	wire__put_number(reply, -err);
	wire__put_number(reply, fault);
	wire__put_number(reply, line);
	wire__put_number(reply, s.list.count);
	for (i = 0; i < s.list.count && !err; i++)
		put_entry(reply, &s.list.items[i]);
	return 0;
}

/* --- bytes, from the file --- */

static int read_bytes(int fd, struct wire *w)
{
	char piece[PIECE];
	ssize_t n;

	while ((n = read(fd, piece, sizeof(piece)))) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		wire__put(w, piece, n);
		if (w->failed)
			return -ENOMEM;
		if (w->size > MAX_FILE)
			return -EFBIG;
	}
	return 0;
}

static int read_file(const char *path, struct wire *w)
{
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	int err = fd < 0 ? -errno : read_bytes(fd, w);

	if (err && err != -ENOMEM)
		log_error("cannot read suppressions from '%s': %s", path, strerror(-err));
	return err;
}

int suppressions__load(struct suppressions *s, struct sandbox *sandbox, const char *path)
{
	CLEANUP(wire__release) struct wire text = {0}, request = {0}, reply = {0};
	CLEANUP_FREE char *shown = strdup(path);
	struct sandbox_call call = {
		.kind = SANDBOX_SUPPRESS,
		.request = &request,
		.fd = -1,
		.shown = shown,
		.vital = true,
		.limit_s = LIMIT_S,
	};
	enum suppress_fault fault = SUPPRESS_FAULT_NONE;
	unsigned int line;
	int err = shown ? read_file(path, &text) : -ENOMEM;

	if (err)
		return err;
	text__clean(shown, PATH_MAX);
	wire__put_number(&request, text.size);
	wire__put(&request, text.bytes, text.size);
	err = sandbox__call(sandbox, &call, &reply);
	if (!err)
		err = suppressions__get(&reply, s, &fault, &line);
	if (err == -EPROTO)
		return sandbox__distrust(sandbox, &call);
	if (fault)
		log_error("%s:%u: %s", path, line, suppress_text__describe(fault));
	return err;
}
