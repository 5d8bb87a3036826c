// SPDX-License-Identifier: GPL-2.0-or-later
#include "probe/stacks.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/memleak.h"
#include "util/hash.h"
#include "util/vector.h"

struct stack_copy {
	uint64_t key;
	uint32_t nr;
	uint16_t flags;
	bool pinned;
	uint64_t frames[];
};

struct stacks {
	VECTOR(struct stack_copy *) list;
	struct hash index; /* (key, 0) to list */
};

int stacks__create(struct stacks **ret)
{
	struct stacks *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	*ret = s;
	return 0;
}

void stacks__destroy(struct stacks *s)
{
	size_t i;

	if (!s)
		return;
	for (i = 0; i < s->list.count; i++)
		free(s->list.items[i]);
	vector_release(&s->list);
	hash__release(&s->index);
	free(s);
}

/* The frames under @key, kept here from now on; NULL where there are none. */
static int find_stack(struct stacks *s, int fd, uint64_t key, struct stack_copy **ret)
{
	uint32_t i = hash__get(&s->index, key, 0);
	struct memleak_stack raw;
	struct stack_copy *copy;
	int err;

	*ret = NULL;
	if (i != HASH_NONE) {
		*ret = s->list.items[i];
		return 0;
	}
	if (!key || bpf_map_lookup_elem(fd, &key, &raw))
		return 0;
	if (raw.nr_frames > MEMLEAK_MAX_FRAMES)
		raw.nr_frames = MEMLEAK_MAX_FRAMES;
	copy = malloc(sizeof(*copy) + raw.nr_frames * sizeof(copy->frames[0]));
	if (!copy)
		return -ENOMEM;
	copy->key = key;
	copy->nr = raw.nr_frames;
	copy->flags = raw.flags;
	copy->pinned = false;
	memcpy(copy->frames, raw.frames, raw.nr_frames * sizeof(copy->frames[0]));
	err = vector_push(&s->list, copy);
	if (err) {
		free(copy);
		return err;
	}
	err = hash__set(&s->index, key, 0, s->list.count - 1);
	*ret = copy;
	return err;
}

/* If @frame returns into an operator new (delete), that one's family; -1 otherwise. */
static int operator_family(const struct stacks_source *source, uint64_t frame)
{
	const struct file *f = files__get(source->files, MEMLEAK_FRAME_FILE(frame));
	uint64_t offset = MEMLEAK_FRAME_OFFSET(frame) - 1; /* of the call */
	size_t i;

	for (i = 0; f && i < f->allocator.operators.count; i++) {
		const struct allocator_range *r = &f->allocator.operators.items[i];

		if (offset >= r->start && offset < r->end && r->deletes == source->frees)
			return r->family;
	}
	return -1;
}

/* Whether @frame returns into an allocation function. */
static bool is_in_allocator(const struct files *files, uint64_t frame)
{
	const struct file *f = files__get(files, MEMLEAK_FRAME_FILE(frame));
	uint64_t offset = MEMLEAK_FRAME_OFFSET(frame) - 1;
	size_t i;

	for (i = 0; f && i < f->allocator.functions.count; i++) {
		const struct allocator_function *a = &f->allocator.functions.items[i];

		if (a->family != MEMLEAK_FAMILY_MMAP && offset >= a->offset &&
		    offset < a->offset + a->size)
			return true;
	}
	return false;
}

/* Between a site and the function that the program has called lie no more frames of an allocator.
 */
#define SITE_DEPTH 16

/* How many frames of @s are the allocator's: those up to the function that the program has called,
 * which lies in the same file as the site. */
static uint32_t skip_allocator(const struct stacks_source *source, const struct stack_copy *s)
{
	uint32_t i, n = 0;

	for (i = 0; i < s->nr && i < SITE_DEPTH; i++) {
		if (MEMLEAK_FRAME_FILE(s->frames[i]) != MEMLEAK_FRAME_FILE(s->frames[0]))
			break;
		if (operator_family(source, s->frames[i]) >= 0)
			return i; /* it tells the family, too */
		if (is_in_allocator(source->files, s->frames[i]))
			n = i + 1;
		else if (n)
			break;
	}
	return n;
}

