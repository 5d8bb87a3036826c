// SPDX-License-Identifier: GPL-2.0-or-later
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdint.h>

#include <cmocka.h>

#include "sample_profile.h"

static void strings_are_one_pointer(void **state)
{
	struct profile *p = profile__create();
	char name[32];
	const char *first;
	int i;

	(void)state;
	assert_null(profile__intern(p, NULL));
	first = profile__intern(p, "name-0");
	for (i = 0; i < 10000; i++) {
		snprintf(name, sizeof(name), "name-%d", i);
		assert_string_equal(profile__intern(p, name), name);
	}
	assert_ptr_equal(profile__intern(p, "name-0"), first);
	assert_int_equal(p->strings.list.count, 10000);
	assert_string_equal(profile__intern(p, ""), "");
	profile__destroy(p);
	profile__destroy(NULL);
}

static void modules_are_told_apart(void **state)
{
	struct profile *p = profile__create();
	uint32_t a, b, c, d, e;

	(void)state;
	sample_check(profile__add_module(p, 7, "/lib/a.so", "00", &a));
	sample_check(profile__add_module(p, 7, "/other/name", NULL, &b));
	assert_int_equal(a, b);
	assert_string_equal(p->modules.items[a].path, "/lib/a.so");
	sample_check(profile__add_module(p, 8, "/lib/a.so", "00", &b));
	assert_int_not_equal(a, b);
	/* Without an id, path and build-id make the module. */
	sample_check(profile__add_module(p, PROFILE_NONE, "/lib/a.so", "00", &c));
	sample_check(profile__add_module(p, PROFILE_NONE, "/lib/a.so", NULL, &d));
	sample_check(profile__add_module(p, PROFILE_NONE, "/lib/a.so", "00", &e));
	assert_int_equal(c, e);
	assert_int_not_equal(c, d);
	assert_int_not_equal(c, a);
	profile__destroy(p);
}

static void locations_and_stacks_are_shared(void **state)
{
	struct profile *p = profile__create();
	struct profile_location location = {.module = 3, .pc = 0x1136};
	struct profile_line lines[2] = {{.symbol = "inner", .inlined = true}, {.symbol = "outer"}};
	uint32_t a, b, frames[2], s[6];

	(void)state;
	sample_check(profile__add_location(p, &location, &a));
	sample_check(profile__set_lines(p, a, lines, 2));
	sample_check(profile__add_location(p, &location, &b));
	assert_int_equal(a, b);
	assert_int_equal(p->locations.items[a].nr_lines, 2);
	assert_string_equal(p->locations.items[a].lines[1].symbol, "outer");
	location.interrupted = true;
	sample_check(profile__add_location(p, &location, &b));
	assert_int_not_equal(a, b);
	assert_int_equal(p->locations.items[b].nr_lines, 0);

	frames[0] = a;
	frames[1] = b;
	sample_check(profile__add_stack(p, frames, 2, false, false, &s[0]));
	sample_check(profile__add_stack(p, frames, 2, false, false, &s[1]));
	sample_check(profile__add_stack(p, frames, 1, false, false, &s[2]));
	sample_check(profile__add_stack(p, frames, 2, true, false, &s[3]));
	sample_check(profile__add_stack(p, frames, 2, false, true, &s[4]));
	sample_check(profile__add_stack(p, NULL, 0, false, true, &s[5]));
	assert_int_equal(s[0], s[1]);
	assert_int_equal(p->stacks.count, 5);
	assert_int_equal(p->stacks.items[s[2]].count, 1);
	assert_true(p->stacks.items[s[3]].truncated);
	assert_int_equal(p->frames.items[p->stacks.items[s[4]].first + 1], b);
	assert_int_equal(p->stacks.items[s[5]].count, 0);
	profile__destroy(p);
}

