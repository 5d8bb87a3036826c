/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_PROFILE_PATH_H
#define MEMLEAK_PROFILE_PATH_H

/* What keeps a block alive, as the JSON report and the profile file say it. */

#include <json-c/json.h>

#include "profile/profile.h"

/* The function that allocated the block of @step; NULL where it is not known. */
const char *path__function(const struct profile *p, const struct profile_step *step);

/* "global", "stack", "tls", "register", "mapping", "unknown". */
const char *path__kind_name(enum profile_root kind);

/* {"root": {...}, "omitted": n, "blocks": [...]}; NULL without memory. */
struct json_object *path__to_json(const struct profile *p, const struct profile_path *path);

/*
 * Add the path that @text says to @p: entry.path, or 0 where it says none. The text may be hostile.
 * 0 or -ENOMEM.
 */
int path__from_json(struct profile *p, const char *text, uint32_t *ret);

#endif
