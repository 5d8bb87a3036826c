// SPDX-License-Identifier: GPL-2.0-or-later
#include "unwind/elf_image.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "util/cleanup.h"
#include "util/vector.h"

/* Beyond any real file; they bound what a hostile one costs. */
#define MAX_CODE_SEGMENTS 64
#define MAX_SECTIONS	  (1 << 18)
#define MAX_NAME	  32

struct elf_image {
	int fd;
	const uint8_t *memory;
	uint64_t size;
	Elf64_Ehdr header;
	VECTOR(Elf64_Phdr) loads; /* PT_LOAD whose bytes lie in the file */
	Elf64_Phdr eh_frame_hdr;  /* p_filesz 0: none */
	struct elf_code code[MAX_CODE_SEGMENTS];
	size_t nr_code;
};

void elf_bytes__release(struct elf_bytes *b)
{
	free(b->data);
	*b = (struct elf_bytes){0};
}

/* All of [offset, offset + size) or -ENOEXEC: the file is shorter than it says. */
static int read_at(const struct elf_image *e, uint64_t offset, size_t size, void *to)
{
	size_t done = 0;

	if (offset > e->size || size > e->size - offset)
		return -ENOEXEC;
	if (e->fd < 0) {
		memcpy(to, e->memory + offset, size);
		return 0;
	}
	while (done < size) {
		ssize_t n = pread(e->fd, (char *)to + done, size - done, offset + done);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			return -ENOEXEC;
		if (n > 0)
			done += n;
	}
	return 0;
}

static int read_bytes(const struct elf_image *e, uint64_t offset, uint64_t size, uint64_t addr,
		      struct elf_bytes *ret)
{
	uint8_t *data CLEANUP_FREE = NULL;
	int err;

	if (size > ELF_SECTION_LIMIT)
		return -EFBIG;
	if (offset > e->size || size > e->size - offset)
		return -ENOEXEC;
	data = malloc(size ? size : 1);
	if (!data)
		return -ENOMEM;
	err = read_at(e, offset, size, data);
	if (err)
		return err;
	*ret = (struct elf_bytes){.data = TAKE_PTR(data), .size = size, .addr = addr};
	return 0;
}

static bool is_sane_segment(const Elf64_Phdr *p)
{
	return p->p_filesz && p->p_filesz < ELF_OFFSET_LIMIT && p->p_offset < ELF_OFFSET_LIMIT &&
	       p->p_offset + p->p_filesz < ELF_OFFSET_LIMIT &&
	       p->p_vaddr + p->p_filesz > p->p_vaddr;
}

static int add_segment(struct elf_image *e, const Elf64_Phdr *p)
{
	if (!is_sane_segment(p))
		return 0;
	if (p->p_type == PT_GNU_EH_FRAME)
		e->eh_frame_hdr = *p;
	if (p->p_type != PT_LOAD)
		return 0;
	if (p->p_flags & PF_X && e->nr_code < MAX_CODE_SEGMENTS)
		e->code[e->nr_code++] = (struct elf_code){
			.addr = p->p_vaddr, .offset = p->p_offset, .size = p->p_filesz};
	return vector_push(&e->loads, *p);
}

static int read_headers(struct elf_image *e)
{
	Elf64_Ehdr *h = &e->header;
	size_t i;
	int err = read_at(e, 0, sizeof(*h), h);

	if (err)
		return err;
	if (memcmp(h->e_ident, ELFMAG, SELFMAG) != 0 || h->e_ident[EI_CLASS] != ELFCLASS64 ||
	    h->e_ident[EI_DATA] != ELFDATA2LSB)
		return -ENOEXEC;
	if (h->e_type != ET_EXEC && h->e_type != ET_DYN)
		return -ENOEXEC;
	if (h->e_phnum && h->e_phentsize != sizeof(Elf64_Phdr))
		return -ENOEXEC;
	for (i = 0; i < h->e_phnum; i++) {
		Elf64_Phdr p;

		err = read_at(e, h->e_phoff + i * sizeof(p), sizeof(p), &p);
		if (err)
			return err;
		err = add_segment(e, &p);
		if (err)
			return err;
	}
	return 0;
}

int elf_image__create(int fd, const void *memory, size_t size, struct elf_image **ret)
{
	struct elf_image *e = calloc(1, sizeof(*e));
	int err;

	if (!e)
		return -ENOMEM;
	e->fd = fd;
	e->memory = memory;
	e->size = size;
	if (fd >= 0) {
		struct stat st;

		if (fstat(fd, &st)) {
			err = -errno;
			elf_image__destroy(e);
			return err;
		}
		e->size = S_ISREG(st.st_mode) ? st.st_size : 0;
	}
	err = read_headers(e);
	if (err) {
		elf_image__destroy(e);
		return err;
	}
	*ret = e;
	return 0;
}

void elf_image__destroy(struct elf_image *e)
{
	if (!e)
		return;
	vector_release(&e->loads);
	free(e);
}

uint16_t elf_image__machine(const struct elf_image *e)
{
	return e->header.e_machine;
}

/* --- sections --- */

/* The section headers and their names; ELF's escape for more than 65279 sections included. */
struct section_table {
	Elf64_Shdr *headers;
	size_t nr;
	struct elf_bytes names;
};

static void section_table__release(struct section_table *t)
{
	free(t->headers);
	elf_bytes__release(&t->names);
}

