// SPDX-License-Identifier: GPL-2.0-or-later
/* Files of suppressions, and what they take out of a profile: no block is lost or made. */
#include <string.h>

#include "leakcheck/suppress.h"
#include "symbol/demangle.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/sample_profile.h"

static uint64_t count(const struct profile_process *process)
{
	uint64_t blocks = process->suppressed.blocks;
	int i;

	for (i = 0; i < PROFILE_VERDICTS; i++)
		blocks += process->leaks[i].blocks;
	return blocks;
}

static struct profile *make_profile(void)
{
	struct profile *p = sample_usual();
	size_t i;

	for (i = 0; i < p->entries.count; i++) {
		struct profile_entry *e = &p->entries.items[i];

		if (!e->verdict)
			e->verdict = PROFILE_VERDICT_POSSIBLE;
		p->processes.items[e->process].leaks[e->verdict].blocks += e->sum.blocks;
		p->processes.items[e->process].leaks[e->verdict].bytes += e->sum.bytes;
	}
	return p;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct suppressions *s;
	struct profile *p;
	uint64_t before;
	char path[64];

	log__set_level(LOG_LEVEL_NONE);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fuzz_file(data, size));
	REQUIRE(!suppressions__create(demangle, &s));
	if (!suppressions__load(s, path)) {
		p = make_profile();
		before = count(&p->processes.items[0]);
		suppressions__apply(s, p);
		REQUIRE(count(&p->processes.items[0]) == before);
		profile__destroy(p);
	}
	suppressions__destroy(s);
	return 0;
}
