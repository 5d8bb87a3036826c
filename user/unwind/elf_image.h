/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_UNWIND_ELF_IMAGE_H
#define MEMLEAK_UNWIND_ELF_IMAGE_H

/*
 * Just enough of an ELF file to find its call frame information: 64 bits, little endian,
 * executables and shared objects. The file is read, never mapped: who owns it can truncate it at
 * any time, and a mapping would then end this process with SIGBUS.
 */

#include <stddef.h>
#include <stdint.h>

struct elf_image;

/* A stretch of the image with its address; `data` is the holder's to free. */
struct elf_bytes {
	uint8_t *data;
	size_t size;
	uint64_t addr;
};

void elf_bytes__release(struct elf_bytes *b);

/* No section larger than this is read, compressed or not. */
#define ELF_SECTION_LIMIT (256UL << 20)

/*
 * Open the file @fd, or, where it is -1, the @size bytes at @memory; both stay the caller's and
 * must outlive the image. 0, -ENOMEM, -ENOEXEC (no such ELF file, or damaged), -errno of a read.
 */
int elf_image__create(int fd, const void *memory, size_t size, struct elf_image **ret);
void elf_image__destroy(struct elf_image *e);

/* e_machine */
uint16_t elf_image__machine(const struct elf_image *e);

/*
 * Read the section @name, decompressed: SHF_COMPRESSED with zlib, or, for a name that begins with
 * ".debug_", GNU's older ".zdebug_". 0, -ENOENT (not there), -ENODATA (without contents: a separate
 * debug file), -ENOMEM, -ENOEXEC (damaged), -ENOTSUP (another compression), -EFBIG, -errno of a
 * read.
 */
int elf_image__section(const struct elf_image *e, const char *name, struct elf_bytes *ret);

/*
 * Read the segment of the type PT_GNU_EH_FRAME (LSB 5.0 Core, 10.6.2). Errors as of
 * elf_image__section().
 */
int elf_image__eh_frame_hdr(const struct elf_image *e, struct elf_bytes *ret);

/* Read from address @addr to the end of the loaded segment that holds it. Errors as above. */
int elf_image__from_address(const struct elf_image *e, uint64_t addr, struct elf_bytes *ret);

/* Segments that reach beyond this place in the file are ignored. */
#define ELF_OFFSET_LIMIT (1ULL << 47)

/* Code: an executable segment, or the part of it that lies in the file. */
struct elf_code {
	uint64_t addr;
	uint64_t offset; /* in the file */
	uint64_t size;	 /* not 0; addr + size does not wrap */
};

/* The image's code, which it keeps; at most 64 segments. */
const struct elf_code *elf_image__code(const struct elf_image *e, size_t *nr);

#endif
