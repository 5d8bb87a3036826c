/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_REPORT_REMEDY_H
#define MEMLEAK_REPORT_REMEDY_H

/* What to do about a finding, in one line of plain words. */

#include <stdbool.h>
#include <stddef.h>

#include "profile/profile.h"

#define REMEDY_SIZE 512

/* That of entry @e, in @buf, which is returned; NULL where nothing is to be done.
 * Names in it are the process's: print it as such. */
const char *remedy__text(const struct profile_entry *e, char buf[static REMEDY_SIZE]);

/* The same for a wrong free. */
const char *remedy__wrong_free(const struct profile_wrong_free *f, char buf[static REMEDY_SIZE]);

#endif
