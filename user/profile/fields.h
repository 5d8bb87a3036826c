/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_PROFILE_FIELDS_H
#define MEMLEAK_PROFILE_FIELDS_H

/*
 * The plain members of a profile's head and of its processes as JSON objects, exactly: what a saved
 * profile keeps of them. A member that joins the model needs a row in a table of fields.c, and no
 * more. What is zero is left out.
 */

#include <json-c/json.h>

#include "profile/profile.h"

/*
 * Parse @text of @length bytes, whose objects lie in each other @depth deep at most: the object
 * into
 * *@ret, for the caller to put; NULL where it is none. 0 or -ENOMEM.
 */
int fields__parse(const char *text, size_t length, int depth, struct json_object **ret);

/* The fewest digits that read back as @x, a finite number. Returns @buf. */
char *fields__decimal(char buf[static 40], double x);

/* The head of @p: everything that is neither a process nor below one. The caller puts it; NULL
 * without memory. */
struct json_object *fields__head(const struct profile *p);

/* Everything plain about @process. The caller puts it; NULL without memory. */
struct json_object *fields__process(const struct profile_process *process);

/* Fill @p from what fields__head() gave. What @from lacks, and what is of another type, stays as it
 * is. 0, -ENOMEM, or -EBADMSG with a value that no head has. */
int fields__read_head(struct json_object *from, struct profile *p);

/* The same for a process; strings are interned in @p. Its comm is never NULL afterwards. */
int fields__read_process(struct json_object *from, struct profile *p, struct profile_process *ret);

#endif
