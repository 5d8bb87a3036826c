/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_REPORT_JSON_BUILDER_H
#define MEMLEAK_REPORT_JSON_BUILDER_H

/*
 * A JSON object under construction, by json-c. The first failure stays in err; everything after it
 * is a no-op. Keys are literals.
 */

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "profile/profile.h"
#include "report/stream.h"
#include "util/cleanup.h"

struct builder {
	struct json_object *object;
	int err; /* 0 or -ENOMEM */
};

#define CLEANUP_BUILDER CLEANUP(builder__release)

/* An object without members, to be released. */
struct builder builder__new(void);
void builder__release(struct builder *b);

/* Take @value, NULL where memory was short. */
void builder__add(struct builder *b, const char *key, struct json_object *value);

/* Take what @inner holds, and its failure. */
void builder__add_object(struct builder *b, const char *key, struct builder *inner);

void builder__add_null(struct builder *b, const char *key);
void builder__add_u64(struct builder *b, const char *key, uint64_t n);
void builder__add_bool(struct builder *b, const char *key, bool on);

/* @n is a sum or, where @p is a comparison, a difference in two's complement. */
void builder__add_amount(struct builder *b, const struct profile *p, const char *key, uint64_t n);

/* JSON is UTF-8, names of the target need not be: what is not is replaced. */
void builder__add_string(struct builder *b, const char *key, const char *s);

/* As a string: "0x7f00". */
void builder__add_hex(struct builder *b, const char *key, uint64_t n);

void builder__add_decimal(struct builder *b, const char *key, double x, int decimals);

/* Whole milliseconds. */
void builder__add_ms(struct builder *b, const char *key, double ms);

/* An object of blocks and bytes. */
void builder__add_sum(struct builder *b, const struct profile *p, const char *key,
		      const struct profile_sum *sum);

/* The member "standard_error", where @p is of samples. */
void builder__add_error(struct builder *b, const struct profile *p, const struct profile_error *e);

/* The text of the object, which belongs to it, and its length; NULL where memory was short. */
const char *builder__text(struct builder *b, size_t *length);

/*
 * Write the object; with @open_key without its end, so that the items of an array named so can
 * follow. A failure goes to @out.
 */
void builder__write(struct stream *out, struct builder *b, const char *open_key);

#endif
