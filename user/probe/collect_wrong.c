// SPDX-License-Identifier: GPL-2.0-or-later
/* Wrong frees, from the kernel's table to those of a profile. */
#include <bpf/bpf.h>
#include <errno.h>

#include "probe/batch.h"
#include "probe/collect_pass.h"

static int read_wrong(void *context, const void *key, const void *value)
{
	struct reading *r = context;
	struct wrong w = {.key = *(const struct memleak_wrong_key *)key,
			  .record = *(const struct memleak_wrong *)value};
	uint32_t past = hash__get(&r->pass->ended, w.key.image, 0);
	int err;

	if (past == HASH_NONE &&
	    hash__get(r->collector->t.replaced_images, w.key.image, 0) == HASH_NONE)
		return vector_push(&r->pass->has.wrongs, w);
	err = vector_push(&r->pass->dead_wrongs, w.key);
	if (err || past == HASH_NONE)
		return err; /* of a program that another one has replaced */
	return vector_push(&r->pass->pasts.has.wrongs, w);
}

int collector__read_wrongs(struct collector *c, struct pass *s)
{
	struct reading r = {.collector = c, .pass = s};

	if (c->t.wrong_fd < 0)
		return 0;
	return batch__read(c->t.wrong_fd, sizeof(struct memleak_wrong_key),
			   sizeof(struct memleak_wrong), read_wrong, &r);
}

int collector__drop_wrongs(struct collector *c, const struct pass *s)
{
	size_t i;

	for (i = 0; i < s->dead_wrongs.count; i++)
		if (bpf_map_delete_elem(c->t.wrong_fd, &s->dead_wrongs.items[i]) && errno != ENOENT)
			return -errno;
	return 0;
}

/* --- types --- */

#define NO_TYPE (HASH_NONE - 1) /* looked for in vain */

int collector__for_each_process(struct collector *c, batch_fn *fn, void *context)
{
	probe__tables(c->probe, &c->t);
	return batch__read(c->t.processes_fd, sizeof(uint32_t), sizeof(struct memleak_process), fn,
			   context);
}

struct head_reading {
	struct collector *collector;
	uint32_t pid, image;
	collector_head_fn *fn;
	void *context;
};

static int read_head(void *context, const void *key, const void *value)
{
	struct head_reading *r = context;
	const struct memleak_wrong_key *k = key;
	const struct memleak_wrong *w = value;

	if (k->image != r->image || !w->head ||
	    hash__get(&r->collector->head_types, w->head, k->image) != HASH_NONE)
		return 0;
	return r->fn(r->context, w->head, k->image);
}

int collector__untyped_heads(struct collector *c, pid_t pid, collector_head_fn *fn, void *context)
{
	struct head_reading r = {.collector = c, .fn = fn, .context = context};
	struct memleak_process process;
	uint32_t tgid = pid;

	probe__tables(c->probe, &c->t);
	if (c->t.wrong_fd < 0 || bpf_map_lookup_elem(c->t.processes_fd, &tgid, &process))
		return 0;
	r.image = process.image;
	return batch__read(c->t.wrong_fd, sizeof(struct memleak_wrong_key),
			   sizeof(struct memleak_wrong), read_head, &r);
}

int collector__set_type(struct collector *c, uint64_t head, uint32_t image, const char *name)
{
	uint32_t type = name ? collector__type_number(c, name) : NO_TYPE;

	return hash__set(&c->head_types, head, image, type);
}

/* --- to the profile --- */

static int add_stack(struct collector *c, uint64_t stack, bool frees, uint32_t pid,
		     struct profile *p, uint8_t *family, uint32_t *ret)
{
	struct stacks_source source = {
		.stacks_fd = c->t.stacks_fd, .files = c->t.files, .tgid = pid, .frees = frees};

	return stacks__add(c->stacks, &source, stack, p, family, ret);
}

static int add_name(struct profile *p, const char *name, const char **ret)
{
	*ret = profile__intern(p, name);
	return *ret ? 0 : -ENOMEM;
}

int collector__add_wrong(struct collector *c, const struct wrong *w, uint32_t process,
			 struct profile *p)
{
	static const enum profile_wrong kinds[] = {
		[MEMLEAK_WRONG_MISMATCHED] = PROFILE_WRONG_MISMATCHED,
		[MEMLEAK_WRONG_SIZE] = PROFILE_WRONG_SIZE,
		[MEMLEAK_WRONG_DOUBLE] = PROFILE_WRONG_DOUBLE,
		[MEMLEAK_WRONG_POINTER] = PROFILE_WRONG_POINTER,
	};
	static const char *const frees[] = {
		[MEMLEAK_FAMILY_MALLOC] = "free",
		[MEMLEAK_FAMILY_NEW] = "delete",
		[MEMLEAK_FAMILY_NEW_ARRAY] = "delete[]",
		[MEMLEAK_FAMILY_REALLOC] = "realloc",
	};
	struct profile_wrong_free f = {
		.process = process,
		.kind = kinds[w->key.kind],
		.count = w->record.count,
		.addr = w->record.addr,
		.bytes = w->record.size,
		.deleted_bytes = w->record.deleted_size,
		.alloc_stack = PROFILE_NONE,
		.first_free = PROFILE_NONE,
	};
	uint32_t pid = p->processes.items[process].pid;
	uint32_t type = hash__get(&c->head_types, w->record.head, w->key.image);
	uint8_t alloc_family = w->key.alloc_family, none = MEMLEAK_FAMILY_MMAP;
	int err = add_stack(c, w->key.free_stack, true, pid, p, &none, &f.free_stack);

	if (!err)
		err = add_name(p, frees[w->key.free_family], &f.free_family);
	if (!err && f.kind != PROFILE_WRONG_POINTER) {
		err = add_stack(c, w->key.alloc_stack, false, pid, p, &alloc_family,
				&f.alloc_stack);
		if (!err)
			err = add_name(p, probe__family_name(c->probe, alloc_family),
				       &f.alloc_family);
	}
	if (!err && w->record.first_stack)
		err = add_stack(c, w->record.first_stack, true, pid, p, &none, &f.first_free);
	if (!err && type < c->types.list.count)
		err = add_name(p, c->types.list.items[type], &f.type);
	return err ? err : vector_push(&p->wrong_frees, f);
}
