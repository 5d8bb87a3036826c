// SPDX-License-Identifier: GPL-2.0-or-later
#include "symbol/dwarfimage.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include <elfutils/libdwelf.h>

#include "util/cleanup.h"

#define MAX_BYTES (4ULL << 30)
#define PADDING	  4096
#define NAME_SIZE 32
#define NR_WANTED ARRAY_SIZE(wanted)
#define INFO	  0 /* index of .debug_info */

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define OWN_BYTE_ORDER ELFDATA2LSB
#else
#define OWN_BYTE_ORDER ELFDATA2MSB
#endif

/* The others (.debug_loclists, .debug_macro ...) are not needed for names and lines. */
static const char wanted[][NAME_SIZE] = {
	".debug_info",	 ".debug_types",    ".debug_abbrev",	 ".debug_addr",
	".debug_line",	 ".debug_line_str", ".debug_str",	 ".debug_str_offsets",
	".debug_ranges", ".debug_rnglists", ".gnu_debugaltlink",
};

/* The sections that go into the image, by their index in wanted. */
struct part {
	Elf_Scn *scn; /* NULL: not there */
	GElf_Shdr shdr;
	bool gnu_compressed; /* the older form, .zdebug_info */
	uint64_t size;	     /* uncompressed */
};

/* The start of the image; the sections follow. Section 1 is the string table, then those wanted. */
struct header {
	Elf64_Ehdr elf;
	Elf64_Shdr sections[2 + ARRAY_SIZE(wanted)];
	char names[1 + ARRAY_SIZE(wanted)][NAME_SIZE];
};

static bool find_part(const char *name, size_t *index, bool *gnu_compressed)
{
	size_t i;

	*gnu_compressed = strncmp(name, ".zdebug_", 8) == 0;
	for (i = 0; i < NR_WANTED; i++) {
		if (strcmp(name + (*gnu_compressed ? 2 : 0),
			   wanted[i] + (*gnu_compressed ? 1 : 0)) == 0) {
			*index = i;
			return true;
		}
	}
	return false;
}

/*
 * How many bytes one compressed byte becomes at most: with deflate 1,032 (zlib.net/zlib_tech.html),
 * with zstd a block of 128 KiB from four (RFC 8878, 3.1.1.2). A size that is beyond that is a lie.
 */
#define DEFLATE_RATIO 1032
#define ZSTD_RATIO    32768

/* Bytes of a section once it is uncompressed; what lies behind the end of the file does not count.
 */
static uint64_t part_size(const struct part *p, uint64_t file_size)
{
	uint64_t there = 0, ratio = DEFLATE_RATIO, size;
	GElf_Chdr chdr;
	ssize_t n;

	if (p->shdr.sh_offset < file_size)
		there = file_size - p->shdr.sh_offset;
	if (p->shdr.sh_size < there)
		there = p->shdr.sh_size;
	if (p->shdr.sh_flags & SHF_COMPRESSED) {
		if (!gelf_getchdr(p->scn, &chdr))
			return 0;
		size = chdr.ch_size;
		if (chdr.ch_type != ELFCOMPRESS_ZLIB)
			ratio = ZSTD_RATIO;
	} else if (p->gnu_compressed) {
		n = dwelf_scn_gnu_compressed_size(p->scn);
		size = n > 0 ? n : 0;
	} else {
		return there;
	}
	return size / ratio <= there ? size : 0;
}

/* Fill parts[NR_WANTED]; their sum of bytes. */
static uint64_t find_parts(Elf *elf, uint64_t file_size, struct part *parts)
{
	uint64_t sum = 0;
	Elf_Scn *scn = NULL;
	size_t names;

	if (elf_getshdrstrndx(elf, &names))
		return 0;
	while ((scn = elf_nextscn(elf, scn))) {
		struct part p = {.scn = scn};
		const char *name;
		size_t i;

		if (!gelf_getshdr(scn, &p.shdr) || p.shdr.sh_type == SHT_NOBITS)
			continue;
		name = elf_strptr(elf, names, p.shdr.sh_name);
		if (!name || !find_part(name, &i, &p.gnu_compressed) || parts[i].scn)
			continue;
		p.size = part_size(&p, file_size);
		parts[i] = p;
		if (__builtin_add_overflow(sum, p.size, &sum))
			return UINT64_MAX;
	}
	return sum;
}

static void read_plain(int fd, const struct part *p, uint8_t *to)
{
	uint64_t done = 0;
	ssize_t n;

	/* What is missing stays zero. */
	while (done < p->size &&
	       (n = pread(fd, to + done, p->size - done, p->shdr.sh_offset + done)) > 0)
		done += n;
}

static void read_compressed(const struct part *p, uint8_t *to)
{
	Elf_Data *data;
	int done = p->gnu_compressed ? elf_compress_gnu(p->scn, 0, 0) : elf_compress(p->scn, 0, 0);

	data = done < 0 ? NULL : elf_getdata(p->scn, NULL);
	if (data && data->d_buf && data->d_size <= p->size)
		memcpy(to, data->d_buf, data->d_size);
}

