// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A file of the target: its headers, its allocation functions and where they return, its symbols,
 * its lines. Addresses are looked up from its entry point on.
 */
#include <elf.h>
#include <fcntl.h>
#include <string.h>

#include "symbol/symbol.h"
#include "target/allocator.h"
#include "tests/fuzz/fuzz.h"

#define NR_ADDRESSES 24
#define STRIDE	     5

static int locate(void *context, uint32_t id, struct symbol_source *ret)
{
	*ret = (struct symbol_source){.fd = *(int *)context, .path = "/nowhere/fuzz"};
	return id ? -1 : 0;
}

static void find_allocator(int fd)
{
	const struct allocator_search search = {.prefix = NULL};
	struct allocator a = {0};
	struct object *o;
	size_t i;

	REQUIRE(!object__create(fcntl(fd, F_DUPFD_CLOEXEC, 0), "/nowhere/fuzz", &o));
	REQUIRE(!allocator__find(o, &search, &a));
	for (i = 0; i < a.functions.count; i++)
		REQUIRE(a.functions.items[i].name);
	allocator__release(&a);
	object__destroy(o);
}

static struct profile *make_profile(uint64_t first)
{
	struct profile *p = profile__create();
	uint32_t stack, frames[NR_ADDRESSES], i;
	struct profile_location l = {0};

	REQUIRE(p && !profile__add_module(p, 0, "/nowhere/fuzz", NULL, &l.module));
	for (i = 0; i < NR_ADDRESSES; i++) {
		l.pc = first + STRIDE * i;
		REQUIRE(!profile__add_location(p, &l, &frames[i]));
	}
	REQUIRE(!profile__add_stack(p, frames, NR_ADDRESSES, false, false, &stack));
	REQUIRE(!vector_push(&p->processes, (struct profile_process){.comm = "x"}));
	REQUIRE(!vector_push(&p->entries, (struct profile_entry){.stack = stack}));
	REQUIRE(!profile__sort(p, PROFILE_SORT_BYTES));
	return p;
}

static void look_up(int fd, uint64_t first)
{
	struct symbolizer_options options = {0};
	struct profile *p = make_profile(first);
	struct symbolizer *s;
	size_t i;

	REQUIRE(!symbolizer__create(&options, locate, &fd, &s));
	REQUIRE(!symbolizer__resolve(s, p, UINT64_MAX, PROFILE_ALL_KINDS));
	for (i = 0; i < p->locations.count; i++)
		REQUIRE(p->locations.items[i].nr_lines);
	symbolizer__destroy(s);
	profile__destroy(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Elf64_Ehdr header = {0};
	int fd;

	log__set_level(LOG_LEVEL_NONE);
	if (size >= sizeof(header))
		memcpy(&header, data, sizeof(header));
	fd = fuzz_file(data, size);
	find_allocator(fd);
	look_up(fd, header.e_entry);
	return 0;
}
