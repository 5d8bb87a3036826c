// SPDX-License-Identifier: GPL-2.0-or-later
#include "profile/filter.h"

#include <regex.h>

#include "util/cleanup.h"

#define FLAGS (REG_EXTENDED | REG_NOSUB)

int filter__check(const char *regex, char *why, size_t size)
{
	regex_t compiled;
	int err = regcomp(&compiled, regex, FLAGS);

	if (err) {
		regerror(err, &compiled, why, size);
		return err == REG_ESPACE ? -ENOMEM : -EINVAL;
	}
	regfree(&compiled);
	return 0;
}

struct filter {
	regex_t regex;
	bool no_memory; /* a match was not to be had: what it said is wrong */
};

static bool matches(struct filter *f, const char *text)
{
	int result = text ? regexec(&f->regex, text, 0, NULL, 0) : REG_NOMATCH;

	f->no_memory |= result == REG_ESPACE;
	return !result;
}

static bool location_matches(const struct profile *p, const struct profile_location *l,
			     struct filter *f)
{
	uint32_t i;

	if (l->module < p->modules.count && matches(f, p->modules.items[l->module].path))
		return true;
	for (i = 0; i < l->nr_lines; i++)
		if (matches(f, l->lines[i].symbol) || matches(f, l->lines[i].file))
			return true;
	return false;
}

static bool stack_matches(const struct profile *p, uint32_t index, const bool *matching)
{
	const struct profile_stack *s = index < p->stacks.count ? &p->stacks.items[index] : NULL;
	uint32_t i;

	for (i = 0; s && i < s->count; i++)
		if (matching[p->frames.items[s->first + i]])
			return true;
	return false;
}

/* Keep the entries whose stack matches, or, not @wanted, the others. */
static int keep(struct profile *p, const char *text, bool wanted)
{
	CLEANUP_FREE bool *matching = calloc(p->locations.count + 1, sizeof(*matching));
	struct filter f = {0};
	size_t i, n = 0;

	if (!matching || regcomp(&f.regex, text, FLAGS))
		return -ENOMEM;
	for (i = 0; i < p->locations.count; i++)
		matching[i] = location_matches(p, &p->locations.items[i], &f);
	regfree(&f.regex);
	if (f.no_memory)
		return -ENOMEM;
	for (i = 0; i < p->entries.count; i++)
		if (stack_matches(p, p->entries.items[i].stack, matching) == wanted)
			p->entries.items[n++] = p->entries.items[i];
	p->entries.count = n;
	return 0;
}

int filter__stacks(struct profile *p, const char *focus, const char *ignore)
{
	int err = focus ? keep(p, focus, true) : 0;

	return !err && ignore ? keep(p, ignore, false) : err;
}
