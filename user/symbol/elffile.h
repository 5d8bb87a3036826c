/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_SYMBOL_ELFFILE_H
#define MEMLEAK_SYMBOL_ELFFILE_H

/* An ELF file opened for reading, and what its section headers tell. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gelf.h>

struct elffile {
	Elf *elf;
	int fd;			 /* owned; -1 where borrowed or from memory */
	void *memory;		 /* owned; NULL where it is a file */
	bool trusted;		 /* see elffile__open() */
	const uint8_t *build_id; /* NULL where it has none */
	size_t build_id_size;
};

/*
 * Read @fd, which stays the caller's and must stay open. A file that somebody else could cut short
 * while we read must not be @trusted: trusted ones are mapped, others read. 0, -ENOMEM, or -ENOEXEC
 * for what is no ELF file.
 */
int elffile__open(int fd, bool trusted, struct elffile **ret);

/* The same for a file of @size bytes in @memory, which passes to the object, also on failure. */
int elffile__from_memory(void *memory, size_t size, struct elffile **ret);

/* Make the object close @fd in the end. */
void elffile__own_fd(struct elffile *f, int fd);

void elffile__destroy(struct elffile *f);

/* The section of this name that has at most @max bytes in the file; NULL where there is none. */
Elf_Scn *elffile__section(const struct elffile *f, const char *name, uint64_t max);

/* True where there is a .symtab. */
bool elffile__has_symtab(const struct elffile *f);

/* True where there is .debug_info or its old compressed form. */
bool elffile__has_dwarf(const struct elffile *f);

/* True where both have a build-id and it is the same. */
bool elffile__same_build_id(const struct elffile *f, const uint8_t *id, size_t size);

#endif
