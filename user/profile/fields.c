// SPDX-License-Identifier: GPL-2.0-or-later
#include "profile/fields.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/utf8.h"

enum type { TYPE_U64, TYPE_I64, TYPE_U32, TYPE_BOOL, TYPE_DOUBLE, TYPE_STRING };

struct field {
	const char *path; /* "peak.bytes" is the member bytes of the object peak */
	enum type type;
	size_t offset;
};

#define HEAD(path, type, member)                                                                   \
	{                                                                                          \
		path, TYPE_##type, offsetof(struct profile, member)                                \
	}
#define PROCESS(path, type, member)                                                                \
	{                                                                                          \
		path, TYPE_##type, offsetof(struct profile_process, member)                        \
	}

#define LEAKS(name, verdict)                                                                       \
	PROCESS("leaks." name ".blocks", U64, leaks[verdict].blocks),                              \
		PROCESS("leaks." name ".bytes", U64, leaks[verdict].bytes)

/* clang-format off */
static const struct field head_fields[] = {
	HEAD("time_ms", I64, time_ms),
	HEAD("seq", U64, seq),
	HEAD("final", BOOL, final),
	HEAD("diagnosed", BOOL, diagnosed),
	HEAD("command", BOOL, command),
	HEAD("diff", BOOL, diff),
	HEAD("elapsed_s", DOUBLE, elapsed_s),
	HEAD("sampling.mode", U32, sampling),
	HEAD("sampling.value", U64, sampling_value),
	HEAD("losses.blocks", U64, losses.blocks),
	HEAD("losses.frees", U64, losses.frees),
	HEAD("losses.stacks", U64, losses.stacks),
	HEAD("losses.truncated_stacks", U64, losses.truncated_stacks),
	HEAD("losses.broken_stacks", U64, losses.broken_stacks),
	HEAD("losses.events", U64, losses.events),
	HEAD("losses.sites", U64, losses.sites),
	HEAD("losses.wrong_frees", U64, losses.wrong_frees),
	HEAD("losses.unread_files", U64, losses.unread_files),
	HEAD("losses.no_memory", U64, losses.no_memory),
	HEAD("losses.stacks_no_memory", U64, losses.stacks_no_memory),
	HEAD("losses.unreadable", U64, losses.unreadable),
	HEAD("losses.late", U64, losses.late),
	HEAD("losses.late_ms", DOUBLE, losses.late_ms),
};

static const struct field process_fields[] = {
	PROCESS("pid", U32, pid),
	PROCESS("comm", STRING, comm),
	PROCESS("exe", STRING, exe),
	PROCESS("running", BOOL, running),
	PROCESS("allocs", U64, allocs),
	PROCESS("frees", U64, frees),
	PROCESS("alloc_bytes", U64, alloc_bytes),
	PROCESS("outstanding.blocks", U64, outstanding.blocks),
	PROCESS("outstanding.bytes", U64, outstanding.bytes),
	PROCESS("standard_error.blocks", DOUBLE, error.blocks),
	PROCESS("standard_error.bytes", DOUBLE, error.bytes),
	PROCESS("peak.bytes", U64, peak_bytes),
	PROCESS("peak.at_s", DOUBLE, peak_at_s),
	PROCESS("mmap.blocks", U64, mmap.blocks),
	PROCESS("mmap.bytes", U64, mmap.bytes),
	PROCESS("growth_bytes", I64, growth_bytes),
	PROCESS("resources", U64, resources),
	PROCESS("checked", BOOL, checked),
	PROCESS("pause_ms", DOUBLE, pause_ms),
	PROCESS("judge_ms", DOUBLE, judge_ms),
	LEAKS("definite", PROFILE_VERDICT_DEFINITE),
	LEAKS("indirect", PROFILE_VERDICT_INDIRECT),
	LEAKS("possible", PROFILE_VERDICT_POSSIBLE),
	LEAKS("reachable", PROFILE_VERDICT_REACHABLE),
	PROCESS("leaks.suppressed.blocks", U64, suppressed.blocks),
	PROCESS("leaks.suppressed.bytes", U64, suppressed.bytes),
};
/* clang-format on */

static_assert(sizeof(enum profile_sampling) == sizeof(uint32_t), "TYPE_U32 holds it");

int fields__parse(const char *text, size_t length, int depth, struct json_object **ret)
{
	struct json_tokener *tokener = json_tokener_new_ex(depth);
	bool failed;

	*ret = NULL;
	if (!tokener)
		return -ENOMEM;
	errno = 0;
	*ret = json_tokener_parse_ex(tokener, text, length);
	/* Without memory 0.16 gives NULL and no error, 0.18 an error that 0.16 has no name for. */
	failed = !*ret &&
		 (errno == ENOMEM || (length && *text == '{' &&
				      json_tokener_get_error(tokener) == json_tokener_success));
	json_tokener_free(tokener);
	if (failed)
		return -ENOMEM;
	if (!json_object_is_type(*ret, json_type_object)) {
		json_object_put(*ret);
		*ret = NULL;
	}
	return 0;
}

/* Writing */

char *fields__decimal(char buf[static 40], double x)
{
	int digits = 14;

	do {
		snprintf(buf, 40, "%.*g", ++digits, x);
	} while (digits < 17 && strtod(buf, NULL) != x);
	return buf;
}

static struct json_object *new_double(double x)
{
	char text[40];

	return json_object_new_double_s(x, fields__decimal(text, x));
}

static struct json_object *new_string(const char *s)
{
	CLEANUP_FREE char *clean = utf8__clean(s);

