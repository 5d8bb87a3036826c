/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_REPORT_HTML_H
#define MEMLEAK_REPORT_HTML_H

/*
 * The data of the HTML page: one JSON object that is safe inside an element of HTML (no <, > or &).
 * Its parts refer to each other by their places in arrays, so that names and calls that many stacks
 * share are there once.
 *
 * report     as in the JSON report, without processes
 * processes  as in the JSON report, without stacks
 * frames     [name, offset, file, line, module, pc, flags], strings by number, "" where unknown;
 * the first three stand for what stacks lack (tree.h); flags: 1 inlined, 2 found by the frame
 *            pointer
 * nodes      how many nodes before it its caller stands, and its frame, one behind the other: the
 *            tree of calls, the root first
 * stacks     [process, node of the innermost frame, family, verdict, type, flags, blocks, bytes,
 *            growth in bytes/s, age of the oldest and of the newest block in ms, standard error of
 *            bytes, remedy, what reports have seen of it]; flags: 1 in a cycle, 2 suppressed,
 *            4 a resource
 * histories  [process, node or -1 for the process itself, family, [seconds, bytes, ...]]
 * wrong_frees  as in the JSON report, without frames; in their place the process, and as alloc,
 *            free and first the nodes of the innermost frames, 0 where there is none
 * strings    names and texts; 0 is the empty one
 */

#include "profile/profile.h"
#include "report/stream.h"

/* What goes wrong stays in @s. */
void html__data(struct stream *s, const struct profile *p, uint64_t top);

#endif
