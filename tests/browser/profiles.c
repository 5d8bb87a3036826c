// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * profiles WHICH FILE.pb.gz: write one of the profiles that the tests of the HTML page open.
 */
#include <math.h>
#include <stdio.h>

#include "profile/pprof.h"
#include "tests/unit/sample_profile.h"
#include "util/cleanup.h"

static void add_history(struct profile *p, struct profile_history *ret, uint64_t bytes)
{
	uint32_t i;

	ret->first = p->points.count;
	for (i = 1; i <= 40; i++)
		sample_check(
			vector_push(&p->points, (struct profile_point){i * 5.0, bytes * i / 40}));
	ret->count = 40;
}

static void add_site(struct profile *p, const struct profile_entry *e)
{
	struct profile_site site = {
		.process = e->process, .stack = e->stack, .family = e->family, .allocs = e->sum};

	add_history(p, &site.history, e->sum.bytes);
	sample_check(vector_push(&p->sites, site));
}

/* Of the process's first block and of what is none. */
static void add_wrong_frees(struct profile *p)
{
	uint32_t stack = SAMPLE_STACK(p, sample_c);
	struct profile_wrong_free f = {
		.kind = PROFILE_WRONG_SIZE,
		.count = 3,
		.addr = 0x1000,
		.bytes = 64,
		.type = profile__intern(p, "Derived"),
		.alloc_family = profile__intern(p, "new"),
		.free_family = profile__intern(p, "delete"),
		.deleted_bytes = 16,
		.alloc_stack = p->entries.items[0].stack,
		.free_stack = stack,
		.first_free = PROFILE_NONE,
	};

	p->diagnosed = true;
	sample_check(vector_push(&p->wrong_frees, f));
	f = (struct profile_wrong_free){
		.process = 1,
		.kind = PROFILE_WRONG_POINTER,
		.count = 1,
		.addr = 0x10,
		.free_family = profile__intern(p, "free"),
		.alloc_stack = PROFILE_NONE,
		.free_stack = stack,
		.first_free = PROFILE_NONE,
	};
	sample_check(vector_push(&p->wrong_frees, f));
}

/* Two processes, all verdicts, types, a history, wrong frees. */
static struct profile *usual(void)
{
	struct profile *p = sample_usual();
	uint32_t other = sample_process(p, 77, "other", 3, 70000);
	struct profile_entry *e;
	size_t i;

	for (i = 0; i < p->processes.count; i++) {
		struct profile_process *process = &p->processes.items[i];

		process->checked = true;
		process->leaks[i ? PROFILE_VERDICT_REACHABLE : PROFILE_VERDICT_DEFINITE] =
			process->outstanding;
		process->peak_at_s = 199;
	}
	e = sample_entry(p, other, SAMPLE_STACK(p, sample_c), "malloc", 3, 70000);
	e->verdict = PROFILE_VERDICT_REACHABLE;
	p->entries.items[1].verdict = PROFILE_VERDICT_POSSIBLE;
	p->entries.items[2].verdict = PROFILE_VERDICT_INDIRECT;
	p->entries.items[0].trend = PROFILE_TREND_GROWS;
	p->entries.items[0].trend_since_ms = p->time_ms - 60000;
	p->elapsed_s = 200;
	add_wrong_frees(p);
	for (i = 0; i < p->entries.count; i++)
		add_site(p, &p->entries.items[i]);
	for (i = 0; i < p->processes.count; i++)
		add_history(p, &p->processes.items[i].history,
			    p->processes.items[i].outstanding.bytes);
	return p;
}

/* The same program later, started anew: one stack has grown, one shrunk, one is new. */
static struct profile *later(void)
{
	struct profile *p = usual();

	p->time_ms += 60000;
	p->processes.items[0].pid = 5151;
	p->entries.items[0].sum = (struct profile_sum){80, 5242880};
	p->entries.items[1].sum.bytes += 2000000;
	p->entries.items[1].sum.blocks += 500;
	sample_entry(p, 0, SAMPLE_STACK(p, sample_c), "new", 7, 300000);
	return p;
}

