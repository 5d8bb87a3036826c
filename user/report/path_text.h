/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_REPORT_PATH_TEXT_H
#define MEMLEAK_REPORT_PATH_TEXT_H

#include "profile/profile.h"
#include "report/stream.h"

/*
 * What keeps the oldest block of an entry alive, for a person: the root, and below it each block
 * with where in it the pointer to the next one is.
 *
 *      kept by global `table`+0x8 (server)
 *        -> 64 bytes of malloc by make_table, at +16
 *        -> 24 bytes of malloc by make_entry
 */
void path_text__print(struct stream *s, const struct profile *p, const struct profile_path *path);

#endif
