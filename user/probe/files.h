/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_PROBE_FILES_H
#define MEMLEAK_PROBE_FILES_H

/* The files that the kernel side has given numbers to: each is opened once, when it is first heard
 * of, and kept open, so that its names outlive the processes that mapped it. */

#include <stdbool.h>
#include <stdint.h>

#include "target/allocator.h"
#include "target/object.h"

struct file {
	struct object *object; /* NULL: nothing is known of this number */
	struct allocator allocator;
};

struct files;
struct sandbox;

/* Allocation functions are looked for as @search says, by @sandbox; both are borrowed. 0 or
 * -ENOMEM.
 */
int files__create(struct sandbox *sandbox, const struct allocator_search *search,
		  struct files **ret);
void files__destroy(struct files *f);

/*
 * Learn of number @id: @fd, whose ownership passes, and @path. A number that is known already keeps
 * what it has. 0 or -ENOMEM.
 */
int files__add(struct files *f, uint32_t id, int fd, const char *path);

/*
 * The number of the file that a process knows as @path, 0: none. Where several had that path, in
 * turn or in different containers, the one with @inode, and the last one where that tells nothing:
 * not on every file system is it what stat() says.
 */
uint32_t files__find(const struct files *f, const char *path, uint64_t inode);

/* What is known of @id; NULL where nothing is. Valid until the next files__add. */
const struct file *files__get(const struct files *f, uint32_t id);

/* Whether @id is what it was when it was learned of, as far as its time and its build ID tell:
 * another program may have been copied over it. */
bool files__is_unchanged(struct files *f, uint32_t id);

#endif