static int add_location(const struct stacks_source *source, struct profile *p,
			const struct stack_copy *s, uint32_t i, uint32_t *ret)
{
	uint32_t id = MEMLEAK_FRAME_FILE(s->frames[i]);
	const struct file *f = files__get(source->files, id);
	struct profile_location l = {
		.pc = id ? MEMLEAK_FRAME_OFFSET(s->frames[i]) : MEMLEAK_FRAME_ADDRESS(s->frames[i]),
		.interrupted = id && s->frames[i] & MEMLEAK_FRAME_EXACT,
		.by_frame_pointer = id && s->frames[i] & MEMLEAK_FRAME_BY_FP,
	};
	int err;

	if (!id) {
		err = profile__add_module(p, STACKS_JIT_MODULE | source->tgid, "[anonymous memory]",
					  NULL, &l.module);
	} else if (!f) {
		err = profile__add_module(p, id, "[unknown file]", NULL, &l.module);
	} else {
		err = profile__add_module(p, id, f->object->path, f->object->build_id, &l.module);
		object__offset_to_vaddr(f->object, l.pc, &l.pc);
	}
	return err ? err : profile__add_location(p, &l, ret);
}

int stacks__add(struct stacks *s, const struct stacks_source *source, uint64_t key,
		struct profile *p, uint8_t *family, uint32_t *ret)
{
	uint32_t locations[MEMLEAK_MAX_FRAMES], n = 0, i = 0;
	bool named = *family != MEMLEAK_FAMILY_MALLOC;
	struct stack_copy *copy;
	int err = find_stack(s, source->stacks_fd, key, &copy);

	if (err)
		return err;
	if (!copy)
		return profile__add_stack(p, NULL, 0, false, false, ret);
	if (copy->flags & MEMLEAK_STACK_SITE)
		i = skip_allocator(source, copy);
	for (; i < copy->nr; i++) {
		int f = operator_family(source, copy->frames[i]);

		if (f < 0)
			break;
		if (!named)
			*family = f;
	}
	for (; i < copy->nr && !err; i++)
		err = add_location(source, p, copy, i, &locations[n++]);
	if (err)
		return err;
	return profile__add_stack(p, locations, n, copy->flags & MEMLEAK_STACK_TRUNCATED,
				  copy->flags & MEMLEAK_STACK_BROKEN, ret);
}

int stacks__pin(struct stacks *s, int stacks_fd, uint64_t key)
{
	struct stack_copy *copy;
	int err = find_stack(s, stacks_fd, key, &copy);

	if (!err && copy)
		copy->pinned = true;
	return err;
}

void stacks__forget(struct stacks *s, const struct hash *needed)
{
	size_t i = 0;

	while (i < s->list.count) {
		struct stack_copy *copy = s->list.items[i];

		if (copy->pinned || hash__get(needed, copy->key, 0) != HASH_NONE) {
			i++;
			continue;
		}
		hash__remove(&s->index, copy->key, 0);
		free(copy);
		copy = s->list.items[--s->list.count];
		if (i == s->list.count)
			break;
		s->list.items[i] = copy;
		/* Takes no memory: one has just gone. */
		(void)hash__set(&s->index, copy->key, 0, i);
	}
}

/* What is read here before it goes is never unknown. */
static int remove_stack(struct stacks *s, int fd, uint64_t key, uint32_t *removed)
{
	struct stack_copy *copy;
	int err = find_stack(s, fd, key, &copy);

	if (err)
		return err;
	if (bpf_map_delete_elem(fd, &key))
		return -errno;
	(*removed)++;
	return 0;
}

int stacks__remove(struct stacks *s, int stacks_fd, const struct hash *needed, uint32_t *removed)
{
	uint64_t key, next;
	int end = bpf_map_get_next_key(stacks_fd, NULL, &next), err = 0;

	*removed = 0;
	while (!end && !err) {
		key = next;
		end = bpf_map_get_next_key(stacks_fd, &key, &next);
		if (hash__get(needed, key, 0) == HASH_NONE)
			err = remove_stack(s, stacks_fd, key, removed);
	}
	return err || end == -ENOENT ? err : end;
}
