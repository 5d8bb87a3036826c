/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_PROFILE_PPROF_H
#define MEMLEAK_PROFILE_PPROF_H

/*
 * The saved profile: pprof's profile.proto, gzipped, which `go tool pprof` and its like read.
 *
 * Samples     one for each entry, with the values inuse_objects, inuse_space, alloc_objects and
 *             alloc_space; alloc_* stand in the first entry of a stack and family. A stack that
 *             holds nothing any more has a sample for its alloc_* alone. Differences may be
 *             negative.
 * Labels      pid, comm, family; verdict and cycle, type where known; oldest and newest in
 *             nanoseconds; growth_bytes_per_s, standard_error_blocks and standard_error_bytes as
 *             decimals; truncated and broken; by_frame_pointer and interrupted name the frames that
 *             are so by their places, 0 the innermost ("0,2-5"), offsets how far into its function
 * each is
 *             ("26,,14": the second one is in none that is known); block_addr, block_bytes and
 *             block_age once for each block, where blocks are listed; process, the process comment
 *             counted from 1, where a pid occurs twice; history, where alloc_* stand, is what was
 *             outstanding over time, seconds and bytes: "5.002:4096,10.004:8192".
 * Locations   address is profile_location.pc, an address of the module: mappings begin at 0. A
 *             function without a name is called module+0xaddress.
 * Comments    what has no field, each a JSON object whose member "memleak-bpf" says what it is:
 *             "head" and "process" hold what fields.h writes, "process" a history too.
 *
 * Text that is no UTF-8 is saved with U+FFFD in its place.
 */

#include <stdio.h>

#include "profile/profile.h"

/* Write @p, sorted and with the lines of all its locations. 0, -ENOMEM, or -errno of @out, which is
 * flushed. */
int pprof__write(const struct profile *p, FILE *out);

/*
 * Read a profile, gzipped or not, from @fd, a regular file, whoever wrote it: it needs the values
 * inuse_objects and inuse_space; where comments are missing, sums are those of the samples. The
 * profile is not sorted, its locations have lines, and the caller owns it. 0; -EBADMSG for what is
 * no such profile, truncated or corrupt; -EFBIG for one that unpacks to more than it should;
 * -ENOMEM or another -errno of reading.
 */
int pprof__read(int fd, struct profile **ret);

/* The same from @size bytes of memory that are not gzipped. */
int pprof__parse(const void *data, size_t size, struct profile **ret);

#endif
