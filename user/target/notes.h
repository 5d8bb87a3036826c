/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_TARGET_NOTES_H
#define MEMLEAK_TARGET_NOTES_H

/*
 * Sites in an object that tell of allocations, by the notes that <sys/sdt.h> and its like leave:
 * otel_memory:alloc(pointer, size, weight) and otel_memory:free(pointer), a convention of
 * OpenTelemetry's profiler; and those of libmemleak.so, which say more (user/hook/site_*.S).
 *
 * A note has the address of a nop and says where the arguments are when it is reached, as the
 * assembler writes operands: "8@%rdi -4@$16 8@-24(%rbp)", on arm64 "8@x0 -4@16 8@[sp, 24]". The
 * bytes are the target's: nothing in them is trusted.
 */

#include <libelf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/memleak.h"
#include "target/object.h"
#include "target/placement.h"
#include "util/vector.h"

enum notes_kind {
	NOTES_ALLOC,
	NOTES_FREE,
	NOTES_RESTORE, /* libmemleak.so's, this and the next ones */
	NOTES_MAP,
	NOTES_PUT, /* the same as ALLOC, and with it frees that were deferred: bpf/deferred.h */
	NOTES_KINDS
};

struct notes_site {
	enum notes_kind kind;
	bool own;	    /* one of libmemleak.so's: all its arguments are those of a call */
	uint64_t offset;    /* of the instruction in the file */
	uint64_t semaphore; /* counts who is attached: where in the file; 0: there is none */
	struct memleak_site_arguments arguments;
};

typedef VECTOR(struct notes_site) notes_sites;

/* An object with more of them is not read to its end. */
#define NOTES_MAX_SITES 4096

/*
 * Read the sites of @o, open as @elf. All of them or none: where one is not understood, or there
 * are no frees, that is warned of. 0 or -ENOMEM; *@ret is released with vector_release.
 */
int notes__read(const struct object *o, Elf *elf, notes_sites *ret);

/*
 * The instruction at which @s is cheapest to probe, into *@ret as a file offset; false where there
 * is no nop: then the note lies.
 */
bool notes__place(const struct object *o, const struct notes_site *s, enum placement_nops nops,
		  uint64_t *ret);

/* A note as it stands in the file; its strings end within it. */
struct notes_note {
	uint64_t address, base, semaphore;
	const char *provider, *name, *arguments;
};

/* The next note of the @n bytes at @data, from *@at on; false where there is none. Others than of
 * sites are passed over. */
bool notes__next(const unsigned char *data, size_t n, size_t *at, struct notes_note *ret);

/* Parse one argument of *@text, and leave *@text behind it; false where it is not understood. */
bool notes__parse_argument(uint16_t machine, const char **text, struct memleak_argument *ret);

#endif
