// SPDX-License-Identifier: GPL-2.0-or-later
#include "util/packed.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>
#include <zlib.h>

#include "util/cleanup.h"

/* Their counts come first. */
struct packed {
	size_t size;
	uint8_t bytes[];
};

struct packing {
	z_stream z;
	VECTOR(uint8_t) bytes;
};

static void release_packing(struct packing *p)
{
	deflateEnd(&p->z);
	vector_release(&p->bytes);
}

/* What z_stream takes at a time. */
static uInt portion(size_t size)
{
	return size < UINT_MAX ? size : UINT_MAX;
}

/* Z_FINISH as @flush ends it. */
static int pack(struct packing *p, const void *from, size_t size, int flush)
{
	uint8_t buf[4096];
	size_t n;
	int err;

	p->z.next_in = (Bytef *)from;
	do {
		p->z.avail_in = portion(size);
		size -= p->z.avail_in;
		do {
			p->z.next_out = buf;
			p->z.avail_out = sizeof(buf);
			deflate(&p->z, flush);
			n = sizeof(buf) - p->z.avail_out;
			err = vector_reserve(&p->bytes, p->bytes.count + n + 1); /* no NULL */
			if (err)
				return err;
			memcpy(p->bytes.items + p->bytes.count, buf, n);
			p->bytes.count += n;
		} while (!p->z.avail_out);
	} while (size);
	return 0;
}

int packed__create(const struct packed_vector *vectors, size_t n, struct packed **ret)
{
	CLEANUP(release_packing) struct packing p = {0};
	struct packed *packed;
	size_t i;
	int err = 0;

	if (deflateInit2(&p.z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -MAX_WBITS, 8,
			 Z_DEFAULT_STRATEGY))
		return -ENOMEM;
	for (i = 0; i < n && !err; i++)
		err = pack(&p, vectors[i].count, sizeof(*vectors[i].count), Z_NO_FLUSH);
	for (i = 0; i < n && !err; i++)
		err = pack(&p, *vectors[i].items, *vectors[i].count * vectors[i].size, Z_NO_FLUSH);
	if (!err)
		err = pack(&p, NULL, 0, Z_FINISH);
	if (err)
		return err;
	if (p.bytes.count > UINT_MAX)
		return -E2BIG; /* packed__open has one portion */
	packed = malloc(sizeof(*packed) + p.bytes.count);
	if (!packed)
		return -ENOMEM;
	packed->size = p.bytes.count;
	memcpy(packed->bytes, p.bytes.items, p.bytes.count);
	*ret = packed;
	return 0;
}

static void release_stream(z_stream *z)
{
	inflateEnd(z);
}

static int unpack(z_stream *z, void *to, size_t size)
{
	z->next_out = to;
	while (size) {
		uInt n = portion(size);
		int result;

		z->avail_out = n;
		result = inflate(z, Z_SYNC_FLUSH);
		size -= n - z->avail_out;
		if (size && result != Z_OK)
			return result == Z_MEM_ERROR ? -ENOMEM : -EBADMSG;
	}
	return 0;
}

/* All vectors have their counts. */
static int unpack_items(z_stream *z, const struct packed_vector *vectors, size_t n)
{
	size_t i;
	int err = 0;

	for (i = 0; i < n && !err; i++) {
		const struct packed_vector *v = &vectors[i];

		if (!*v->count)
			continue;
		*v->items = reallocarray(NULL, *v->count, v->size);
		if (!*v->items)
			return -ENOMEM;
		*v->capacity = *v->count;
		err = unpack(z, *v->items, *v->count * v->size);
	}
	return err;
}

int packed__open(const struct packed *p, const struct packed_vector *vectors, size_t n)
{
	CLEANUP(release_stream) z_stream z = {.next_in = (Bytef *)p->bytes, .avail_in = p->size};
	size_t i;
	int err = 0;

	if (inflateInit2(&z, -MAX_WBITS))
		return -ENOMEM;
	for (i = 0; i < n && !err; i++)
		err = unpack(&z, vectors[i].count, sizeof(*vectors[i].count));
	return err ? err : unpack_items(&z, vectors, n);
}
