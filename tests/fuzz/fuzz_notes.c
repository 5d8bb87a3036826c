// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libFuzzer's entry to the parser of probe notes. Bytes are taken for a section of notes; for the
 * arguments of a note; and, behind a file's header, for an ELF file.
 */
#include <elf.h>
#include <string.h>

#include "target/notes.h"
#include "tests/fuzz/fuzz.h"

static bool is_within(const uint8_t *data, size_t size, const char *text)
{
	const uint8_t *at = (const uint8_t *)text;

	return at >= data && at < data + size && memchr(at, 0, data + size - at);
}

static void parse_arguments(uint16_t machine, const char *text)
{
	struct memleak_argument a;
	size_t words = machine == EM_X86_64 ? 21 : 34; /* of struct pt_regs */

	while (notes__parse_argument(machine, &text, &a)) {
		REQUIRE(a.kind > MEMLEAK_ARGUMENT_NONE && a.kind <= MEMLEAK_ARGUMENT_MEMORY);
		REQUIRE(a.base < words && (a.index < words || a.index == 0xff) && a.scale < 4);
		REQUIRE(a.bits == 8 || a.bits == 16 || a.bits == 32 || a.bits == 64);
	}
}

static void parse_section(const uint8_t *data, size_t size)
{
	struct notes_note n;
	size_t at = 0, before = 0;

	while (notes__next(data, size, &at, &n)) {
		REQUIRE(at > before);
		before = at;
		REQUIRE(is_within(data, size, n.provider) && is_within(data, size, n.name) &&
			is_within(data, size, n.arguments));
		parse_arguments(EM_X86_64, n.arguments);
		parse_arguments(EM_AARCH64, n.arguments);
	}
}

static void read_file(const uint8_t *data, size_t size)
{
	int fd = dup(fuzz_file(data, size));
	struct object *o;
	notes_sites sites = {0};
	uint64_t at;
	Elf *elf;
	size_t i;

	REQUIRE(fd >= 0);
	REQUIRE(!object__create(fd, "fuzz", &o));
	elf = elf_begin(o->fd, ELF_C_READ, NULL);
	if (elf)
		REQUIRE(!notes__read(o, elf, &sites));
	for (i = 0; i < sites.count; i++)
		notes__place(o, &sites.items[i], i % 3, &at);
	elf_end(elf);
	vector_release(&sites);
	object__destroy(o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size);

	log__set_level(LOG_LEVEL_ERROR);
	parse_arguments(EM_X86_64, text);
	parse_arguments(EM_AARCH64, text);
	free(text);
	parse_section(data, size);
	read_file(data, size);
	return 0;
}