static void sort_groups_entries_by_process(void **state)
{
	struct profile *p = sample_new(1, false);
	uint32_t stack = SAMPLE_STACK(p, sample_c);
	uint32_t i;

	(void)state;
	sample_process(p, 30, "small", 1, 10);
	sample_process(p, 20, "large", 3, 300);
	sample_process(p, 10, "none", 0, 0);
	sample_process(p, 40, "also small", 1, 10);
	sample_entry(p, 0, stack, "malloc", 1, 10);
	sample_entry(p, 1, stack, "malloc", 1, 100);
	sample_entry(p, 3, stack, "malloc", 1, 10);
	sample_entry(p, 1, stack, "new", 2, 200);
	assert_int_equal(profile__sort(p, PROFILE_SORT_BYTES), 0);

	assert_int_equal(p->processes.items[0].pid, 20);
	assert_int_equal(p->processes.items[1].pid, 30);
	assert_int_equal(p->processes.items[2].pid, 40);
	assert_int_equal(p->processes.items[3].pid, 10);
	assert_int_equal(p->processes.items[0].nr_entries, 2);
	assert_int_equal(p->processes.items[1].nr_entries, 1);
	assert_int_equal(p->processes.items[3].nr_entries, 0);
	for (i = 0; i < p->entries.count; i++) {
		const struct profile_process *process =
			&p->processes.items[p->entries.items[i].process];

		assert_true(i >= process->first_entry);
		assert_true(i < process->first_entry + process->nr_entries);
	}
	assert_int_equal(p->entries.items[0].sum.bytes, 200);
	assert_int_equal(p->entries.items[1].sum.bytes, 100);
	/* Sorting what is sorted changes nothing. */
	assert_int_equal(profile__sort(p, PROFILE_SORT_BYTES), 0);
	assert_int_equal(p->processes.items[0].nr_entries, 2);
	assert_int_equal(p->entries.items[0].sum.bytes, 200);
	profile__destroy(p);
}

static void every_order_has_its_first(void **state)
{
	static const struct {
		enum profile_sort order;
		const char *first;
	} rows[] = {
		{PROFILE_SORT_BYTES, "bytes"},
		{PROFILE_SORT_BLOCKS, "blocks"},
		{PROFILE_SORT_GROWTH, "growth"},
		{PROFILE_SORT_AGE, "age"},
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct profile *p = sample_new(1, false);
		uint32_t process = sample_process(p, 1, "p", 4, 4);
		uint32_t stack = SAMPLE_STACK(p, sample_c);

		/* growth is bytes / 5 unless said */
		sample_entry(p, process, stack, "blocks", 1000, 10);
		sample_entry(p, process, stack, "bytes", 1, 5000);
		sample_entry(p, process, stack, "growth", 1, 20)->growth_bytes_per_s = 1e9;
		sample_entry(p, process, stack, "age", 1, 30)->oldest_ms = 1e9;
		assert_int_equal(profile__sort(p, rows[i].order), 0);
		assert_string_equal(p->entries.items[0].family, rows[i].first);
		profile__destroy(p);
	}
}

static void sums_above_2_to_the_53_are_ordered(void **state)
{
	struct profile *p = sample_new(1, false);
	uint32_t process = sample_process(p, 1, "p", 2, 1);
	uint32_t stack = SAMPLE_STACK(p, sample_c);

	(void)state;
	sample_entry(p, process, stack, "less", 9, (UINT64_C(1) << 60) + 1);
	sample_entry(p, process, stack, "more", 1, (UINT64_C(1) << 60) + 2);
	assert_int_equal(profile__sort(p, PROFILE_SORT_BYTES), 0);
	assert_string_equal(p->entries.items[0].family, "more");
	profile__destroy(p);
}

static void empty_ones_sort(void **state)
{
	struct profile *p = sample_new(1, false);

	(void)state;
	assert_int_equal(profile__sort(p, PROFILE_SORT_BYTES), 0);
	sample_process(p, 1, "p", 0, 0);
	assert_int_equal(profile__sort(p, PROFILE_SORT_AGE), 0);
	assert_int_equal(p->processes.items[0].nr_entries, 0);
	profile__destroy(p);
}

static void verdicts_have_names(void **state)
{
	(void)state;
	assert_null(profile__verdict_name(PROFILE_VERDICT_NONE));
	assert_string_equal(profile__verdict_name(PROFILE_VERDICT_DEFINITE), "definite");
	assert_string_equal(profile__verdict_name(PROFILE_VERDICT_INDIRECT), "indirect");
	assert_string_equal(profile__verdict_name(PROFILE_VERDICT_POSSIBLE), "possible");
	assert_string_equal(profile__verdict_name(PROFILE_VERDICT_REACHABLE), "reachable");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strings_are_one_pointer),
		cmocka_unit_test(modules_are_told_apart),
		cmocka_unit_test(locations_and_stacks_are_shared),
		cmocka_unit_test(sort_groups_entries_by_process),
		cmocka_unit_test(every_order_has_its_first),
		cmocka_unit_test(sums_above_2_to_the_53_are_ordered),
		cmocka_unit_test(empty_ones_sort),
		cmocka_unit_test(verdicts_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
