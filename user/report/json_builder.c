// SPDX-License-Identifier: GPL-2.0-or-later
#include "report/json_builder.h"

#include <errno.h>

#include "report/format.h"
#include "util/utf8.h"

void builder__release(struct builder *b)
{
	json_object_put(b->object);
}

struct builder builder__new(void)
{
	struct builder b = {.object = json_object_new_object()};

	b.err = b.object ? 0 : -ENOMEM;
	return b;
}

void builder__add(struct builder *b, const char *key, struct json_object *value)
{
	const unsigned int flags = JSON_C_OBJECT_ADD_KEY_IS_NEW | JSON_C_OBJECT_KEY_IS_CONSTANT;

	if (!value)
		b->err = -ENOMEM;
	if (b->err || json_object_object_add_ex(b->object, key, value, flags)) {
		json_object_put(value);
		b->err = -ENOMEM;
	}
}

void builder__add_object(struct builder *b, const char *key, struct builder *inner)
{
	if (inner->err)
		b->err = inner->err;
	else
		builder__add(b, key, TAKE_PTR(inner->object));
}

void builder__add_null(struct builder *b, const char *key)
{
	if (!b->err && json_object_object_add(b->object, key, NULL))
		b->err = -ENOMEM;
}

void builder__add_u64(struct builder *b, const char *key, uint64_t n)
{
	builder__add(b, key, json_object_new_uint64(n));
}

void builder__add_amount(struct builder *b, const struct profile *p, const char *key, uint64_t n)
{
	builder__add(b, key, p->diff ? json_object_new_int64(n) : json_object_new_uint64(n));
}

void builder__add_bool(struct builder *b, const char *key, bool on)
{
	builder__add(b, key, json_object_new_boolean(on));
}

/* JSON is UTF-8, names of the target need not be. */
void builder__add_string(struct builder *b, const char *key, const char *s)
{
	CLEANUP_FREE char *utf8 = utf8__clean(s);

	builder__add(b, key, utf8 ? json_object_new_string(utf8) : NULL);
}

void builder__add_hex(struct builder *b, const char *key, uint64_t n)
{
	char text[24];

	snprintf(text, sizeof(text), "0x%llx", (unsigned long long)n);
	builder__add(b, key, json_object_new_string(text));
}

void builder__add_decimal(struct builder *b, const char *key, double x, int decimals)
{
	char text[FORMAT_SIZE];

	builder__add(b, key, json_object_new_double_s(x, format__decimal(text, x, decimals)));
}

void builder__add_ms(struct builder *b, const char *key, double ms)
{
	builder__add_u64(b, key, ms >= 0 && ms < 1e18 ? ms + 0.5 : 0);
}

void builder__add_sum(struct builder *b, const struct profile *p, const char *key,
		      const struct profile_sum *sum)
{
	CLEANUP_BUILDER struct builder inner = builder__new();

	builder__add_amount(&inner, p, "blocks", sum->blocks);
	builder__add_amount(&inner, p, "bytes", sum->bytes);
	builder__add_object(b, key, &inner);
}

void builder__add_error(struct builder *b, const struct profile *p, const struct profile_error *e)
{
	CLEANUP_BUILDER struct builder inner = builder__new();

	if (p->sampling == PROFILE_SAMPLE_ALL)
		return;
	builder__add_decimal(&inner, "blocks", e->blocks, 1);
	builder__add_decimal(&inner, "bytes", e->bytes, 1);
	builder__add_object(b, "standard_error", &inner);
}

const char *builder__text(struct builder *b, size_t *length)
{
	const int flags = JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE;

	return b->err ? NULL : json_object_to_json_string_length(b->object, flags, length);
}

void builder__write(struct stream *out, struct builder *b, const char *open_key)
{
	size_t length;
	const char *text = builder__text(b, &length);

	if (!text) {
		out->err = out->err ? out->err : -ENOMEM;
		return;
	}
	stream__write(out, text, length - !!open_key);
	if (open_key)
		stream__print(out, ",\"%s\":[", open_key);
}
