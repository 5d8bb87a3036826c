/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_TESTS_SAMPLE_PROFILE_H
#define MEMLEAK_TESTS_SAMPLE_PROFILE_H

/* Profiles for the tests of the reporters, made by hand. Without memory they abort. */

#include <stdlib.h>
#include <string.h>

#include "profile/profile.h"

#define SAMPLE_TIME_MS 1795389600123 /* 2026-11-22T23:20:00.123Z */

/* One function at an address. A frame with `inlined` set is at the address of the next one. */
struct sample_frame {
	const char *symbol;
	uint64_t offset;
	const char *file;
	uint32_t line;
	const char *module;
	uint64_t pc;
	bool inlined;
};

static inline void sample_check(int err)
{
	if (err)
		abort();
}

static inline struct profile *sample_new(uint64_t seq, bool final)
{
	struct profile *p = profile__create();

	if (!p)
		abort();
	p->time_ms = SAMPLE_TIME_MS;
	p->seq = seq;
	p->final = final;
	p->elapsed_s = 5.0021 * seq;
	return p;
}

/* Index of a process that holds @blocks of @bytes altogether. */
static inline uint32_t sample_process(struct profile *p, uint32_t pid, const char *comm,
				      uint64_t blocks, uint64_t bytes)
{
	struct profile_process process = {
		.pid = pid,
		.comm = profile__intern(p, comm),
		.exe = profile__intern(p, "/usr/bin/app"),
		.running = true,
		.allocs = blocks + 904,
		.frees = 904,
		.alloc_bytes = bytes + 123456,
		.outstanding = {blocks, bytes},
		.peak_bytes = bytes + 4096,
		.peak_at_s = 1.7,
	};

	sample_check(vector_push(&p->processes, process));
	return p->processes.count - 1;
}

/* Index of the stack of @nr frames. */
static inline uint32_t sample_stack(struct profile *p, const struct sample_frame *frames, size_t nr)
{
	struct profile_line lines[64];
	uint32_t locations[256], stack, nr_locations = 0, nr_lines = 0;
	size_t i;

	for (i = 0; i < nr; i++) {
		const struct sample_frame *f = &frames[i];
		struct profile_location location = {.pc = f->pc};

		lines[nr_lines++] = (struct profile_line){
			.symbol = profile__intern(p, f->symbol),
			.offset = f->offset,
			.file = profile__intern(p, f->file),
			.line = f->line,
			.inlined = f->inlined,
		};
		if (f->inlined)
			continue;
		sample_check(profile__add_module(
			p, PROFILE_NONE, f->module,
			strcmp(f->module, "/usr/bin/app") ? NULL : "9f86d0", &location.module));
		sample_check(profile__add_location(p, &location, &locations[nr_locations]));
		sample_check(profile__set_lines(p, locations[nr_locations], lines, nr_lines));
		nr_locations++;
		nr_lines = 0;
	}
	sample_check(profile__add_stack(p, locations, nr_locations, false, false, &stack));
	return stack;
}

/* The entry added, until the next one is. */
static inline struct profile_entry *sample_entry(struct profile *p, uint32_t process,
						 uint32_t stack, const char *family,
						 uint64_t blocks, uint64_t bytes)
{
	struct profile_entry e = {
		.process = process,
		.stack = stack,
		.family = profile__intern(p, family),
		.sum = {blocks, bytes},
		.growth_bytes_per_s = bytes / 5.0,
		.oldest_ms = 4800,
		.newest_ms = 510,
	};

	sample_check(vector_push(&p->entries, e));
	return &p->entries.items[p->entries.count - 1];
}

static const struct sample_frame sample_python[] = {
	{"_PyObject_Malloc", 0x5c, "obmalloc.c", 1974, "/usr/lib/libpython3.11.so.1.0", 0x16b2dc,
	 0},
	{"PyObject_Malloc", 0, "obmalloc.c", 712, "/usr/lib/libpython3.11.so.1.0", 0x16b3a0, true},
	{"list_resize", 0x8f, "./Objects/listobject.c", 75, "/usr/lib/libpython3.11.so.1.0",
	 0x16b3a0, 0},
	{"_PyEval_EvalFrameDefault", 0x4d21, "./Python/ceval.c", 5379,
	 "/usr/lib/libpython3.11.so.1.0", 0x1bd1c1, 0},
	{"Py_RunMain", 0x5b3, "./Modules/main.c", 680, "/usr/lib/libpython3.11.so.1.0", 0x24c103,
	 0},
	{"main", 0x2a, NULL, 0, "/usr/bin/python3.11", 0x104a, 0},
	{"__libc_start_call_main", 0x78, NULL, 0, "/usr/lib/x86_64-linux-gnu/libc.so.6", 0x271c8,
	 0},
	{NULL, 0, NULL, 0, "/usr/bin/python3.11", 0x1165, 0},
};

static const struct sample_frame sample_cxx[] = {
	{"std::__new_allocator<Session>::allocate(unsigned long, void const*)", 0,
	 "/usr/include/c++/12/bits/new_allocator.h", 137, "/usr/bin/app", 0x4f21, true},
	{"std::vector<Session, std::allocator<Session> >::_M_realloc_insert<Session const&>", 0x71,
	 "/usr/include/c++/12/bits/vector.tcc", 459, "/usr/bin/app", 0x4f21, 0},
	{"Server::accept(int)", 0x1a, "/home/u/app/server.cc", 88, "/usr/bin/app", 0x3c9a, 0},
	{"main", 0x131, "/home/u/app/main.cc", 31, "/usr/bin/app", 0x2341, 0},
	{"_start", 0x25, NULL, 0, "/usr/bin/app", 0x1165, 0},
};

