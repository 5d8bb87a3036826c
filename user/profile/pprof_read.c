// SPDX-License-Identifier: GPL-2.0-or-later
#include "profile/pprof_reader.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <zlib.h>

#include "profile/fields.h"
#include "profile/history.h"
#include "profile/pprof.h"
#include "util/cleanup.h"

#define MIB ((size_t)1 << 20)

/* A profile packs 4 to 15 times. */
#define UNPACKED_LIMIT (256 * MIB)
#define UNPACKED_BASE  (64 * MIB)
#define UNPACKED_RATIO 100

/* Of the messages of protobuf-c: some 8 times their bytes, if they are a profile's. */
#define MESSAGES_LIMIT (1024 * MIB)

#define NAME_LIMIT     65536
#define COMMENT_LIMIT  (8 * MIB)
#define COMMENT_DEPTH  32

/* --- memory of the messages: given back in one go --- */

struct arena {
	VECTOR(char *) chunks;
	size_t left; /* in the last one */
	size_t used;
};

/* Most profiles are small. */
#define ARENA_FIRST_CHUNK 65536
#define ARENA_CHUNK	  MIB

static void *arena_alloc(void *data, size_t size)
{
	struct arena *a = data;
	size_t chunk = a->chunks.count ? ARENA_CHUNK : ARENA_FIRST_CHUNK;
	char *memory;

	if (size > MESSAGES_LIMIT)
		return NULL;
	size = (size + 15) & ~(size_t)15;
	if (size > a->left || !a->chunks.count) {
		if (chunk < size)
			chunk = size;
		if (a->used + chunk > MESSAGES_LIMIT)
			return NULL;
		memory = malloc(chunk);
		if (!memory || vector_push(&a->chunks, memory)) {
			free(memory);
			return NULL;
		}
		a->used += chunk;
		a->left = chunk;
	}
	memory = a->chunks.items[a->chunks.count - 1];
	/* The end of a chunk is given out first. */
	a->left -= size;
	return memory + a->left;
}

static void arena_free(void *data, void *memory)
{
	(void)data;
	(void)memory;
}

static void arena_release(struct arena *a)
{
	size_t i;

	for (i = 0; i < a->chunks.count; i++)
		free(a->chunks.items[i]);
	vector_release(&a->chunks);
}

/* --- the message as it is read --- */

static void reader_release(struct reader *r)
{
	profile__destroy(r->p);
	free(r->names);
	free(r->label_kinds);
	hash__release(&r->mappings);
	vector_release(&r->modules);
	hash__release(&r->functions);
	hash__release(&r->locations);
	hash__release(&r->made);
	hash__release(&r->processes);
	hash__release(&r->histories);
	vector_release(&r->history_list);
	vector_release(&r->frames);
	vector_release(&r->said);
}

const char *reader__raw_string(const struct reader *r, int64_t i)
{
	return i >= 0 && (uint64_t)i < r->m->n_string_table ? r->m->string_table[i] : NULL;
}

int reader__name(struct reader *r, int64_t i, const char **ret)
{
	const char *s = reader__raw_string(r, i);

	if (!s)
		return -EBADMSG;
	if (!r->names[i]) {
		if (strnlen(s, NAME_LIMIT) == NAME_LIMIT)
			return -EBADMSG;
		r->names[i] = profile__intern(r->p, s);
		if (!r->names[i])
			return -ENOMEM;
	}
	*ret = r->names[i];
	return 0;
}

static int prepare_strings(struct reader *r)
{
	size_t n = r->m->n_string_table, i;
	int kind;

	if (!n || *r->m->string_table[0])
		return -EBADMSG;
	r->names = calloc(n, sizeof(*r->names));
	r->label_kinds = malloc(n);
	if (!r->names || !r->label_kinds)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		for (kind = 0; kind < PPROF_LABELS; kind++)
			if (strcmp(r->m->string_table[i], pprof_labels[kind]) == 0)
				break;
		r->label_kinds[i] = kind;
	}
	return 0;
}

static int find_values(struct reader *r)
{
	const char *type;
	size_t i, k;

	for (k = 0; k < PPROF_VALUES; k++) {
		r->values[k] = -1;
		for (i = 0; i < r->m->n_sample_type; i++) {
			type = reader__raw_string(r, r->m->sample_type[i]->type);
			if (!type)
				return -EBADMSG;
			if (strcmp(type, pprof_values[k].type) == 0)
				r->values[k] = i;
		}
	}
	return r->values[PPROF_INUSE_OBJECTS] < 0 || r->values[PPROF_INUSE_SPACE] < 0 ? -EBADMSG
										      : 0;
}

/* --- comments --- */

int reader__add_process(struct reader *r, const struct profile_process *process, uint32_t *ret)
{
	int err = vector_push(&r->p->processes, *process);

	if (err)
		return err;
	*ret = r->p->processes.count - 1;
	if (hash__get(&r->processes, process->pid, (uintptr_t)process->comm) != HASH_NONE)
		return 0; /* samples name it by its number */
	return hash__set(&r->processes, process->pid, (uintptr_t)process->comm, *ret);
}

static int read_process(struct reader *r, struct json_object *object)
{
	struct profile_process process;
	struct json_object *history;
	uint32_t index;
	int err = fields__read_process(object, r->p, &process);

	if (!err && json_object_object_get_ex(object, PPROF_HISTORY, &history) &&
	    json_object_is_type(history, json_type_string))
		err = history__read(r->p, json_object_get_string(history), &process.history);
	return err ? err : reader__add_process(r, &process, &index);
}

