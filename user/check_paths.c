// SPDX-License-Identifier: GPL-2.0-or-later
#include "check_paths.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "leakcheck/regions.h"
#include "target/registers.h"
#include "util/cleanup.h"
#include "util/hash.h"

#define WORD 8

/* What the C library keeps of a thread begins at the thread pointer; that of glibc is shorter. */
#define PATHS_CONTROL_BLOCK 4096

/* Places above all addresses: thread number, kind, number of the register. */
#define REGISTER_PLACE (1ULL << 63)
#define VECTOR_PLACE   (1ULL << 15)

uint64_t paths__register(size_t thread, bool vector, size_t i)
{
	return REGISTER_PLACE | (uint64_t)thread << 16 | (vector ? VECTOR_PLACE : 0) | i;
}

/* --- roots --- */

static void name_register(const struct paths_input *in, uint64_t place, struct path *path)
{
	uint64_t thread = (place & ~REGISTER_PLACE) >> 16;

	path->root = PROFILE_ROOT_REGISTER;
	registers__name(place & (VECTOR_PLACE - 1), place & VECTOR_PLACE, path->name,
			sizeof(path->name));
	path->thread = thread < in->nr_threads ? in->threads[thread].tid : 0;
}

/* The mapping of the file of region @i that comes first: its ELF header's. */
static const struct region *first_of_file(const struct regions *regions, size_t i)
{
	const struct region *list = regions->list.items, *first = &list[i];
	const char *name = first->name;

	for (; i > 0 && list[i - 1].end == list[i].start; i--)
		if (list[i - 1].name && strcmp(list[i - 1].name, name) == 0)
			first = &list[i - 1];
	return first;
}

static bool is_in_object(const struct object *o, uint64_t vaddr)
{
	size_t i;

	for (i = 0; i < o->nr_segments; i++)
		if (vaddr - o->segments[i].vaddr < o->segments[i].memsz)
			return true;
	return false;
}

/* A word of a file's data, or of what follows it and begins as zeroes (.bss). */
static bool name_global(const struct paths_input *in, size_t region, uint64_t place,
			struct path *path)
{
	const struct regions *regions = memory__regions(in->memory);
	const struct region *list = regions->list.items, *first;
	const struct file *f;
	uint64_t start;
	uint32_t id;

	if (!list[region].inode && !list[region].name && region &&
	    list[region - 1].end == list[region].start)
		region--;
	if (!list[region].inode || !list[region].name || list[region].shared)
		return false;
	first = first_of_file(regions, region);
	id = files__find(in->files, first->name, first->inode);
	f = id ? files__get(in->files, id) : NULL;
	if (!f || !object__offset_to_vaddr(f->object, first->offset, &start))
		return false;
	path->pc = place - first->start + start;
	if (!is_in_object(f->object, path->pc))
		return false;
	path->root = PROFILE_ROOT_GLOBAL;
	path->module_id = id;
	path->module = strdup(first->name);
	return path->module;
}

/* Bytes below a thread pointer that the thread-local data of all files may take. */
static uint64_t tls_size(const struct paths_input *in)
{
	const struct file *f;
	uint64_t sum = 0;
	uint32_t id;

	for (id = 0; id <= MEMLEAK_MAX_FILES; id++) {
		f = files__get(in->files, id);
		sum += f ? f->object->tls_size : 0;
	}
	return sum;
}

/* The function whose frame on the stack of thread @i the word is in, if that can be found out. */
static int name_frame(const struct paths_input *in, size_t i, uint64_t place, struct path *path)
{
	struct frame frame;
	int err = frames__find(in->frames, i, place, &frame);

	if (err)
		return err < 0 ? err : 0;
	path->module = strdup(files__get(in->files, frame.file)->object->path);
	path->module_id = frame.file;
	path->pc = frame.pc;
	path->interrupted = frame.interrupted;
	return path->module ? 0 : -ENOMEM;
}

/* A word of a thread's own: its stack, or what the C library keeps at the thread pointer. 0, 1
 * where it is none, -ENOMEM. */
