// SPDX-License-Identifier: GPL-2.0-or-later
#include "target/object.h"

#include <errno.h>
#include <gelf.h>
#include <libelf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "util/cleanup.h"

static void cleanup_elf(Elf **elf)
{
	elf_end(*elf); /* accepts NULL */
}

static char *hex(const unsigned char *bytes, size_t n)
{
	char *s = malloc(2 * n + 1);
	size_t i;

	if (!s)
		return NULL;
	for (i = 0; i < n; i++)
		sprintf(s + 2 * i, "%02x", bytes[i]);
	s[2 * n] = 0;
	return s;
}

/* The build-id out of a note section's data, if it is there. 0 or -ENOMEM. */
static int read_build_id(Elf_Data *notes, struct object *o)
{
	size_t offset = 0, name, desc;
	GElf_Nhdr n;

	while ((offset = gelf_getnote(notes, offset, &n, &name, &desc)) > 0) {
		const unsigned char *bytes = notes->d_buf;

		if (n.n_type != NT_GNU_BUILD_ID || n.n_namesz != 4 || !n.n_descsz ||
		    n.n_descsz > 64 || memcmp(bytes + name, "GNU", 4) != 0)
			continue;
		o->build_id = hex(bytes + desc, n.n_descsz);
		return o->build_id ? 0 : -ENOMEM;
	}
	return 0;
}

static int read_segment(Elf *elf, const GElf_Phdr *ph, struct object *o)
{
	static const char musl[] = "/ld-musl-";
	Elf_Data *notes, *interpreter;

	switch (ph->p_type) {
	case PT_LOAD:
		o->segments[o->nr_segments++] = (struct object_segment){
			.offset = ph->p_offset,
			.vaddr = ph->p_vaddr,
			.filesz = ph->p_filesz,
			.memsz = ph->p_memsz,
			.executable = ph->p_flags & PF_X,
		};
		break;
	case PT_TLS:
		if (ph->p_memsz < OBJECT_MAX_TLS && ph->p_align < OBJECT_MAX_TLS)
			o->tls_size = ph->p_memsz + ph->p_align;
		break;
	case PT_INTERP:
		o->has_interpreter = true;
		interpreter = elf_getdata_rawchunk(elf, ph->p_offset, ph->p_filesz, ELF_T_BYTE);
		if (interpreter)
			o->is_musl = memmem(interpreter->d_buf, interpreter->d_size, musl,
					    sizeof(musl) - 1);
		break;
	case PT_NOTE:
		if (o->build_id)
			break;
		notes = elf_getdata_rawchunk(elf, ph->p_offset, ph->p_filesz,
					     ph->p_align == 8 ? ELF_T_NHDR8 : ELF_T_NHDR);
		if (notes)
			return read_build_id(notes, o);
		break;
	}
	return 0;
}

static int read_headers(struct object *o)
{
	CLEANUP(cleanup_elf) Elf *elf = NULL;
	GElf_Ehdr eh;
	GElf_Phdr ph;
	size_t i, n;
	int err;

	elf_version(EV_CURRENT);
	elf = elf_begin(o->fd, ELF_C_READ, NULL);
	if (!elf || elf_kind(elf) != ELF_K_ELF || !gelf_getehdr(elf, &eh) ||
	    elf_getphdrnum(elf, &n) || n > OBJECT_MAX_SEGMENTS)
		return 0;
	o->segments = calloc(n + 1, sizeof(*o->segments));
	if (!o->segments)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		if (!gelf_getphdr(elf, i, &ph))
			return 0;
		err = read_segment(elf, &ph, o);
		if (err)
			return err;
	}
	o->machine = eh.e_machine;
	o->is_64bit = eh.e_ident[EI_CLASS] == ELFCLASS64;
	return 0;
}

int object__create_unread(int fd, const char *path, struct object **ret)
{
	struct object *o = calloc(1, sizeof(*o));
	struct stat st;

	if (!o) {
		if (fd >= 0)
			close(fd);
		return -ENOMEM;
	}
	o->fd = fd;
	if (fd >= 0 && fstat(fd, &st) == 0)
		o->changed = st.st_mtim;
	o->path = strdup(path);
	if (!o->path) {
		object__destroy(o);
		return -ENOMEM;
	}
	*ret = o;
	return 0;
}

bool object__is_readable(const struct object *o)
{
	struct stat st;

	/* Reading a FIFO would wait, reading a device has effects. */
	return o->fd >= 0 && fstat(o->fd, &st) == 0 && S_ISREG(st.st_mode);
}

bool object__is_unchanged(const struct object *o)
{
	struct stat st;

	return o->fd >= 0 && fstat(o->fd, &st) == 0 && st.st_mtim.tv_sec == o->changed.tv_sec &&
	       st.st_mtim.tv_nsec == o->changed.tv_nsec;
}

void object__forget(struct object *o)
{
	free(o->build_id);
	free(o->segments);
	*o = (struct object){.fd = o->fd, .path = o->path};
}

int object__create(int fd, const char *path, struct object **ret)
{
	struct object *o;
	int err = object__create_unread(fd, path, &o);

	if (err)
		return err;
	if (object__is_readable(o))
		err = read_headers(o);
	if (err) {
		object__destroy(o);
		return err;
	}
	*ret = o;
	return 0;
}

void object__destroy(struct object *o)
{
	if (!o)
		return;
	if (o->fd >= 0)
		close(o->fd);
	free(o->path);
	free(o->build_id);
	free(o->segments);
	free(o);
}

bool object__offset_to_vaddr(const struct object *o, uint64_t offset, uint64_t *ret)
{
	size_t i;

	/* Code first: pages on the seam of two segments are mapped by both. */
	for (int code = 1; code >= 0; code--) {
		for (i = 0; i < o->nr_segments; i++) {
			const struct object_segment *s = &o->segments[i];

			if (s->executable == !!code && offset >= s->offset &&
			    offset - s->offset < s->filesz) {
				*ret = offset - s->offset + s->vaddr;
				return true;
			}
		}
	}
	*ret = offset;
	return false;
}

bool object__vaddr_to_offset(const struct object *o, uint64_t vaddr, uint64_t *ret)
{
	size_t i;

	for (i = 0; i < o->nr_segments; i++) {
		const struct object_segment *s = &o->segments[i];

		if (vaddr >= s->vaddr && vaddr - s->vaddr < s->filesz) {
			*ret = vaddr - s->vaddr + s->offset;
			return true;
		}
	}
	return false;
}
