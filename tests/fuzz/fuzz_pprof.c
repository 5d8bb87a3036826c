// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libFuzzer's entry to the reader of saved profiles. What it takes must print in every form, and be
 * fit to be saved, filtered and compared with itself, to which there is no difference.
 */
#include "profile/filter.h"
#include "profile/pprof.h"
#include "report/diff.h"
#include "report/report.h"
#include "tests/fuzz/fuzz.h"

static void print(struct profile *p, FILE *out)
{
	const struct report_options all = {
		.top = UINT64_MAX, .show_allocs = true, .heap_summary = true};

	REQUIRE(!profile__sort(p, PROFILE_SORT_BYTES));
	REQUIRE(!report__text(p, &all, out));
	REQUIRE(!report__json(p, &all, out));
	REQUIRE(!report__folded(p, &all, out));
	REQUIRE(!report__svg(p, &all, out));
	REQUIRE(!report__html(p, &all, out));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static FILE *null;
	struct profile *p, *diff;

	if (!null)
		null = fopen("/dev/null", "w");
	REQUIRE(null);
	if (pprof__parse(data, size, &p))
		return 0;
	print(p, null);
	REQUIRE(!pprof__write(p, null));
	REQUIRE(!diff__create(p, p, &diff));
	REQUIRE(!diff->entries.count && !diff->sites.count);
	print(diff, null);
	REQUIRE(!filter__stacks(p, "a.*b", "x$"));
	print(p, null);
	profile__destroy(diff);
	profile__destroy(p);
	return 0;
}