static int read_section_table(const struct elf_image *e, struct section_table *t)
{
	const Elf64_Ehdr *h = &e->header;
	struct elf_bytes table = {0};
	uint64_t nr = h->e_shnum, names = h->e_shstrndx;
	Elf64_Shdr first;
	int err;

	if (!h->e_shoff || h->e_shentsize != sizeof(Elf64_Shdr))
		return -ENOENT;
	err = read_at(e, h->e_shoff, sizeof(first), &first);
	if (err)
		return err;
	if (nr == 0)
		nr = first.sh_size;
	if (names == SHN_XINDEX)
		names = first.sh_link;
	if (nr > MAX_SECTIONS)
		return -EFBIG;
	if (names >= nr)
		return -ENOENT;
	err = read_bytes(e, h->e_shoff, nr * sizeof(Elf64_Shdr), 0, &table);
	if (err)
		return err;
	t->headers = (Elf64_Shdr *)table.data;
	t->nr = nr;
	return read_bytes(e, t->headers[names].sh_offset, t->headers[names].sh_size, 0, &t->names);
}

static const Elf64_Shdr *find_section(const struct section_table *t, const char *name)
{
	size_t length = strlen(name) + 1, i;

	for (i = 0; i < t->nr; i++) {
		const Elf64_Shdr *s = &t->headers[i];

		if (s->sh_name > t->names.size || length > t->names.size - s->sh_name)
			continue;
		if (memcmp(t->names.data + s->sh_name, name, length) == 0)
			return s;
	}
	return NULL;
}

/* Replace @b by the @size bytes that the zlib stream behind its first @skip bytes holds. */
static int decompress(struct elf_bytes *b, size_t skip, uint64_t size)
{
	uint8_t *data CLEANUP_FREE = NULL;
	uLongf length = size;

	if (size > ELF_SECTION_LIMIT)
		return -EFBIG;
	/* Deflate expands at most 1032 times (zlib technical details). */
	if (size / 1032 > b->size)
		return -ENOEXEC;
	data = malloc(size ? size : 1);
	if (!data)
		return -ENOMEM;
	if (uncompress(data, &length, b->data + skip, b->size - skip) != Z_OK || length != size)
		return -ENOEXEC;
	free(b->data);
	b->data = TAKE_PTR(data);
	b->size = size;
	return 0;
}

/* gABI, "Compressed sections" */
static int decompress_gabi(struct elf_bytes *b)
{
	Elf64_Chdr header;

	if (b->size < sizeof(header))
		return -ENOEXEC;
	memcpy(&header, b->data, sizeof(header));
	if (header.ch_type != ELFCOMPRESS_ZLIB)
		return -ENOTSUP;
	return decompress(b, sizeof(header), header.ch_size);
}

/* "ZLIB", the size as a big-endian 64-bit number, the stream */
static int decompress_gnu(struct elf_bytes *b)
{
	uint64_t size = 0;
	int i;

	if (b->size < 12 || memcmp(b->data, "ZLIB", 4) != 0)
		return -ENOEXEC;
	for (i = 4; i < 12; i++)
		size = size << 8 | b->data[i];
	return decompress(b, 12, size);
}

/* GNU's older name for the compressed section @name; false where there is none. */
static bool older_name(const char *name, char *older)
{
	size_t length = strlen(name);

	if (strncmp(name, ".debug_", 7) != 0 || length + 2 > MAX_NAME)
		return false;
	older[0] = '.';
	older[1] = 'z';
	memcpy(older + 2, name + 1, length);
	return true;
}

int elf_image__section(const struct elf_image *e, const char *name, struct elf_bytes *ret)
{
	struct section_table t CLEANUP(section_table__release) = {0};
	struct elf_bytes b CLEANUP(elf_bytes__release) = {0};
	char older[MAX_NAME];
	const Elf64_Shdr *s;
	bool is_older = false;
	int err = read_section_table(e, &t);

	if (err)
		return err;
	s = find_section(&t, name);
	if (!s && older_name(name, older)) {
		s = find_section(&t, older);
		is_older = true;
	}
	if (!s)
		return -ENOENT;
	if (s->sh_type == SHT_NOBITS)
		return -ENODATA;
	err = read_bytes(e, s->sh_offset, s->sh_size, s->sh_addr, &b);
	if (!err && is_older)
		err = decompress_gnu(&b);
	else if (!err && s->sh_flags & SHF_COMPRESSED)
		err = decompress_gabi(&b);
	if (err)
		return err;
	*ret = b;
	b.data = NULL;
	return 0;
}

/* --- segments --- */

int elf_image__eh_frame_hdr(const struct elf_image *e, struct elf_bytes *ret)
{
	const Elf64_Phdr *p = &e->eh_frame_hdr;

	if (!p->p_filesz)
		return -ENOENT;
	return read_bytes(e, p->p_offset, p->p_filesz, p->p_vaddr, ret);
}

int elf_image__from_address(const struct elf_image *e, uint64_t addr, struct elf_bytes *ret)
{
	size_t i;

	for (i = 0; i < e->loads.count; i++) {
		const Elf64_Phdr *p = &e->loads.items[i];
		uint64_t skip = addr - p->p_vaddr;

		if (addr < p->p_vaddr || skip >= p->p_filesz)
			continue;
		return read_bytes(e, p->p_offset + skip, p->p_filesz - skip, addr, ret);
	}
	return -ENOENT;
}

const struct elf_code *elf_image__code(const struct elf_image *e, size_t *nr)
{
	*nr = e->nr_code;
	return e->code;
}
