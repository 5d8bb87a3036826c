/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_REPORT_TREE_H
#define MEMLEAK_REPORT_TREE_H

/*
 * The stacks of a profile as a tree of calls: those that begin alike, seen from the outermost
 * function, share nodes.
 *
 * A *frame* is a function at a location, inlined or not. Frames have numbers, in the order in which
 * they are met: first come those that stand for what a stack lacks.
 */

#include <stdbool.h>
#include <stdint.h>

#include "profile/profile.h"

enum {
	TREE_NO_STACK,	/* there is none */
	TREE_TRUNCATED, /* the outermost frames are missing: deeper than --stack-depth */
	TREE_BROKEN,	/* they are missing: the walk could not go on */
	TREE_LINES,	/* the first frame that is one */
};

struct tree_frame {
	uint32_t location;
	uint32_t line; /* of the location's; 0 also where it has none */
};

struct tree_node {
	uint32_t parent; /* less than its own number; PROFILE_NONE of the root, which is 0 */
	uint32_t frame;
};

struct tree {
	const struct profile *p;
	VECTOR(struct tree_frame) frames; /* TREE_LINES of no meaning, then the others */
	VECTOR(struct tree_node) nodes;
	/* Private */
	uint32_t *first;     /* by location: where its lines begin in `numbers` */
	uint32_t *numbers;   /* of frames; PROFILE_NONE: not met yet */
	struct hash index;   /* (parent, frame) to nodes */
	struct hash by_name; /* to frames, where they are merged */
	bool merge;
};

/* A tree of @p, which is borrowed, with no more than its root. @merge: frames of one name and
 * module are one, wherever they are in their function. 0, or -ENOMEM with nothing to release. */
int tree__init(struct tree *t, const struct profile *p, bool merge);
void tree__release(struct tree *t);

/* The node of @frame below @parent, made if it is new. 0 or -ENOMEM. */
int tree__child(struct tree *t, uint32_t parent, uint32_t frame, uint32_t *ret);

/* The node of the innermost frame of a stack, whose outermost one is below @parent. The same for a
 * number that is no stack's: there is none. 0 or -ENOMEM. */
int tree__add_stack(struct tree *t, uint32_t parent, uint32_t stack, uint32_t *ret);

/* NULL for a frame that has no location; the line is never NULL otherwise. */
const struct profile_location *tree__location(const struct tree *t, uint32_t frame,
					      const struct profile_line **line);

/* "func", or "module+0x1136" where it has no name: free() it. Names are the process's. NULL without
 * memory. */
char *tree__name(const struct tree *t, uint32_t frame);

#endif
