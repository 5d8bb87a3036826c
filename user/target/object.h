/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_TARGET_OBJECT_H
#define MEMLEAK_TARGET_OBJECT_H

/*
 * An ELF file that processes map. Its descriptor stays open for as long as the object lives, so
 * that names can be found after the file was deleted and the process is gone. The bytes belong to
 * whoever runs the process: nothing read from them is trusted.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

/* A program has a handful; whoever writes thousands into a file means us harm. */
#define OBJECT_MAX_SEGMENTS 1024

/* More thread-local data than a stack can hold below its control block is no such thing. */
#define OBJECT_MAX_TLS (1 << 20)

struct object_segment { /* a PT_LOAD */
	uint64_t offset, vaddr, filesz, memsz;
	bool executable;
};

struct object {
	char *path;	/* as the process knew it, never NULL */
	int fd;		/* open for reading; -1 where the file could not be opened */
	char *build_id; /* lower-case hex; NULL where it has none */
	struct object_segment *segments;
	size_t nr_segments;
	uint64_t tls_size; /* PT_TLS: what each thread has of it, with its alignment */
	uint16_t machine;  /* e_machine; 0 if not ELF */
	bool is_64bit;
	bool has_interpreter;	 /* PT_INTERP: started through a dynamic loader */
	bool is_musl;		 /* and that is musl's */
	struct timespec changed; /* when the file was, before it was read */
};

/*
 * Read the headers of @fd, whose ownership passes to the object, also on failure. A file that is no
 * ELF file or whose headers are damaged gives an object without segments and with machine 0: its
 * frames still have a path and an offset. 0 or -ENOMEM.
 */
int object__create(int fd, const char *path, struct object **ret);
void object__destroy(struct object *o);

/* The same without reading anything: for whoever has it read by somebody else. */
int object__create_unread(int fd, const char *path, struct object **ret);

/* Whether there is a regular file to be read. */
bool object__is_readable(const struct object *o);

/* Whether its time says that it is what it was. */
bool object__is_unchanged(const struct object *o);

/* Nothing was read of it, after all. */
void object__forget(struct object *o);

/* The address that file offset @offset has in the module (what addr2line takes); false where no
 * segment holds it: then *@ret is @offset itself. */
bool object__offset_to_vaddr(const struct object *o, uint64_t offset, uint64_t *ret);

/* The other way round; false where no segment holds @vaddr in the file. */
bool object__vaddr_to_offset(const struct object *o, uint64_t vaddr, uint64_t *ret);

#endif