static void fill_header(struct header *h, uint16_t machine)
{
	size_t i;

	memcpy(h->elf.e_ident, ELFMAG, SELFMAG);
	h->elf.e_ident[EI_CLASS] = ELFCLASS64;
	h->elf.e_ident[EI_DATA] = OWN_BYTE_ORDER;
	h->elf.e_ident[EI_VERSION] = EV_CURRENT;
	h->elf.e_type = ET_DYN;
	h->elf.e_machine = machine;
	h->elf.e_version = EV_CURRENT;
	h->elf.e_shoff = offsetof(struct header, sections);
	h->elf.e_ehsize = sizeof(h->elf);
	h->elf.e_shentsize = sizeof(h->sections[0]);
	h->elf.e_shnum = ARRAY_SIZE(h->sections);
	h->elf.e_shstrndx = 1;
	h->sections[1] = (Elf64_Shdr){.sh_type = SHT_STRTAB,
				      .sh_offset = offsetof(struct header, names),
				      .sh_size = sizeof(h->names),
				      .sh_addralign = 1};
	for (i = 0; i < NR_WANTED; i++)
		memcpy(h->names[i + 1], wanted[i], NAME_SIZE);
}

static void fill_section(struct header *h, size_t part, uint64_t offset, uint64_t size)
{
	h->sections[2 + part] = (Elf64_Shdr){.sh_name = (part + 1) * NAME_SIZE,
					     .sh_type = SHT_PROGBITS,
					     .sh_offset = offset,
					     .sh_size = size,
					     .sh_addralign = 1};
}

static uint64_t padded(uint64_t size)
{
	return (size + 2 * PADDING) / PADDING * PADDING;
}

static int build(int fd, Elf *elf, const struct part *parts, struct elffile **ret)
{
	uint64_t size = padded(sizeof(struct header)), at = size;
	struct header *h;
	GElf_Ehdr ehdr;
	size_t i;

	for (i = 0; i < NR_WANTED; i++)
		size += parts[i].scn ? padded(parts[i].size) : 0;
	h = calloc(1, size);
	if (!h)
		return -ENOMEM;
	fill_header(h, gelf_getehdr(elf, &ehdr) ? ehdr.e_machine : EM_NONE);
	for (i = 0; i < NR_WANTED; i++) {
		const struct part *p = &parts[i];

		if (!p->scn || !p->size)
			continue;
		if (p->gnu_compressed || (p->shdr.sh_flags & SHF_COMPRESSED))
			read_compressed(p, (uint8_t *)h + at);
		else
			read_plain(fd, p, (uint8_t *)h + at);
		fill_section(h, i, at, p->size);
		at += padded(p->size);
	}
	return elffile__from_memory(h, size, ret);
}

static void cleanup_elffile(struct elffile **f)
{
	elffile__destroy(*f);
}

int dwarfimage__create(int fd, struct elffile **ret)
{
	/* Its own handle on the file, to be rid of what uncompressing takes. */
	CLEANUP(cleanup_elffile) struct elffile *f = NULL;
	struct part parts[NR_WANTED] = {0};
	const char *ident;
	struct stat st;
	uint64_t size;
	int err = elffile__open(fd, false, &f);

	if (err)
		return err == -ENOMEM ? err : -ENOENT;
	ident = elf_getident(f->elf, NULL);
	/* A process of this machine that can be traced runs nothing else. */
	if (!ident || ident[EI_CLASS] != ELFCLASS64 || ident[EI_DATA] != OWN_BYTE_ORDER)
		return -ENOENT;
	if (fstat(fd, &st))
		return -ENOENT;
	size = find_parts(f->elf, st.st_size, parts);
	if (size > MAX_BYTES)
		return -EFBIG;
	if (!parts[INFO].scn || !parts[INFO].size)
		return -ENOENT;
	err = build(fd, f->elf, parts, ret);
	return err == -ENOEXEC ? -ENOENT : err;
}

int dwarfimage__create_empty(struct elffile **ret)
{
	struct header *h = calloc(1, sizeof(*h) + PADDING);
	int err;

	if (!h)
		return -ENOMEM;
	fill_header(h, EM_NONE);
	fill_section(h, INFO, sizeof(*h), 1); /* libdw wants one byte at least */
	err = elffile__from_memory(h, sizeof(*h) + PADDING, ret);
	return err ? -ENOMEM : 0;
}

bool dwarfimage__is_needed(const struct elffile *f)
{
	struct part parts[NR_WANTED] = {0};
	size_t i;

	find_parts(f->elf, UINT64_MAX, parts);
	for (i = 0; i < NR_WANTED; i++)
		if (parts[i].gnu_compressed || (parts[i].shdr.sh_flags & SHF_COMPRESSED))
			return true;
	return !f->trusted;
}
