// SPDX-License-Identifier: GPL-2.0-or-later
#include "profile/pprof_writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "profile/fields.h"
#include "profile/history.h"
#include "profile/pprof.h"
#include "util/cleanup.h"
#include "util/utf8.h"

static void release(struct writer *w)
{
	deflateEnd(&w->z);
	vector_release(&w->packed);
	strings__release(&w->strings);
	hash__release(&w->function_index);
	hash__release(&w->site_index);
	free(w->site_written);
	hash__release(&w->pids);
	vector_release(&w->labels);
	vector_release(&w->label_list);
	vector_release(&w->locations);
	vector_release(&w->text);
}

/* --- output --- */

/* Compress @size bytes; @flush Z_FINISH ends the file. */
static void compress_bytes(struct writer *w, uint8_t *bytes, size_t size, int flush)
{
	uint8_t buf[16384];
	size_t n;

	w->z.next_in = bytes;
	w->z.avail_in = size;
	do {
		w->z.next_out = buf;
		w->z.avail_out = sizeof(buf);
		if (w->err || deflate(&w->z, flush) == Z_STREAM_ERROR) {
			writer__check(w, -EINVAL);
			return;
		}
		n = sizeof(buf) - w->z.avail_out;
		errno = 0;
		if (fwrite(buf, 1, n, w->out) != n)
			writer__check(w, errno ? -errno : -EIO);
	} while (!w->z.avail_out);
}

void writer__emit(struct writer *w, const part *part)
{
	size_t size = perftools__profiles__profile__get_packed_size(part);

	writer__check(w, vector_reserve(&w->packed, size));
	if (w->err)
		return;
	perftools__profiles__profile__pack(part, w->packed.items);
	compress_bytes(w, w->packed.items, size, Z_NO_FLUSH);
}

/* --- strings --- */

int64_t writer__string(struct writer *w, const char *s)
{
	CLEANUP_FREE char *clean = NULL;
	uint32_t i = 0;

	if (!s || w->err)
		return 0;
	if (!utf8__is_valid(s)) {
		clean = utf8__clean(s);
		s = clean;
	}
	writer__check(w, s ? strings__add(&w->strings, s, &i) : -ENOMEM);
	return i;
}

static void emit_strings(struct writer *w)
{
	size_t i;

	for (i = 0; i < w->strings.list.count; i++) {
		part part = PART;

		part.n_string_table = 1;
		part.string_table = &w->strings.list.items[i];
		writer__emit(w, &part);
	}
}

/* Takes @object, NULL where memory was short. */
static void emit_comment(struct writer *w, struct json_object *object, const char *kind)
{
	struct json_object *name = json_object_new_string(kind);
	const char *text = NULL;
	part part = PART;
	int64_t id;

	if (object && name && !json_object_object_add(object, PPROF_KIND, name))
		text = json_object_to_json_string_ext(object, WRITER_JSON);
	if (!text)
		writer__check(w, -ENOMEM);
	id = writer__string(w, text);
	part.n_comment = 1;
	part.comment = &id;
	writer__emit(w, &part);
	json_object_put(object);
}

/* --- comments --- */

/* NULL without memory. */
static struct json_object *process_object(struct writer *w, const struct profile_process *process)
{
	struct json_object *object = fields__process(process);
	CLEANUP_FREE char *text = NULL;

	if (!object || !process->history.count)
		return object;
	text = history__text(w->p, &process->history);
	if (!text || json_object_object_add(object, PPROF_HISTORY, json_object_new_string(text))) {
		json_object_put(object);
		return NULL;
	}
	return object;
}

static void emit_comments(struct writer *w)
{
	size_t i;

	emit_comment(w, fields__head(w->p), PPROF_KIND_HEAD);
	for (i = 0; i < w->p->processes.count && !w->err; i++)
		emit_comment(w, process_object(w, &w->p->processes.items[i]), PPROF_KIND_PROCESS);
}

/* --- the profile --- */

static void emit_head(struct writer *w)
{
	const struct profile *p = w->p;
	Perftools__Profiles__ValueType types[PPROF_VALUES + 1], *list[PPROF_VALUES];
	part part = PART;
	int i;

	for (i = 0; i <= PPROF_VALUES; i++)
		perftools__profiles__value_type__init(&types[i]);
	for (i = 0; i < PPROF_VALUES; i++) {
		types[i].type = writer__string(w, pprof_values[i].type);
		types[i].unit = writer__string(w, pprof_values[i].unit);
		list[i] = &types[i];
	}
	types[i].type = writer__string(w, p->sampling == PROFILE_SAMPLE_RATE ? "objects" : "space");
	types[i].unit = writer__string(w, p->sampling == PROFILE_SAMPLE_RATE ? "count" : "bytes");
	part.n_sample_type = PPROF_VALUES;
	part.sample_type = list;
	part.period_type = &types[i];
	part.period = p->sampling == PROFILE_SAMPLE_ALL ? 1 : writer__value(w, p->sampling_value);
	part.default_sample_type = writer__string(w, pprof_values[PPROF_INUSE_SPACE].type);
	part.time_nanos = (uint64_t)p->time_ms * 1000000;
	part.duration_nanos = p->elapsed_s > 0 && p->elapsed_s < 9e9 ? p->elapsed_s * 1e9 : 0;
	writer__emit(w, &part);
}

int pprof__write(const struct profile *p, FILE *out)
{
	CLEANUP(release) struct writer w = {.p = p, .out = out};

	/* 15 bits of window, 16 for the header of gzip. */
	if (deflateInit2(&w.z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY))
		return -ENOMEM;
	writer__string(&w, ""); /* the first one */
	emit_head(&w);
	writer__emit_samples(&w);
	writer__emit_wrong_frees(&w);
	writer__emit_code(&w);
	emit_comments(&w);
	emit_strings(&w);
	compress_bytes(&w, NULL, 0, Z_FINISH);
	if (w.err)
		return w.err;
	errno = 0;
	if (fflush(out) || ferror(out))
		return errno ? -errno : -EIO;
	return 0;
}