/* The names that would do something if anybody believed them. */
static struct profile *hostile(void)
{
	static char longest[10001];
	const struct sample_frame frames[] = {
		{"<script>alert(1)</script>", 1, "</script><script>alert(2)</script>", 7,
		 "/tmp/<img src=x onerror=alert(3)>", 0x10, 0},
		{"\"'`${alert(4)}`'\"&lt;&amp;<!--", 1, "--><!-- <svg onload=alert(5)>", 1, "a&b",
		 0x20, 0},
		{"line\xe2\x80\xa8separator\033[2J\r\n\xe2\x80\xaereversed", 1, "a\tb", 2, "]]>",
		 0x30, 0},
		{longest, 2, longest, 3, longest, 0x40, 0},
		{"__proto__", 0, "constructor", 0, "hasOwnProperty", 0x50, 0},
		{NULL, 0, NULL, 0, "<b>nameless</b>", 0x60, 0},
	};
	struct profile *p = sample_hostile();
	uint32_t process = sample_process(p, 1, "<script>alert(6)", 9, 90000);
	struct profile_entry *e;

	memset(longest, 'T', sizeof(longest) - 1);
	memcpy(longest, "std::map<", 9);
	memcpy(longest + sizeof(longest) - 5, ">end", 4);
	e = sample_entry(p, process, SAMPLE_STACK(p, frames), "</script>", 9, 90000);
	e->type = profile__intern(p, "<iframe src=javascript:alert(7)>");
	return p;
}

/* @n stacks of twenty frames, as a large program has them. */
static struct profile *many(uint32_t n)
{
	struct profile *p = sample_new(9, true);
	uint32_t process = sample_process(p, 4242, "large", n, 0);
	char symbol[80], file[40];
	uint64_t seed = 42;
	uint32_t i, k;

	for (i = 0; i < n; i++) {
		struct sample_frame frames[20];
		uint32_t stack;

		for (k = 0; k < ARRAY_SIZE(frames); k++) {
			/* Outer frames are shared by many stacks, inner ones by few. */
			uint64_t spread = k > 14 ? 1 : k > 10 ? 8 : k > 5 ? 60 : 4000;

			seed = seed * 6364136223846793005 + 1442695040888963407;
			seed ^= seed >> 29;
			snprintf(symbol, sizeof(symbol), "layer%u::Class<Argument%u>::method(int)",
				 k, (unsigned int)(seed % spread));
			snprintf(file, sizeof(file), "/src/layer%u.cc", k);
			frames[k] = (struct sample_frame){
				.symbol = profile__intern(p, symbol),
				.offset = 16,
				.file = profile__intern(p, file),
				.line = 1 + seed % spread,
				.module = k % 3 ? "/usr/lib/large.so" : "/usr/bin/large",
				.pc = 0x1000 * (k + 1) * 100 + seed % spread * 16,
			};
		}
		stack = SAMPLE_STACK(p, frames);
		sample_entry(p, process, stack, "malloc", 1 + i % 100,
			     100000000 / (i + 1) + i % 977);
		p->processes.items[0].outstanding.bytes += p->entries.items[i].sum.bytes;
	}
	return p;
}

int main(int argc, char **argv)
{
	CLEANUP_FCLOSE FILE *out = argc == 3 ? fopen(argv[2], "we") : NULL;
	struct profile *p = NULL;
	int err;

	if (out && strcmp(argv[1], "usual") == 0)
		p = usual();
	else if (out && strcmp(argv[1], "later") == 0)
		p = later();
	else if (out && strcmp(argv[1], "hostile") == 0)
		p = hostile();
	else if (out && strcmp(argv[1], "many") == 0)
		p = many(50000);
	if (!p) {
		fprintf(stderr, "usage: profiles usual|later|hostile|many FILE.pb.gz\n");
		return 2;
	}
	sample_check(profile__sort(p, PROFILE_SORT_BYTES));
	err = pprof__write(p, out);
	profile__destroy(p);
	return err ? 1 : 0;
}
