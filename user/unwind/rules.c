// SPDX-License-Identifier: GPL-2.0-or-later
#include "unwind/rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/vector.h"

/*
 * An index with open addressing, at most a quarter full, in which no search takes more than
 * MAX_PROBES steps: a file made so that its rules collide gets invalid ones, not a slow compiler.
 */
#define MAX_PROBES  32
#define FIRST_SLOTS 1024

struct rule_set {
	VECTOR(struct unwind_rule) rules;
	uint32_t *slots; /* number of the rule + 1; 0: empty */
	size_t mask;	 /* slots - 1; slots is a power of two */
	uint64_t overflows;
};

static const struct unwind_rule fixed_rules[UNWIND_RULES_FIXED] = {
	[UNWIND_RULE_GAP] = {.cfa = UNWIND_CFA_GAP},
	[UNWIND_RULE_INVALID] = {.cfa = UNWIND_CFA_INVALID},
	[UNWIND_RULE_STOP] = {.cfa = UNWIND_CFA_STOP},
};

static size_t home(const struct unwind_rule *rule, size_t mask)
{
	uint64_t words[2], x;

	/* The finaliser of splitmix64 (Steele, Lea, Flood 2014). */
	memcpy(words, rule, sizeof(words));
	x = words[0] ^ (words[1] * 0x9e3779b97f4a7c15ULL);
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return (x ^ (x >> 31)) & mask;
}

/* The slot that holds @rule or could take it; NULL where it would be too far away. */
static uint32_t *find_slot(const struct rule_set *s, const struct unwind_rule *rule)
{
	size_t i = home(rule, s->mask);
	int probes;

	for (probes = 0; probes < MAX_PROBES; probes++, i = (i + 1) & s->mask) {
		uint32_t *slot = &s->slots[i];

		if (!*slot || memcmp(&s->rules.items[*slot - 1], rule, sizeof(*rule)) == 0)
			return slot;
	}
	return NULL;
}

static int grow(struct rule_set *s)
{
	size_t slots = s->slots ? (s->mask + 1) * 2 : FIRST_SLOTS, i;
	uint32_t *bigger = calloc(slots, sizeof(*bigger));

	if (!bigger)
		return -ENOMEM;
	free(s->slots);
	s->slots = bigger;
	s->mask = slots - 1;
	for (i = 0; i < s->rules.count; i++) {
		uint32_t *slot = find_slot(s, &s->rules.items[i]);

		if (slot)
			*slot = i + 1;
	}
	return 0;
}

static int add_rule(struct rule_set *s, const struct unwind_rule *rule)
{
	uint32_t *slot;
	int err;

	if (s->rules.count >= UNWIND_MAX_RULES)
		return -ENOSPC;
	if (!s->slots || s->rules.count * 4 > s->mask) {
		err = grow(s);
		if (err)
			return err;
	}
	slot = find_slot(s, rule);
	if (!slot)
		return -ENOSPC;
	err = vector_push(&s->rules, *rule);
	if (err)
		return err;
	*slot = s->rules.count;
	return 0;
}

int rule_set__create(struct rule_set **ret)
{
	struct rule_set *s = calloc(1, sizeof(*s));
	size_t i;

	if (!s)
		return -ENOMEM;
	for (i = 0; i < UNWIND_RULES_FIXED; i++) {
		int err = add_rule(s, &fixed_rules[i]);

		if (err) {
			rule_set__destroy(s);
			return err;
		}
	}
	*ret = s;
	return 0;
}

void rule_set__destroy(struct rule_set *s)
{
	if (!s)
		return;
	vector_release(&s->rules);
	free(s->slots);
	free(s);
}

uint16_t rule_set__index(struct rule_set *s, const struct unwind_rule *rule)
{
	const uint32_t *slot = find_slot(s, rule);

	if (slot && *slot)
		return *slot - 1;
	if (slot && !add_rule(s, rule))
		return s->rules.count - 1;
	s->overflows++;
	return UNWIND_RULE_INVALID;
}

const struct unwind_rule *rule_set__rules(const struct rule_set *s, size_t *nr)
{
	*nr = s->rules.count;
	return s->rules.items;
}

uint64_t rule_set__overflows(const struct rule_set *s)
{
	return s->overflows;
}