static int name_thread(const struct paths_input *in, const struct region *r, uint64_t place,
		       uint64_t tls_below, struct path *path)
{
	const struct memory_thread *owner = NULL;
	size_t i;

	for (i = 0; i < in->nr_threads; i++) {
		const struct memory_thread *t = &in->threads[i];

		if (t->tls >= r->start && t->tls < r->end && place + tls_below >= t->tls &&
		    place < t->tls + PATHS_CONTROL_BLOCK) {
			path->root = PROFILE_ROOT_TLS;
			path->thread = t->tid;
			return 0;
		}
		if (t->sp >= r->start && t->sp < r->end && (!owner || t->sp > owner->sp) &&
		    t->sp <= place + 128)
			owner = t;
	}
	if (!owner)
		return 1;
	path->root = PROFILE_ROOT_STACK;
	path->thread = owner->tid;
	path->offset = place > owner->sp ? place - owner->sp : 0;
	return name_frame(in, owner - in->threads, place, path);
}

static int name_root(const struct paths_input *in, uint64_t place, uint64_t tls_below,
		     struct path *path)
{
	const struct regions *regions = memory__regions(in->memory);
	const struct region *r;
	ssize_t i;
	int err;

	path->module_id = PROFILE_NONE;
	if (place & REGISTER_PLACE) {
		name_register(in, place, path);
		return 0;
	}
	path->addr = place;
	i = place ? regions__find(regions, place) : -1;
	if (i < 0)
		return 0;
	r = &regions->list.items[i];
	err = name_thread(in, r, place, tls_below, path);
	if (err <= 0 || name_global(in, i, place, path))
		return err < 0 ? err : 0;
	path->root = PROFILE_ROOT_MAPPING;
	path->offset = place - r->start;
	path->module = r->name ? strdup(r->name) : NULL;
	return 0;
}

/* --- chains --- */

static const struct snapshot_block *block_of(const struct paths_input *in, uint32_t i)
{
	return &in->snapshot->blocks.items[in->snapshot->items[i].index];
}

/* The last blocks of the chain to @block, which is the last one of them. */
static int fill_steps(const struct paths_input *in, uint32_t block, struct path *path)
{
	uint32_t nr = in->chains[block].depth + 1, i, pointer_at = 0;
	uint64_t word;

	path->nr_steps = nr < PROFILE_MAX_STEPS ? nr : PROFILE_MAX_STEPS;
	path->omitted = nr - path->nr_steps;
	for (i = path->nr_steps; i-- > 0; block = in->chains[block].parent) {
		const struct snapshot_block *b = block_of(in, block);
		struct path_step *s = &path->steps[i];
		int err;

		*s = (struct path_step){
			.addr = b->addr,
			.bytes = b->block.size,
			.pointer_at = (uint64_t)pointer_at * WORD,
			.stack = b->block.stack,
			.family = b->block.family,
			.type = PROFILE_NONE,
		};
		pointer_at = in->chains[block].where;
		if (b->block.size < WORD || !memory__word(in->memory, b->addr, &word))
			continue;
		err = check_types__find(in->types, word, &s->type);
		if (err)
			return err;
	}
	return 0;
}

static int add_path(const struct paths_input *in, uint32_t block, uint64_t tls_below)
{
	const struct snapshot_block *b = block_of(in, block);
	struct path *path = calloc(1, sizeof(*path));
	uint32_t head = in->chains[block].head;
	int err;

	if (!path)
		return -ENOMEM;
	path->stack = b->block.stack;
	path->family = b->block.family;
	err = name_root(in, scan__place(in->scan, in->chains[head].where), tls_below, path);
	if (!err)
		err = fill_steps(in, block, path);
	if (!err)
		err = vector_push(&in->snapshot->paths, path);
	if (err)
		path__destroy(path);
	return err;
}

int paths__find(const struct paths_input *in)
{
	CLEANUP(hash__release) struct hash oldest = {0}; /* (stack, family) to the block */
	uint64_t tls_below = tls_size(in);
	uint32_t i, nr = in->snapshot->nr;
	int err = 0;

	for (i = 0; i < nr && !err; i++) {
		const struct memleak_block *b = &block_of(in, i)->block;
		uint32_t known;

		if (in->verdicts[i].verdict != PROFILE_VERDICT_REACHABLE)
			continue;
		known = hash__get(&oldest, b->stack, b->family);
		if (known == HASH_NONE || b->time_ns < block_of(in, known)->block.time_ns)
			err = hash__set(&oldest, b->stack, b->family, i);
	}
	for (i = 0; i < nr && !err; i++) {
		const struct memleak_block *b = &block_of(in, i)->block;

		if (in->verdicts[i].verdict == PROFILE_VERDICT_REACHABLE &&
		    hash__get(&oldest, b->stack, b->family) == i)
			err = add_path(in, i, tls_below);
	}
	return err;
}
