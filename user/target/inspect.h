/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_TARGET_INSPECT_H
#define MEMLEAK_TARGET_INSPECT_H

/* object__create() and allocator__find() of a file, done by the helper. */

#include "sandbox/sandbox.h"
#include "sandbox/serve.h"
#include "target/allocator.h"
#include "target/object.h"

/*
 * As the two: @fd passes to the object. Where the helper dies of the file (which is said), the
 * object has no segments and no functions. 0 or -ENOMEM; then neither is made.
 */
int inspect(struct sandbox *s, int fd, const char *path, const struct allocator_search *search,
	    struct object **ret, struct allocator *allocator);

/* SANDBOX_OBJECT: what the helper does for it. */
serve_fn inspect__serve;

#endif
