// SPDX-License-Identifier: GPL-2.0-or-later
/* Files of suppressions, by way of the helper's answer, and what they take out of a profile: no
 * block is lost or made. */
#include <string.h>

#include "leakcheck/suppress.h"
#include "leakcheck/suppress_list.h"
#include "sandbox/wire.h"
#include "symbol/demangle.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/sample_profile.h"
#include "util/cleanup.h"

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
	CLEANUP(wire__release) struct wire request = {0}, reply = {0};
	CLEANUP(suppressions__release) struct suppressions s = {0};
	enum suppress_fault fault;
	struct profile *p;
	unsigned int line;
	uint64_t before;

	wire__put_number(&request, size);
	wire__put(&request, data, size);
	REQUIRE(!suppressions__serve(demangle, &request, &reply));
	if (suppressions__get(&reply, &s, &fault, &line)) {
		REQUIRE(fault && *suppress_text__describe(fault));
		return 0;
	}
	REQUIRE(!fault && reply.at == reply.size);
	p = make_profile();
	before = count(&p->processes.items[0]);
	suppressions__apply(&s, p);
	REQUIRE(count(&p->processes.items[0]) == before);
	profile__destroy(p);
	return 0;
}
