/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef MEMLEAK_UNWIND_RULES_H
#define MEMLEAK_UNWIND_RULES_H

/*
 * A set of unwind rules, numbered from 0 in the order of their coming; the fixed ones of
 * bpf/unwind.h come first. Numbers are never taken back: a set grows to UNWIND_MAX_RULES.
 */

#include <stddef.h>
#include <stdint.h>

#include "bpf/unwind.h"

struct rule_set;

/* 0 or -ENOMEM. */
int rule_set__create(struct rule_set **ret);
void rule_set__destroy(struct rule_set *s);

/*
 * The number of a rule that equals @rule, added if it is new. Where there is no room, or no memory,
 * it is UNWIND_RULE_INVALID, and rule_set__overflows() counts it.
 */
uint16_t rule_set__index(struct rule_set *s, const struct unwind_rule *rule);

/* All rules, by number; valid until the next rule_set__index(). */
const struct unwind_rule *rule_set__rules(const struct rule_set *s, size_t *nr);

uint64_t rule_set__overflows(const struct rule_set *s);

#endif