	return clean ? json_object_new_string(clean) : NULL;
}

static bool is_zero(const struct field *f, const char *member)
{
	switch (f->type) {
	case TYPE_U64:
	case TYPE_I64:
		return !*(const uint64_t *)member;
	case TYPE_U32:
		return !*(const uint32_t *)member;
	case TYPE_BOOL:
		return !*(const bool *)member;
	case TYPE_DOUBLE:
		return !isfinite(*(const double *)member) || *(const double *)member == 0;
	case TYPE_STRING:
		return !*(const char *const *)member;
	}
	return true;
}

static struct json_object *new_value(const struct field *f, const char *member)
{
	switch (f->type) {
	case TYPE_U64:
		return json_object_new_uint64(*(const uint64_t *)member);
	case TYPE_I64:
		return json_object_new_int64(*(const int64_t *)member);
	case TYPE_U32:
		return json_object_new_uint64(*(const uint32_t *)member);
	case TYPE_BOOL:
		return json_object_new_boolean(*(const bool *)member);
	case TYPE_DOUBLE:
		return new_double(*(const double *)member);
	case TYPE_STRING:
		return new_string(*(const char *const *)member);
	}
	return NULL;
}

/* Cut the first name off @path, into @name; true while there are more. */
static bool next_name(const char **path, char name[static 40])
{
	size_t n = strcspn(*path, ".");
	bool more = (*path)[n];

	snprintf(name, 40, "%.*s", (int)n, *path);
	*path += n + more;
	return more;
}

static int set_value(struct json_object *object, const char *path, struct json_object *value)
{
	struct json_object *inner;
	char name[40];

	while (next_name(&path, name)) {
		if (!json_object_object_get_ex(object, name, &inner)) {
			inner = json_object_new_object();
			if (!inner || json_object_object_add(object, name, inner)) {
				json_object_put(inner);
				json_object_put(value);
				return -ENOMEM;
			}
		}
		object = inner;
	}
	if (json_object_object_add(object, name, value)) {
		json_object_put(value);
		return -ENOMEM;
	}
	return 0;
}

static struct json_object *to_json(const struct field *fields, size_t nr, const void *from)
{
	struct json_object *object = json_object_new_object();
	size_t i;

	for (i = 0; object && i < nr; i++) {
		const char *member = (const char *)from + fields[i].offset;
		struct json_object *value;

		if (is_zero(&fields[i], member))
			continue;
		value = new_value(&fields[i], member);
		if (!value || set_value(object, fields[i].path, value)) {
			json_object_put(object);
			return NULL;
		}
	}
	return object;
}

struct json_object *fields__head(const struct profile *p)
{
	return to_json(head_fields, ARRAY_SIZE(head_fields), p);
}

struct json_object *fields__process(const struct profile_process *process)
{
	return to_json(process_fields, ARRAY_SIZE(process_fields), process);
}

/* Reading */

static struct json_object *get_value(struct json_object *object, const char *path)
{
	char name[40];
	bool more;

	do {
		more = next_name(&path, name);
		if (!json_object_object_get_ex(object, name, &object))
			return NULL;
	} while (more);
	return object;
}

/* No reader has to expect more: what is no number is 0. */
static double plausible(double x)
{
	const double limit = 1e18;

	return !isfinite(x) ? 0 : x > limit ? limit : x < -limit ? -limit : x;
}

static int read_value(const struct field *f, struct json_object *value, struct profile *p,
		      char *member)
{
	enum json_type type = json_object_get_type(value);
	bool is_number = type == json_type_int || type == json_type_double;

	switch (f->type) {
	case TYPE_U64:
		if (type == json_type_int)
			*(uint64_t *)member = json_object_get_uint64(value);
		break;
	case TYPE_I64:
		if (type == json_type_int)
			*(int64_t *)member = json_object_get_int64(value);
		break;
	case TYPE_U32:
		if (type == json_type_int)
			*(uint32_t *)member = json_object_get_uint64(value);
		break;
	case TYPE_BOOL:
		*(bool *)member = json_object_get_boolean(value);
		break;
	case TYPE_DOUBLE:
		if (is_number)
			*(double *)member = plausible(json_object_get_double(value));
		break;
	case TYPE_STRING:
		if (type != json_type_string)
			break;
		*(const char **)member = profile__intern(p, json_object_get_string(value));
		return *(const char **)member ? 0 : -ENOMEM;
	}
	return 0;
}

static int from_json(const struct field *fields, size_t nr, struct json_object *from,
		     struct profile *p, void *to)
{
	size_t i;
	int err = 0;

	for (i = 0; i < nr && !err; i++) {
		struct json_object *value = get_value(from, fields[i].path);

		if (value)
			err = read_value(&fields[i], value, p, (char *)to + fields[i].offset);
	}
	return err;
}

int fields__read_head(struct json_object *from, struct profile *p)
{
	int err = from_json(head_fields, ARRAY_SIZE(head_fields), from, p, p);

	if (!err && (uint32_t)p->sampling > PROFILE_SAMPLE_BYTES) {
		p->sampling = PROFILE_SAMPLE_ALL;
		err = -EBADMSG;
	}
	return err;
}

int fields__read_process(struct json_object *from, struct profile *p, struct profile_process *ret)
{
	struct profile_process process = {0};
	int err = from_json(process_fields, ARRAY_SIZE(process_fields), from, p, &process);

	if (!err && !process.comm)
		process.comm = profile__intern(p, "");
	if (!err && !process.comm)
		err = -ENOMEM;
	if (!err)
		*ret = process;
	return err;
}
