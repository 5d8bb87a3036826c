// SPDX-License-Identifier: GPL-2.0-or-later
#include "symbol/emptyelf.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

struct empty_elf {
	Elf64_Ehdr header;
	Elf64_Shdr sections[3];
	char names[32];
	char info[8];
};

int emptyelf__create(struct elffile **ret)
{
	static const struct empty_elf empty = {
		.header = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64,
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
				       ELFDATA2LSB,
#else
				       ELFDATA2MSB,
#endif
				       EV_CURRENT},
			   .e_type = ET_REL,
			   .e_version = EV_CURRENT,
			   .e_shoff = offsetof(struct empty_elf, sections),
			   .e_ehsize = sizeof(Elf64_Ehdr),
			   .e_shentsize = sizeof(Elf64_Shdr),
			   .e_shnum = 3,
			   .e_shstrndx = 1},
		.sections = {[1] = {.sh_name = 1,
				    .sh_type = SHT_STRTAB,
				    .sh_offset = offsetof(struct empty_elf, names),
				    .sh_size = sizeof(empty.names),
				    .sh_addralign = 1},
			     [2] = {.sh_name = 11,
				    .sh_type = SHT_PROGBITS,
				    .sh_offset = offsetof(struct empty_elf, info),
				    .sh_size = 1,
				    .sh_addralign = 1}},
		.names = "\0.shstrtab\0.debug_info",
	};
	struct empty_elf *copy = malloc(sizeof(*copy));
	int err;

	if (!copy)
		return -ENOMEM;
	*copy = empty;
	err = elffile__from_memory(copy, sizeof(*copy), ret);
	return err ? -ENOMEM : 0;
}