static const struct sample_frame sample_c[] = {
	{"func", 0x1a, "/home/u/leak.c", 4, "/usr/bin/app", 0x1136, 0},
	{"main", 0xe, "/home/u/leak.c", 11, "/usr/bin/app", 0x1150, 0},
};

#define SAMPLE_STACK(p, frames) sample_stack((p), (frames), sizeof(frames) / sizeof((frames)[0]))

/* One process, three stacks, everything a periodic report can show. */
static inline struct profile *sample_usual(void)
{
	struct profile *p = sample_new(2, false);
	uint32_t app = sample_process(p, 4242, "app", 1108, 6300000);
	struct profile_entry *e;

	p->processes.items[app].growth_bytes = 1258291;
	p->processes.items[app].mmap = (struct profile_sum){2, 135168};
	e = sample_entry(p, app, SAMPLE_STACK(p, sample_cxx), "new", 96, 6291456);
	e->verdict = PROFILE_VERDICT_DEFINITE;
	e->type = profile__intern(p, "Session");
	e->cycle = true;
	e->cycle_classes = profile__intern(p, "Session, User");
	e = sample_entry(p, app, SAMPLE_STACK(p, sample_python), "malloc", 1011, 8534);
	e->growth_bytes_per_s = -20.5;
	e->oldest_ms = 725000;
	e = sample_entry(p, app, SAMPLE_STACK(p, sample_c), "malloc", 1, 10);
	e->growth_bytes_per_s = 0;
	sample_check(profile__sort(p, PROFILE_SORT_BYTES));
	return p;
}

/* A command that has ended, with one leak. */
static inline struct profile *sample_final(void)
{
	struct profile *p = sample_new(1, true);
	uint32_t app = sample_process(p, 4242, "leak", 1, 10);
	struct profile_process *process = &p->processes.items[app];

	process->running = false;
	process->allocs = 1;
	process->frees = 0;
	process->alloc_bytes = process->peak_bytes = 10;
	process->peak_at_s = 0.21;
	sample_entry(p, app, SAMPLE_STACK(p, sample_c), "malloc", 1, 10)->growth_bytes_per_s = 0;
	sample_check(profile__sort(p, PROFILE_SORT_BYTES));
	return p;
}

/* @n processes; every seventh has ended. */
static inline struct profile *sample_many(uint32_t n, uint64_t seq, bool final)
{
	struct profile *p = sample_new(seq, final);
	uint32_t stack = SAMPLE_STACK(p, sample_c);
	char comm[16];
	uint32_t i;

	for (i = 0; i < n; i++) {
		strcpy(comm, "worker-000");
		comm[7] += i / 100 % 10;
		comm[8] += i / 10 % 10;
		comm[9] += i % 10;
		sample_process(p, 1000 + i, comm, n - i, (uint64_t)(n - i) * 70000);
		p->processes.items[i].running = i % 7 != 6;
		p->processes.items[i].growth_bytes = 5000 - 1000 * (int64_t)i;
		sample_entry(p, i, stack, "malloc", n - i, (uint64_t)(n - i) * 70000);
	}
	sample_check(profile__sort(p, PROFILE_SORT_BYTES));
	return p;
}

/* Names that no terminal and no parser should believe. */
static inline struct profile *sample_hostile(void)
{
	static char longest[10001];
	const struct sample_frame frames[] = {
		{"evil\033[2J\033]0;owned\007\r\n[12:00:00] fake[1]: 0 B", 1, "a\tb\x7f.c", 7,
		 "/tmp/\xff\xfe\xc0\x80\xed\xa0\x80 \xf4\x90\x80\x80 (deleted)", 0x10, 0},
		{"caf\xc3\xa9::\xe2\x80\xaereversed \xc2\x9b"
		 "31m",
		 UINT64_MAX, "dir/", UINT32_MAX, "\xe6\xbc\xa2\xe5\xad\x97", UINT64_MAX, 0},
		{longest, 2, longest, 3, longest, 0x30, 0},
		{"", 0, "", 0, "", 0, 0},
		{NULL, 0, NULL, 0, "\xf0\x9f\x90\x9b\xf0\x9f", 0x50, 0},
	};
	struct profile *p = sample_new(UINT64_MAX, false);
	uint32_t process = sample_process(p, UINT32_MAX, "\"\\/\b\xe2\x82", 0, 0);
	struct profile_entry *e;

	memset(longest, 'x', sizeof(longest) - 1);
	p->elapsed_s = 1e300;
	p->sampling = PROFILE_SAMPLE_BYTES;
	p->sampling_value = UINT64_MAX;
	p->processes.items[process].exe = NULL;
	p->processes.items[process].allocs = UINT64_MAX;
	p->processes.items[process].outstanding = (struct profile_sum){UINT64_MAX, UINT64_MAX};
	p->processes.items[process].growth_bytes = INT64_MIN;
	p->processes.items[process].peak_at_s = -__builtin_inf();
	p->losses =
		(struct profile_losses){1, 2, 3, 4, 5, UINT64_MAX, 7, 8, 0, 9, 10, 11, 12, 1e300};
	e = sample_entry(p, process, SAMPLE_STACK(p, frames), "fam\nily\xff", UINT64_MAX,
			 UINT64_MAX);
	e->growth_bytes_per_s = __builtin_nan("");
	e->oldest_ms = __builtin_inf();
	e->newest_ms = -1;
	e->type = profile__intern(p, "T\033c");
	/* Blocks without a stack, and a walk that found nothing. */
	sample_entry(p, process, PROFILE_NONE, "new[]", 2, 20);
	sample_entry(p, process, 0, "mmap", 1, 4096);
	sample_check(profile__sort(p, PROFILE_SORT_BYTES));
	return p;
}

#endif
