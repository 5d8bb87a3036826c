// SPDX-License-Identifier: GPL-2.0-or-later
#include "profile/path.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "profile/fields.h"
#include "util/cleanup.h"
#include "util/utf8.h"

#define MAX_TEXT   (64 << 10)
#define MAX_DEPTH  8
#define NAME_LIMIT 4096

static const char *const kinds[PROFILE_ROOTS] = {
	[PROFILE_ROOT_UNKNOWN] = "unknown",   [PROFILE_ROOT_GLOBAL] = "global",
	[PROFILE_ROOT_STACK] = "stack",	      [PROFILE_ROOT_TLS] = "tls",
	[PROFILE_ROOT_REGISTER] = "register", [PROFILE_ROOT_MAPPING] = "mapping",
};

const char *path__kind_name(enum profile_root kind)
{
	return kinds[kind];
}

const char *path__function(const struct profile *p, const struct profile_step *step)
{
	const struct profile_location *l;

	if (step->location >= p->locations.count)
		return step->function;
	l = &p->locations.items[step->location];
	return l->nr_lines ? l->lines[0].symbol : NULL;
}

/* --- to JSON --- */

/* Takes @value, NULL without memory; true if it is in. */
static bool add(struct json_object *o, const char *key, struct json_object *value)
{
	if (value && !json_object_object_add(o, key, value))
		return true;
	json_object_put(value);
	return false;
}

static bool add_text(struct json_object *o, const char *key, const char *text)
{
	CLEANUP_FREE char *clean = text ? utf8__clean(text) : NULL;

	return !text || (clean && add(o, key, json_object_new_string(clean)));
}

static bool add_number(struct json_object *o, const char *key, uint64_t n)
{
	return add(o, key, json_object_new_uint64(n));
}

static bool add_hex(struct json_object *o, const char *key, uint64_t n)
{
	char text[24];

	snprintf(text, sizeof(text), "0x%" PRIx64, n);
	return add(o, key, json_object_new_string(text));
}

static bool fill_root(struct json_object *o, const struct profile_path *path)
{
	return add_text(o, "kind", kinds[path->root]) && add_text(o, "name", path->name) &&
	       add_text(o, "module", path->module) && add_number(o, "offset", path->offset) &&
	       (!path->pc || add_hex(o, "pc", path->pc)) &&
	       (!path->addr || add_hex(o, "addr", path->addr)) &&
	       (!path->thread || add_number(o, "thread", path->thread));
}

static bool fill_step(struct json_object *o, const struct profile *p,
		      const struct profile_step *step, bool last)
{
	return add_hex(o, "addr", step->addr) && add_number(o, "bytes", step->bytes) &&
	       add_text(o, "family", step->family) && add_text(o, "type", step->type) &&
	       add_text(o, "function", path__function(p, step)) &&
	       (last || add_number(o, "pointer_at", step->pointer_at));
}

static void cleanup_object(struct json_object **o)
{
	json_object_put(*o);
}

#define CLEANUP_OBJECT CLEANUP(cleanup_object)

struct json_object *path__to_json(const struct profile *p, const struct profile_path *path)
{
	CLEANUP_OBJECT struct json_object *o = json_object_new_object();
	struct json_object *root = json_object_new_object(), *blocks;
	bool good = root && o && fill_root(root, path);
	uint32_t i;

	if (!good || !add(o, "root", root)) {
		if (!good)
			json_object_put(root);
		return NULL;
	}
	blocks = json_object_new_array();
	if (!add_number(o, "omitted", path->omitted) || !add(o, "blocks", blocks))
		return NULL;
	for (i = 0; i < path->nr_steps; i++) {
		struct json_object *step = json_object_new_object();

		if (!step || json_object_array_add(blocks, step)) {
			json_object_put(step);
			return NULL;
		}
		if (!fill_step(step, p, &p->steps.items[path->first_step + i],
			       i + 1 == path->nr_steps))
			return NULL;
	}
	return TAKE_PTR(o);
}

/* --- from JSON --- */

static uint64_t get_number(struct json_object *o, const char *key)
{
	struct json_object *value;

	if (!json_object_object_get_ex(o, key, &value))
		return 0;
	if (json_object_is_type(value, json_type_string))
		return strtoull(json_object_get_string(value), NULL, 16);
	return json_object_is_type(value, json_type_int) ? json_object_get_uint64(value) : 0;
}

/* Interned; NULL where there is none. 0 or -ENOMEM. */
static int get_text(struct profile *p, struct json_object *o, const char *key, const char **ret)
{
	struct json_object *value;

	*ret = NULL;
	if (!json_object_object_get_ex(o, key, &value) ||
	    !json_object_is_type(value, json_type_string) ||
	    json_object_get_string_len(value) >= NAME_LIMIT)
		return 0;
	*ret = profile__intern(p, json_object_get_string(value));
	return *ret ? 0 : -ENOMEM;
}

static int read_root(struct profile *p, struct json_object *o, struct profile_path *ret)
{
	const char *kind;
	int i, err = get_text(p, o, "kind", &kind);

	if (!err)
		err = get_text(p, o, "name", &ret->name);
	if (!err)
		err = get_text(p, o, "module", &ret->module);
	for (i = 0; !err && kind && i < PROFILE_ROOTS; i++)
		if (strcmp(kind, kinds[i]) == 0)
			ret->root = i;
	ret->offset = get_number(o, "offset");
	ret->pc = get_number(o, "pc");
	ret->addr = get_number(o, "addr");
	ret->thread = get_number(o, "thread");
	return err;
}

static int read_step(struct profile *p, struct json_object *o)
{
	struct profile_step step = {
		.location = PROFILE_NONE,
		.addr = get_number(o, "addr"),
		.bytes = get_number(o, "bytes"),
		.pointer_at = get_number(o, "pointer_at"),
	};
	int err = get_text(p, o, "function", &step.function);

	if (!err)
		err = get_text(p, o, "family", &step.family);
	if (!err)
		err = get_text(p, o, "type", &step.type);
	return err ? err : vector_push(&p->steps, step);
}

static int read_path(struct profile *p, struct json_object *o, uint32_t *ret)
{
	struct profile_path path = {.module_id = PROFILE_NONE, .first_step = p->steps.count};
	struct json_object *root, *blocks;
	size_t i, n;
	int err;

	if (!json_object_object_get_ex(o, "root", &root) ||
	    !json_object_is_type(root, json_type_object) ||
	    !json_object_object_get_ex(o, "blocks", &blocks) ||
	    !json_object_is_type(blocks, json_type_array))
		return 0;
	err = read_root(p, root, &path);
	path.omitted = get_number(o, "omitted");
	n = json_object_array_length(blocks);
	for (i = 0; i < n && i < PROFILE_MAX_STEPS && !err; i++) {
		struct json_object *step = json_object_array_get_idx(blocks, i);

		if (json_object_is_type(step, json_type_object))
			err = read_step(p, step);
	}
	path.nr_steps = p->steps.count - path.first_step;
	if (!err)
		err = vector_push(&p->paths, path);
	if (!err)
		*ret = p->paths.count;
	return err;
}

int path__from_json(struct profile *p, const char *text, uint32_t *ret)
{
	struct json_object *o;
	size_t length = strnlen(text, MAX_TEXT);
	int err;

	*ret = 0;
	if (length == MAX_TEXT)
		return 0;
	err = fields__parse(text, length, MAX_DEPTH, &o);
	if (!err && o)
		err = read_path(p, o, ret);
	json_object_put(o);
	return err;
}
