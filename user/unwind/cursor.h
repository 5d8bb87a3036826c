/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_UNWIND_CURSOR_H
#define MEMLEAK_UNWIND_CURSOR_H

/*
 * Reading bytes that nobody vouches for. A read beyond the end gives 0, takes all that is left and
 * marks the cursor bad: check once, after a group of reads. Numbers are little endian.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct cursor {
	const uint8_t *at, *end;
	bool bad;
};

static inline size_t cursor__left(const struct cursor *c)
{
	return c->end - c->at;
}

static inline void cursor__fail(struct cursor *c)
{
	c->at = c->end;
	c->bad = true;
}

static inline uint64_t cursor__number(struct cursor *c, size_t size)
{
	uint64_t value = 0;

	if (cursor__left(c) < size) {
		cursor__fail(c);
		return 0;
	}
	memcpy(&value, c->at, size); /* both architectures are little endian */
	c->at += size;
	return value;
}

static inline uint8_t cursor__u8(struct cursor *c)
{
	return cursor__number(c, 1);
}

static inline uint16_t cursor__u16(struct cursor *c)
{
	return cursor__number(c, 2);
}

static inline uint32_t cursor__u32(struct cursor *c)
{
	return cursor__number(c, 4);
}

static inline uint64_t cursor__u64(struct cursor *c)
{
	return cursor__number(c, 8);
}

static inline void cursor__skip(struct cursor *c, uint64_t size)
{
	if (cursor__left(c) < size)
		cursor__fail(c);
	else
		c->at += size;
}

/* A cursor over the next @size bytes, which this one skips. Bad where they are not there. */
static inline struct cursor cursor__take(struct cursor *c, uint64_t size)
{
	struct cursor part = {.at = c->at};

	cursor__skip(c, size);
	part.end = c->bad ? part.at : c->at;
	part.bad = c->bad;
	return part;
}

/* DWARF 5, 7.6; bits beyond the 64th are dropped. */
static inline uint64_t cursor__uleb(struct cursor *c)
{
	uint64_t value = 0;
	unsigned int shift = 0;
	uint8_t byte;

	do {
		byte = cursor__u8(c);
		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		shift += shift < 64 ? 7 : 0;
	} while (byte & 0x80);
	return value;
}

static inline int64_t cursor__sleb(struct cursor *c)
{
	uint64_t value = 0;
	unsigned int shift = 0;
	uint8_t byte;

	do {
		byte = cursor__u8(c);
		if (shift < 64)
			value |= (uint64_t)(byte & 0x7f) << shift;
		shift += shift < 64 ? 7 : 0;
	} while (byte & 0x80);
	if (byte & 0x40 && shift < 64)
		value |= ~0ULL << shift;
	return value;
}

#endif
