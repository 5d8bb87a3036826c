/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_REPORT_JSON_H
#define MEMLEAK_REPORT_JSON_H

/* Parts of the JSON report, for the page that holds them. The caller puts them; NULL without
 * memory. */

#include <json-c/json.h>

#include "profile/profile.h"

/* Everything that is neither a process nor below one. */
struct json_object *json__report(const struct profile *p);

/* A process without its stacks. */
struct json_object *json__process(const struct profile *p, const struct profile_process *process);

/* A wrong free without its frames. */
struct json_object *json__wrong_free(const struct profile_wrong_free *f);

#endif
