// SPDX-License-Identifier: GPL-2.0-or-later
#include "symbol/elffile.h"

#include <errno.h>
#include <string.h>

#include <elfutils/libdwelf.h>

#include "util/cleanup.h"

#define MAX_BUILD_ID 64		   /* bytes; SHA-1 has 20 */
#define MAX_NOTES    (1ULL << 20)  /* bytes of all notes */
#define MAX_NAMES    (64ULL << 20) /* bytes of section names */

/* Bytes of all notes: libelf would take as much memory as a file claims. */
static uint64_t notes_size(Elf *elf)
{
	Elf_Scn *scn = NULL;
	GElf_Shdr shdr;
	GElf_Phdr phdr;
	uint64_t sum = 0;
	size_t i, n;

	while ((scn = elf_nextscn(elf, scn)))
		if (gelf_getshdr(scn, &shdr) && shdr.sh_type == SHT_NOTE &&
		    __builtin_add_overflow(sum, shdr.sh_size, &sum))
			return UINT64_MAX;
	if (elf_getphdrnum(elf, &n))
		return sum;
	for (i = 0; i < n && gelf_getphdr(elf, i, &phdr); i++)
		if (phdr.p_type == PT_NOTE && __builtin_add_overflow(sum, phdr.p_filesz, &sum))
			return UINT64_MAX;
	return sum;
}

static bool names_fit(Elf *elf)
{
	GElf_Shdr shdr;
	size_t names;

	/* A file may have no sections at all. */
	return elf_getshdrstrndx(elf, &names) || !gelf_getshdr(elf_getscn(elf, names), &shdr) ||
	       shdr.sh_size <= MAX_NAMES;
}

static void read_build_id(struct elffile *f)
{
	const void *id;
	ssize_t n;

	if (notes_size(f->elf) > MAX_NOTES)
		return;
	n = dwelf_elf_gnu_build_id(f->elf, &id);
	if (n > 1 && n <= MAX_BUILD_ID) {
		f->build_id = id;
		f->build_id_size = n;
	}
}

static int finish(struct elffile *f, struct elffile **ret)
{
	if (!f->elf || elf_kind(f->elf) != ELF_K_ELF || !names_fit(f->elf)) {
		elffile__destroy(f);
		return -ENOEXEC;
	}
	read_build_id(f);
	*ret = f;
	return 0;
}

int elffile__open(int fd, bool trusted, struct elffile **ret)
{
	struct elffile *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	f->fd = -1;
	f->trusted = trusted;
	f->elf = elf_begin(fd, trusted ? ELF_C_READ_MMAP : ELF_C_READ, NULL);
	return finish(f, ret);
}

int elffile__from_memory(void *memory, size_t size, struct elffile **ret)
{
	struct elffile *f = calloc(1, sizeof(*f));

	if (!f) {
		free(memory);
		return -ENOMEM;
	}
	f->fd = -1;
	f->memory = memory;
	f->elf = elf_memory(memory, size);
	return finish(f, ret);
}

void elffile__own_fd(struct elffile *f, int fd)
{
	f->fd = fd;
}

void elffile__destroy(struct elffile *f)
{
	if (!f)
		return;
	elf_end(f->elf);
	if (f->fd >= 0)
		close(f->fd);
	free(f->memory);
	free(f);
}

static const char *section_name(const struct elffile *f, Elf_Scn *scn, GElf_Shdr *shdr)
{
	size_t names;

	if (elf_getshdrstrndx(f->elf, &names) || !gelf_getshdr(scn, shdr))
		return NULL;
	return elf_strptr(f->elf, names, shdr->sh_name);
}

Elf_Scn *elffile__section(const struct elffile *f, const char *name, uint64_t max)
{
	Elf_Scn *scn = NULL;

	while ((scn = elf_nextscn(f->elf, scn))) {
		GElf_Shdr shdr;
		const char *s = section_name(f, scn, &shdr);

		if (s && shdr.sh_type != SHT_NOBITS && shdr.sh_size <= max && strcmp(s, name) == 0)
			return scn;
	}
	return NULL;
}

bool elffile__has_symtab(const struct elffile *f)
{
	Elf_Scn *scn = NULL;
	GElf_Shdr shdr;

	while ((scn = elf_nextscn(f->elf, scn)))
		if (gelf_getshdr(scn, &shdr) && shdr.sh_type == SHT_SYMTAB)
			return true;
	return false;
}

bool elffile__has_dwarf(const struct elffile *f)
{
	return elffile__section(f, ".debug_info", UINT64_MAX) ||
	       elffile__section(f, ".zdebug_info", UINT64_MAX);
}

bool elffile__same_build_id(const struct elffile *f, const uint8_t *id, size_t size)
{
	return f->build_id && id && f->build_id_size == size && memcmp(f->build_id, id, size) == 0;
}
