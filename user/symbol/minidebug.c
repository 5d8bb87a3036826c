// SPDX-License-Identifier: GPL-2.0-or-later
/* .gnu_debugdata (fedoraproject.org/wiki/Features/MiniDebugInfo): an ELF file, packed with xz, that
 * holds the .symtab of a stripped one. */
#include "symbol/debugfile.h"

#include <errno.h>

#include <lzma.h>

#include "util/cleanup.h"

#define MAX_PACKED   (64ULL << 20)
#define MAX_UNPACKED (256ULL << 20) /* xz can make a gigabyte of a few kilobytes */
#define MAX_MEMORY   (128ULL << 20) /* of the decoder: xz -9 needs 65 MiB */

static void cleanup_lzma(lzma_stream *s)
{
	lzma_end(s);
}

/* Unpack @stream's input into *@bytes, which is the caller's also on failure. */
static int unpack(lzma_stream *stream, uint8_t **bytes, size_t *size)
{
	size_t capacity = 0;
	lzma_ret status = LZMA_OK;

	while (status == LZMA_OK) {
		uint8_t *grown;

		if (capacity >= MAX_UNPACKED)
			return -EFBIG;
		capacity = capacity ? capacity * 2 : 65536;
		grown = realloc(*bytes, capacity);
		if (!grown)
			return -ENOMEM;
		*bytes = grown;
		stream->next_out = grown + *size;
		stream->avail_out = capacity - *size;
		while (status == LZMA_OK && stream->avail_out)
			status = lzma_code(stream, LZMA_FINISH);
		*size = capacity - stream->avail_out;
	}
	return status == LZMA_STREAM_END ? 0 : status == LZMA_MEM_ERROR ? -ENOMEM : -EINVAL;
}

int debugfile__unpack_mini(const struct elffile *file, struct elffile **ret)
{
	CLEANUP(cleanup_lzma) lzma_stream stream = LZMA_STREAM_INIT;
	Elf_Scn *scn = elffile__section(file, ".gnu_debugdata", MAX_PACKED);
	Elf_Data *packed = scn ? elf_rawdata(scn, NULL) : NULL;
	CLEANUP_FREE uint8_t *bytes = NULL;
	size_t size = 0;
	int err;

	if (!packed || !packed->d_buf || !packed->d_size)
		return -ENOENT;
	if (lzma_stream_decoder(&stream, MAX_MEMORY, 0) != LZMA_OK)
		return -ENOMEM;
	stream.next_in = packed->d_buf;
	stream.avail_in = packed->d_size;
	err = unpack(&stream, &bytes, &size);
	if (err)
		return err;
	err = elffile__from_memory(TAKE_PTR(bytes), size, ret);
	return err == -ENOEXEC ? -EINVAL : err;
}