/* Call @read for each comment of this kind; their number into *@nr. 0 or what @read returned. */
static int for_each_comment(struct reader *r, const char *kind, size_t *nr,
			    int (*read)(struct reader *r, struct json_object *object))
{
	struct json_object *object, *value;
	size_t i, length;
	const char *text;
	int err = 0;

	for (i = 0, *nr = 0; i < r->m->n_comment && !err; i++) {
		text = reader__raw_string(r, r->m->comment[i]);
		length = text ? strnlen(text, COMMENT_LIMIT) : 0;
		if (!length || length == COMMENT_LIMIT || *text != '{')
			continue;
		err = fields__parse(text, length, COMMENT_DEPTH, &object);
		if (!err && json_object_object_get_ex(object, PPROF_KIND, &value) &&
		    json_object_is_type(value, json_type_string) &&
		    strcmp(json_object_get_string(value), kind) == 0) {
			++*nr;
			err = read(r, object);
		}
		json_object_put(object);
	}
	return err;
}

static int read_head(struct reader *r, struct json_object *object)
{
	r->p->seq = 0;
	r->p->final = false;
	return fields__read_head(object, r->p);
}

static int ignore(struct reader *r, struct json_object *object)
{
	(void)r;
	(void)object;
	return 0;
}

/* What the comments say holds for one run: where a tool has merged several, the samples count. */
static int read_comments(struct reader *r)
{
	struct profile *p = r->p;
	size_t nr, nr_heads;
	int err;

	p->time_ms = r->m->time_nanos / 1000000;
	p->elapsed_s = r->m->duration_nanos / 1e9;
	p->seq = 1;
	p->final = true;
	err = for_each_comment(r, PPROF_KIND_HEAD, &nr_heads, ignore);
	if (!err && nr_heads == 1)
		err = for_each_comment(r, PPROF_KIND_HEAD, &nr, read_head);
	if (!err && nr_heads == 1)
		err = for_each_comment(r, PPROF_KIND_PROCESS, &nr, read_process);
	r->nr_stated = p->processes.count;
	if (p->time_ms < 0 || p->time_ms > TIME_LIMIT_MS)
		p->time_ms = 0;
	return err;
}

/* --- the file --- */

static int read_message(struct reader *r)
{
	int err = prepare_strings(r);

	if (!err)
		err = find_values(r);
	if (!err)
		err = reader__read_code(r);
	if (!err)
		err = read_comments(r);
	return err ? err : reader__read_samples(r);
}

int pprof__parse(const void *data, size_t size, struct profile **ret)
{
	CLEANUP(arena_release) struct arena arena = {0};
	ProtobufCAllocator allocator = {arena_alloc, arena_free, &arena};
	CLEANUP(reader_release) struct reader r = {0};
	int err;

	if (size > UNPACKED_LIMIT)
		return -EFBIG;
	r.m = perftools__profiles__profile__unpack(&allocator, size, data);
	if (!r.m)
		return arena.used + ARENA_CHUNK > MESSAGES_LIMIT ? -EFBIG : -EBADMSG;
	r.p = profile__create();
	if (!r.p)
		return -ENOMEM;
	err = read_message(&r);
	if (err)
		return err;
	*ret = TAKE_PTR(r.p);
	return 0;
}

static void cleanup_gzclose(gzFile *f)
{
	if (*f)
		gzclose_r(*f);
}

/* Read to the end of @f, at most @limit bytes. */
static int unpack(gzFile f, size_t limit, char **bytes, size_t *size)
{
	CLEANUP_FREE char *buf = NULL;
	size_t capacity = 0, used = 0;
	int n, err;

	do {
		if (used == capacity) {
			char *grown = realloc(buf, capacity ? capacity * 2 : 65536);

			if (!grown)
				return -ENOMEM;
			buf = grown;
			capacity = capacity ? capacity * 2 : 65536;
		}
		n = gzread(f, buf + used, capacity - used);
		used += n > 0 ? n : 0;
		if (used > limit)
			return -EFBIG;
	} while (n > 0);
	gzerror(f, &err);
	if (err == Z_ERRNO)
		return errno ? -errno : -EIO;
	/* Z_BUF_ERROR: it ends too early. */
	if (n < 0 || err != Z_OK)
		return err == Z_MEM_ERROR ? -ENOMEM : -EBADMSG;
	*bytes = TAKE_PTR(buf);
	*size = used;
	return 0;
}

int pprof__read(int fd, struct profile **ret)
{
	CLEANUP(cleanup_gzclose) gzFile f = NULL;
	CLEANUP_FREE char *bytes = NULL;
	CLEANUP_CLOSE int copy = -1;
	struct stat st;
	size_t size = 0, limit;
	int err;

	if (fstat(fd, &st))
		return -errno;
	limit = UNPACKED_BASE + UNPACKED_RATIO * (size_t)st.st_size;
	if (st.st_size > (off_t)UNPACKED_LIMIT || limit > UNPACKED_LIMIT)
		limit = UNPACKED_LIMIT;
	copy = dup(fd);
	if (copy < 0)
		return -errno;
	f = gzdopen(copy, "r");
	if (!f)
		return -ENOMEM;
	copy = -1; /* it is f's now */
	err = unpack(f, limit, &bytes, &size);
	return err ? err : pprof__parse(bytes, size, ret);
}
